// SPDX-License-Identifier: Apache-2.0
import RedisDriver
import RedisTestSupport
import Testing

/// A primary that is found by Sentinels.
@Suite("Redis: Sentinel", .enabled(if: TestServer.isThere), .serialized, .timeLimit(.minutes(10)))
struct RedisSentinelTests {
    @Test("a primary that is killed is replaced: who can wait for that notices nothing, and subscriptions follow")
    func failover() async throws {
        try await RedisSentinels.run { group async throws in
            try await TestServer.withClient(url: group.url) {
                $0.answerTimeout = .seconds(100)
                $0.outageGrace = .seconds(100)
            } _: { client async throws in
                var events = try client.subscribe(to: ["c"]).makeAsyncIterator()
                #expect(await events.next() == .established)
                #expect(try await client.send(RedisCommand("SET", key: "foo", ["1"])) == .text("OK"))
                try await wait(until: "the replica has it") { try await group.servers[1].tell("DBSIZE") == "1" }
                group.servers[0].kill()
                #expect(await events.next() == .lost)
                #expect(try await client.send(RedisCommand("GET", key: "foo", retry: .ifInterrupted)).int() == 1)
                _ = try await client.send(RedisCommand("SET", key: "foo", ["2"]))
                #expect(try await group.servers[1].tell("GET", "foo") == "2")
                #expect(await events.next() == .established)
                _ = try await client.send(RedisCommand("PUBLISH", ["c", "x"]))
                #expect(await events.next() == .message(channel: "c", payload: Array("x".utf8)))
            }
        }
    }

    @Test("after a planned failover the new primary is written to") func plannedFailover() async throws {
        try await RedisSentinels.run { group async throws in
            try await TestServer.withClient(url: group.url) { client async throws in
                _ = try await client.send(RedisCommand("SET", key: "foo", ["1"]))
                #expect(try await group.sentinels[2].tell("SENTINEL", "FAILOVER", RedisSentinels.name) == "OK")
                try await wait(until: "the old primary is a replica") {
                    try await group.servers[0].tell("ROLE").hasPrefix("slave")
                }
                try await wait(until: "writes are taken") {
                    (try? await client.send(RedisCommand("SET", key: "foo", ["2"]))) != nil
                }
                #expect(try await group.servers[1].tell("GET", "foo") == "2")
            }
        }
    }

    @Test("Sentinels have a password of their own, and those that are gone are passed over") func passwords()
        async throws
    {
        try await RedisSentinels.run(password: "a secret", sentinelPassword: "another") { group async throws in
            let url = "redis+sentinel://:a%20secret@127.0.0.1:1,127.0.0.1:\(group.sentinels[0].port)?master=sojourn"
            try await TestServer.withClient(url: url + "&sentinel_password=another") { client async throws in
                #expect(try await client.send(RedisCommand("PING")) == .text("PONG"))
            }
            try await TestServer.withClient(url: url + "&sentinel_password=wrong&outage_grace=0") {
                client async throws in
                let error = await expectFailure(.unreachable) { try await client.send(RedisCommand("PING")) }
                #expect(error?.message.contains("WRONGPASS") == true)
                #expect(error?.debugDescription.contains("secret") == false)
            }
        }
    }

    @Test("a name that the Sentinels do not know is told of") func unknownName() async throws {
        try await RedisSentinels.run { group async throws in
            let url = group.url.replacing("master=sojourn", with: "master=other&outage_grace=0")
            try await TestServer.withClient(url: url) { client async throws in
                let error = await expectFailure(.unreachable) { try await client.send(RedisCommand("PING")) }
                #expect(error?.message.contains("no primary is called other there") == true)
            }
        }
    }
}

extension RedisSentinels {
    /// The URL of the primary that they watch.
    var url: String {
        "redis+sentinel://" + sentinels.map { "127.0.0.1:\($0.port)" }.joined(separator: ",") + "?master=\(Self.name)"
    }
}
