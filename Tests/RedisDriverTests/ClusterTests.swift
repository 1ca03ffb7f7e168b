// SPDX-License-Identifier: Apache-2.0
import Foundation
import RedisDriver
import RedisTestSupport
import Synchronization
import Testing

/// A cluster that stays as it is.
@Suite("Redis: cluster", .enabled(if: TestCluster.isThere), .timeLimit(.minutes(5))) struct RedisClusterTests {
    @Test("keys of all nodes are written and read, one by one and in one pipeline, in order") func keys() async throws {
        let prefix = TestServer.prefix()
        try await TestServer.withClient(url: TestCluster.url) { client async throws in
            let keys = (0..<300).map { "\(prefix)\($0)" }
            for key in keys.prefix(30) {
                #expect(
                    try await client.send(RedisCommand("SET", key: key, [.init(key), "PX", 60_000])) == .text("OK"))
            }
            let written = await client.send(keys.map { RedisCommand("SET", key: $0, [.init($0), "PX", 60_000]) })
            #expect(try written.allSatisfy { try $0.get() == .text("OK") })
            let read = await client.send(keys.map { RedisCommand("GET", key: $0) })
            #expect(try read.map { try $0.get().string() } == keys)
        }
    }

    @Test("an error hurts nobody else, wherever the others are") func errors() async throws {
        let prefix = TestServer.prefix()
        try await TestServer.withClient(url: TestCluster.url) { client async throws in
            var commands = (0..<20).map { RedisCommand("SET", key: "\(prefix)\($0)", ["x", "PX", 60_000]) }
            commands.insert(RedisCommand("INCR", key: "\(prefix)0"), at: 10)
            commands.insert(RedisCommand("DEL", key: "\(prefix)0", [.init("\(prefix)1")]), at: 15)
            let results = await client.send(commands)
            #expect(results.count == 22)
            let codes = results.indices.filter { (try? results[$0].get()) != .text("OK") }
            #expect(codes == [10, 15])
            #expect(await expectFailure(.server) { try results[10].get() }?.serverCode == "ERR")
            #expect(await expectFailure(.server) { try results[15].get() }?.serverCode == "CROSSSLOT")
        }
    }

    @Test("commands of one key keep their order among others'") func order() async throws {
        let prefix = TestServer.prefix()
        try await TestServer.withClient(url: TestCluster.url) { client async throws in
            let names = (0..<12).map { "\(prefix)\($0)" }
            let commands = (0..<50).flatMap { round in
                names.map { RedisCommand("RPUSH", key: $0, [.init(round)]) }
            }
            _ = await client.send(commands)
            for name in names {
                let list = try await client.send(RedisCommand("LRANGE", key: name, [0, -1])).array()
                #expect(try list.map { try $0.int() } == Array(0..<50))
                _ = try await client.send(RedisCommand("DEL", key: name))
            }
        }
    }

    @Test("a script is loaded on every node that it comes to, and by whom it was forgotten") func scripts() async throws
    {
        let prefix = TestServer.prefix()
        let script = RedisScript("return redis.call('INCRBY', KEYS[1], ARGV[1]) -- \(prefix)")
        try await TestServer.withClient(url: TestCluster.url) { client async throws in
            let commands = (0..<50).map { RedisCommand.script(script, keys: ["\(prefix)\($0)"], [3]) }
            for round in 1...3 {
                let results = await client.send(commands)
                #expect(try results.map { try $0.get().int() } == Array(repeating: 3 * round, count: 50))
                for _ in 0..<9 { _ = try await client.send(RedisCommand("SCRIPT", ["FLUSH"])) }
            }
            _ = await client.send((0..<50).map { RedisCommand("DEL", key: "\(prefix)\($0)") })
        }
    }

    @Test("commands without a key are answered") func keyless() async throws {
        try await TestServer.withClient(url: TestCluster.url) { client async throws in
            #expect(try await client.send(RedisCommand("PING")) == .text("PONG"))
            let results = await client.send([RedisCommand("PING"), RedisCommand("ECHO", ["a"])])
            #expect(try results.map { try $0.get().string() } == ["PONG", "a"])
        }
    }

    @Test("the seeds that are gone are passed over") func seeds() async throws {
        try await TestServer.withClient(url: TestCluster.url) {
            $0.hosts = [.init("127.0.0.1", port: 1)] + $0.hosts.suffix(1)
        } _: { client async throws in
            #expect(try await client.send(RedisCommand("PING")) == .text("PONG"))
        }
    }

    @Test("who finds nobody is told once the grace is over, and a server without Cluster says so") func nobody()
        async throws
    {
        try await TestServer.withClient(url: "redis+cluster://127.0.0.1:1?outage_grace=0") { client async throws in
            let error = await expectFailure(.unreachable) { try await client.send(RedisCommand("PING")) }
            #expect(error?.outcome == .nothingHappened)
            let results = await client.send([RedisCommand("GET", key: "a"), RedisCommand("GET", key: "b")])
            for result in results { await expectFailure(.unreachable) { try result.get() } }
        }
        try await RedisServer.run { server in
            try await TestServer.withClient(url: "redis+cluster://127.0.0.1:\(server.port)?outage_grace=0") {
                client async throws in
                var error = await expectFailure(.unreachable) { try await client.send(RedisCommand("PING")) }
                // A busy machine may not have had the time to answer the first of our questions.
                for _ in 0..<3000 where error?.message.contains("cluster support disabled") == false {
                    try await Task.sleep(for: .milliseconds(10))
                    error = await expectFailure(.unreachable) { try await client.send(RedisCommand("PING")) }
                }
                #expect(error?.message.contains("cluster support disabled") == true, "\(error?.debugDescription ?? "")")
            }
        }
    }

    @Test("what is published on any node is heard") func subscription() async throws {
        let channel = TestServer.prefix()
        try await TestServer.withClient(url: TestCluster.url) { client async throws in
            var events = try client.subscribe(to: [channel]).makeAsyncIterator()
            #expect(await events.next() == .established)
            for number in 0..<20 {
                _ = try await client.send(RedisCommand("PUBLISH", [.init(channel), .init(number)]))
                #expect(await events.next() == .message(channel: channel, payload: Array("\(number)".utf8)))
            }
        }
    }

    @Test("keys of all nodes are tracked") func tracking() async throws {
        let prefix = TestServer.prefix()
        try await TestServer.withClient(url: TestCluster.url) { client async throws in
            var events = try client.track(prefixes: [prefix]).makeAsyncIterator()
            #expect(await events.next() == .began)
            for number in 0..<30 {
                let key = "\(prefix)\(number)"
                _ = try await client.send(RedisCommand("SET", key: key, ["1", "PX", 60_000]))
                #expect(await events.next() == .invalidated([key]))
            }
        }
    }
}

/// A cluster that is changed under way, one for each test.
@Suite("Redis: changes of a cluster", .enabled(if: TestCluster.isThere), .serialized, .timeLimit(.minutes(10)))
struct RedisClusterChangeTests {
    @Test("a slot on its way to another node is answered for throughout") func migration() async throws {
        try await RedisCluster.run { cluster async throws in
            try await TestServer.withClient(url: TestCluster.url(of: cluster)) { client async throws in
                let slot = 12_182
                let source = try await cluster.primary(of: slot, askedOf: cluster.nodes[0])
                let target = try await cluster.primary(of: 0, askedOf: cluster.nodes[0])
                try #require(source.port != target.port)
                let (here, there) = (try await cluster.name(of: source), try await cluster.name(of: target))
                for key in ["{foo}1", "{foo}2"] {
                    _ = try await client.send(RedisCommand("SET", key: key, [.init(key)]))
                }
                try await target.tell("CLUSTER", "SETSLOT", "\(slot)", "IMPORTING", here)
                try await source.tell("CLUSTER", "SETSLOT", "\(slot)", "MIGRATING", there)
                func move(_ key: String) async throws {
                    let told = try await source.tell("MIGRATE", "127.0.0.1", "\(target.port)", key, "0", "60000")
                    try #require(told == "OK")
                }
                try await move("{foo}1")
                // What is there is asked for there, scripts that the node does not know included.
                let script = RedisScript("return redis.call('APPEND', KEYS[1], 'x')")
                #expect(try await client.send(RedisCommand("GET", key: "{foo}1")).string() == "{foo}1")
                #expect(try await client.send(.script(script, keys: ["{foo}1"])).int() == 7)
                #expect(try await client.send(.script(script, keys: ["{foo}2"])).int() == 7)
                let both = await client.send((1...2).map { RedisCommand("GET", key: "{foo}\($0)") })
                #expect(try both.map { try $0.get().string() } == ["{foo}1x", "{foo}2x"])
                #expect(try await target.tell("INFO", "errorstats").contains("errorstat_MOVED") == false)
                // Keys of which one is there cannot be answered for now: the caller waits, or is told in the end.
                let all = RedisCommand("MGET", key: "{foo}1", ["{foo}2"])
                try await TestServer.withClient(url: TestCluster.url(of: cluster)) {
                    $0.answerTimeout = .seconds(2)
                } _: { impatient async throws in
                    var outcome: RedisError?
                    // Where time runs out while an attempt is under way, or before there is a connection, the caller is
                    // told just that.
                    repeat {
                        do throws(RedisError) {
                            _ = try await impatient.send(all)
                            break
                        } catch { outcome = error }
                    } while outcome?.serverCode == nil
                    #expect(outcome?.serverCode == "TRYAGAIN")
                    #expect(outcome?.isRetriable == true)
                }
                async let waiting = client.send(all)
                try await move("{foo}2")
                #expect(try await waiting.array().map { try $0.string() } == ["{foo}1x", "{foo}2x"])
                // Once the slot has moved, MOVED is met once, or not at all where the map was fetched meanwhile.
                for node in cluster.nodes where try await node.tell("ROLE").hasPrefix("master") {
                    try await node.tell("CLUSTER", "SETSLOT", "\(slot)", "NODE", there)
                }
                func redirections() async throws -> Substring? {
                    try await source.tell("INFO", "errorstats").split(separator: "\n").first { $0.contains("MOVED") }
                }
                #expect(try await client.send(RedisCommand("GET", key: "{foo}1")).string() == "{foo}1x")
                let met = try await redirections()
                #expect(met == nil || met == "errorstat_MOVED:count=1")
                for _ in 0..<20 { _ = try await client.send(RedisCommand("SET", key: "{foo}3", ["1"])) }
                #expect(try await redirections() == met)
            }
        }
    }

    @Test("a planned failover is not noticed by callers") func plannedFailover() async throws {
        try await RedisCluster.run { cluster async throws in
            try await TestServer.withClient(url: TestCluster.url(of: cluster)) {
                $0.answerTimeout = .seconds(60)
            } _: { client async throws in
                let old = try await cluster.primary(of: 12_182, askedOf: cluster.nodes[0])
                let isOver = Flag()
                let counted = try await withThrowingTaskGroup(of: Int.self) { group in
                    for _ in 0..<8 {
                        group.addTask {
                            var count = 0
                            while !isOver.isUp.load(ordering: .relaxed) {
                                _ = try await client.send(RedisCommand("INCR", key: "foo"))
                                count += 1
                            }
                            return count
                        }
                    }
                    let replica = try #require(try await cluster.replica(of: old))
                    #expect(try await replica.tell("CLUSTER", "FAILOVER") == "OK")
                    try await wait(until: "the replica is the primary") {
                        try await cluster.primary(of: 12_182, askedOf: old).port == replica.port
                    }
                    func count() async throws -> Int {
                        let value = try await client.send(RedisCommand("GET", key: "foo"))
                        return value.isNull ? 0 : try value.int()
                    }
                    let before = try await count()
                    try await wait(until: "callers go on with it") { try await count() > before }
                    isOver.isUp.store(true, ordering: .relaxed)
                    return try await group.reduce(0, +)
                }
                #expect(try await client.send(RedisCommand("GET", key: "foo")).int() == counted)
            }
        }
    }

    @Test("a primary that is killed is replaced: who can wait for that notices nothing, and tracking begins anew")
    func failover() async throws {
        try await RedisCluster.run { cluster async throws in
            try await TestServer.withClient(url: TestCluster.url(of: cluster)) {
                $0.answerTimeout = .seconds(100)
                $0.outageGrace = .seconds(100)
            } _: { client async throws in
                let primary = try await cluster.primary(of: 12_182, askedOf: cluster.nodes[0])
                var events = try client.track(prefixes: ["foo"]).makeAsyncIterator()
                #expect(await events.next() == .began)
                _ = try await client.send(RedisCommand("SET", key: "foo", ["1"]))
                #expect(await events.next() == .invalidated(["foo"]))
                try await wait(until: "the replica has it") {
                    try await cluster.replica(of: primary)?.tell("DBSIZE") == "1"
                }
                primary.kill()
                #expect(await events.next() == .lost)
                let read = try await client.send(RedisCommand("GET", key: "foo", retry: .ifInterrupted)).int()
                #expect(read == 1)
                let written = await client.send([
                    RedisCommand("SET", key: "foo", ["2"]), RedisCommand("SET", key: "bar", ["2"]),
                    RedisCommand("SET", key: "hello", ["2"]),
                ])
                #expect(try written.allSatisfy { try $0.get() == .text("OK") })
                #expect(await events.next() == .began)
                // It comes back as a replica, which sends us on.
                try await primary.start()
                try await wait(until: "it is a replica") { try await primary.tell("ROLE").hasPrefix("slave") }
                #expect(try await client.send(RedisCommand("GET", key: "foo")).int() == 2)
            }
        }
    }

    @Test("a primary that hangs is replaced, and not asked when it goes on") func hanging() async throws {
        try await RedisCluster.run { cluster async throws in
            try await TestServer.withClient(url: TestCluster.url(of: cluster)) {
                $0.answerTimeout = .seconds(2)
            } _: { client async throws in
                let primary = try await cluster.primary(of: 12_182, askedOf: cluster.nodes[0])
                _ = try await client.send(RedisCommand("SET", key: "foo", ["1"]))
                primary.pause()
                let error = await expectFailure(.timedOut) {
                    try await client.send(RedisCommand("SET", key: "foo", ["2"]))
                }
                #expect(error?.outcome == .unknown)
                try await wait(until: "the replica serves it") {
                    (try? await client.send(RedisCommand("SET", key: "foo", ["3"]))) != nil
                }
                primary.resume()
                try await wait(until: "it is a replica") { try await primary.tell("ROLE").hasPrefix("slave") }
                try await wait(until: "it has followed") {
                    try await primary.tell("INFO", "replication").contains("master_link_status:up")
                }
                #expect(try await client.send(RedisCommand("GET", key: "foo")).int() == 3)
            }
        }
    }

    @Test("who does not wait is told that the node cannot be had, while others answer") func outage() async throws {
        try await RedisCluster.run { cluster async throws in
            try await TestServer.withClient(url: TestCluster.url(of: cluster)) {
                $0.outageGrace = .zero
                $0.answerTimeout = .seconds(60)
            } _: { client async throws in
                let primary = try await cluster.primary(of: 12_182, askedOf: cluster.nodes[0])
                for key in ["foo", "bar"] { _ = try await client.send(RedisCommand("SET", key: key, ["1"])) }
                primary.kill()
                let results = await client.send(
                    ["foo", "bar"].map { RedisCommand("GET", key: $0, retry: .ifInterrupted) })
                await expectFailure(.unreachable) { try results[0].get() }
                #expect(try results[1].get().int() == 1)
                try await wait(until: "the replica serves it") {
                    (try? await client.send(RedisCommand("SET", key: "foo", ["2"]))) != nil
                }
            }
        }
    }
}

/// Tells tasks something once.
private final class Flag: Sendable {
    /// Whether it was told.
    let isUp = Atomic(false)
}

/// The cluster that tests run against, by the environment's word.
enum TestCluster {
    /// Its URL, nil where there is none.
    static let url = ProcessInfo.processInfo.environment["SOJOURN_TEST_REDIS_CLUSTER"]
    /// Whether there is one.
    static let isThere = url != nil

    /// The URL of a cluster of one test alone.
    static func url(of cluster: RedisCluster) -> String {
        "redis+cluster://" + cluster.nodes.map { "127.0.0.1:\($0.port)" }.joined(separator: ",")
    }
}
