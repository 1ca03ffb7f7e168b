// SPDX-License-Identifier: Apache-2.0
import RedisDriver
import RedisTestSupport
import Synchronization
import Testing

/// What real servers do too seldom to be waited for, done by a fake.
@Suite("Redis: odd servers", .timeLimit(.minutes(5))) struct RedisFakeServerTests {
    /// Lends a client of a fake that answers as `answer` says.
    private func withClient(
        _ answer: @escaping FakeServer.Answer, _ body: (RedisClient, FakeServer) async throws -> Void
    ) async throws {
        try await FakeServer.run(answer) { fake async throws in
            try await TestServer.withClient(url: fake.url) {
                $0.connections = 1
                $0.outageGrace = .seconds(120)
            } _: { client async throws in
                try await body(client, fake)
            }
        }
    }

    private let get = RedisCommand("GET", key: "a")
    private let repeatable = RedisCommand("GET", key: "a", retry: .ifInterrupted)

    @Test("a command whose answer was lost is unknown, or sent once more where that was allowed") func interrupted()
        async throws
    {
        try await withClient { connection, words in
            words[0] == "GET" && connection < 2 ? .close(after: "$1\r\n") : nil
        } _: { client, fake async throws in
            let error = await expectFailure(.connectionLost) { try await client.send(get) }
            #expect(error?.outcome == .unknown)
            #expect(try await client.send(repeatable).string() == "a")
            #expect(fake.connectionCount == 3)
        }
        try await withClient { _, words in
            words[0] == "GET" ? .close(after: "") : nil
        } _: { client, fake async throws in
            let error = await expectFailure(.connectionLost) { try await client.send(repeatable) }
            #expect(error?.outcome == .unknown && !(error?.isRetriable ?? true))
            #expect(fake.commands.filter { $0[0] == "GET" }.count == 2)
        }
    }

    @Test("a command that was not written waits for the next connection") func waiting() async throws {
        try await withClient { connection, words in
            words[0] == "HELLO" && connection < 3 ? .close(after: "") : nil
        } _: { client, fake async throws in
            #expect(try await client.send(get).string() == "a")
            #expect(fake.connectionCount == 4)
            #expect(fake.commands.filter { $0[0] == "GET" }.count == 1)
        }
    }

    @Test("a server that is loading is tried again, whenever it says so") func loading() async throws {
        let loading = FakeServer.Reply.write("-LOADING Redis is loading the dataset in memory\r\n")
        try await withClient { connection, words in
            connection == 0 && words[0] == "GET" || connection == 1 && words[0] == "PING" ? loading : nil
        } _: { client, fake async throws in
            #expect(try await client.send(get).string() == "a")
            #expect(fake.connectionCount == 3)
        }
    }

    @Test("a primary that became a replica is left once; where that is no better, the caller is told") func readOnly()
        async throws
    {
        let readOnly = FakeServer.Reply.write("-READONLY You can't write against a read only replica.\r\n")
        try await withClient { connection, words in
            connection == 0 && words[0] == "SET" ? readOnly : nil
        } _: { client, fake async throws in
            let results = await client.send([
                RedisCommand("SET", key: "a", ["1"]), get, RedisCommand("SET", key: "b", ["2"]),
            ])
            #expect(try results.map { try $0.get().string() } == ["OK", "a", "OK"])
            #expect(fake.connectionCount == 2)
            // In their order, and what was answered is not asked again.
            let sent = fake.commands.filter { ["SET", "GET"].contains($0[0]) }.map { "\($0[0]) \($0[1])" }
            #expect(sent == ["SET a", "GET a", "SET b", "SET a", "SET b"])
        }
        try await withClient { _, words in
            words[0] == "SET" ? readOnly : nil
        } _: { client, fake async throws in
            let error = await expectFailure(.server) { try await client.send(RedisCommand("SET", key: "a", ["1"])) }
            #expect(error?.serverCode == "READONLY" && error?.outcome == .nothingHappened)
            #expect(fake.connectionCount == 2)
        }
    }

    @Test(
        "what is no answer, and an answer too many, cost the connection",
        arguments: [":x\r\n", "?\r\n", "*1\r\n$-5\r\n", "$999999999999\r\n"])
    func nonsense(text: String) async throws {
        try await withClient { connection, words in
            guard connection == 0 else { return nil }
            return words[0] == "GET" ? .write(text) : words[0] == "ECHO" ? .silence : nil
        } _: { client, fake async throws in
            let results = await client.send([
                get, RedisCommand("ECHO", ["x"]), RedisCommand("ECHO", ["y"], retry: .ifInterrupted),
            ])
            for result in results.prefix(2) {
                let error = await expectFailure(.protocolViolation) { try result.get() }
                #expect(error?.outcome == .unknown)
            }
            #expect(try results[2].get().string() == "y")
            #expect(fake.connectionCount == 2)
        }
        try await withClient { connection, words in
            connection == 0 && words[0] == "GET" ? .write("+one\r\n+two\r\n") : nil
        } _: { client, fake async throws in
            #expect(try await client.send(get).string() == "one")
            #expect(try await client.send(repeatable).string() == "a")
            #expect(fake.connectionCount == 2)
        }
    }

    @Test("a connection that dies while nothing happens is found out and made again", arguments: [false, true])
    func heartbeat(isListening: Bool) async throws {
        // Each connection is answered one PING, the handshake's, or the one that ends the opening of what is listened to; then
        // it falls silent. On a busy machine one may be lost before that as well.
        struct State {
            var openings: Set<Int> = []
            var answered: Set<Int> = []
            var isSilent = true
        }
        let state = Mutex(State())
        try await FakeServer.run { connection, words in
            state.withLock { state in
                if words.starts(with: ["CLIENT", "TRACKING"]) { state.openings.insert(connection) }
                guard words == ["PING"], !isListening || state.openings.contains(connection) else { return nil }
                return state.answered.insert(connection).inserted || !state.isSilent ? nil : .silence
            }
        } _: { fake in
            try await TestServer.withClient(url: fake.url) {
                $0.connections = 1
                $0.heartbeat = .milliseconds(10)
                $0.answerTimeout = .seconds(1)
            } _: { client async throws in
                if isListening {
                    var events = try client.track(prefixes: []).makeAsyncIterator()
                    for awaited in [RedisTrackingEvent.began, .lost] {
                        while let event = await events.next(), event != awaited {}
                    }
                    state.withLock { $0.isSilent = false }
                    while let event = await events.next(), event != .began {}
                } else {
                    while (try? await client.send(get)) == nil { await Task.yield() }
                    while fake.connectionCount < 2 { await Task.yield() }
                    state.withLock { $0.isSilent = false }
                    while (try? await client.send(get)) == nil { await Task.yield() }
                }
            }
            #expect(fake.connectionCount >= 2)
        }
    }

    @Test("pushes between answers disturb nobody") func pushes() async throws {
        try await withClient { _, words in
            words[0] == "GET" ? .write(">2\r\n$10\r\ninvalidate\r\n_\r\n$1\r\nx\r\n>1\r\n+news\r\n") : nil
        } _: { client, fake async throws in
            for _ in 0..<10 { #expect(try await client.send(get).string() == "x") }
            #expect(fake.connectionCount == 1)
        }
    }

    @Test("of several hosts the first that is a primary is taken") func hosts() async throws {
        let hello: @Sendable (String) -> FakeServer.Answer = { role in
            { _, words in words[0] == "HELLO" ? .write("%1\r\n+role\r\n$\(role.utf8.count)\r\n\(role)\r\n") : nil }
        }
        try await FakeServer.run(hello("replica")) { replica async throws in
            try await withClient(hello("master")) { _, primary async throws in
                try await TestServer.withClient(url: primary.url) {
                    $0.hosts += [.init("127.0.0.1", port: 1)]
                    $0.hosts.insert(contentsOf: (try? RedisConfiguration(url: replica.url))?.hosts ?? [], at: 0)
                } _: { client async throws in
                    #expect(try await client.send(get).string() == "a")
                }
                #expect(primary.commands.contains { $0[0] == "GET" } && !replica.commands.contains { $0[0] == "GET" })
            }
        }
    }

    @Test("no connection stays at a server that another one has left for the next") func together() async throws {
        let isDeposed = Atomic(false)
        let server: @Sendable (String, @escaping @Sendable () -> Bool) -> FakeServer.Answer = { name, isReplica in
            { _, words in
                switch words[0] {
                case "HELLO": .write("%1\r\n+role\r\n+\(isReplica() ? "slave" : "master")\r\n")
                case "INFO": .write("$27\r\nrun_id:\(name)\nmaster_replid2:0\r\n")
                case "GET": .write("+\(name)\r\n")
                case "SLOW": .silence
                case "DIE": .close(after: "")
                default: nil
                }
            }
        }
        try await FakeServer.run(server("old") { isDeposed.load(ordering: .relaxed) }) { old async throws in
            try await FakeServer.run(server("new") { false }) { new async throws in
                try await TestServer.withClient(url: old.url) {
                    $0.connections = 2
                    $0.answerTimeout = .seconds(60)
                    $0.outageGrace = .seconds(60)
                    $0.hosts += (try? RedisConfiguration(url: new.url))?.hosts ?? []
                } _: { client async throws in
                    let first = Task { try await client.send(RedisCommand("SLOW")) }
                    try await wait(until: "one is busy") { old.commands.contains { $0[0] == "SLOW" } }
                    #expect(try await client.send(get).string() == "old")
                    isDeposed.store(true, ordering: .relaxed)
                    await expectFailure(.connectionLost) { try await client.send(RedisCommand("DIE")) }
                    try await wait(until: "the idle one has left") { new.commands.contains { $0[0] == "PING" } }
                    let second = Task { try await client.send(RedisCommand("SLOW")) }
                    try await wait(until: "that is busy") { new.commands.contains { $0[0] == "SLOW" } }
                    // By the other one, as none has less to do.
                    #expect(try await client.send(get).string() == "new")
                    await expectFailure(.connectionLost) { try await first.value }
                    second.cancel()
                    _ = await second.result
                }
            }
        }
    }

    @Test("a program gives the password anew for each connection, and a refusal is told at once") func passwords()
        async throws
    {
        try await FakeServer.run { connection, words in
            if words[0] == "HELLO", connection > 0 { return .write("-WRONGPASS invalid password \(words[4])\r\n") }
            return words[0] == "GET" ? .close(after: "") : nil
        } _: { fake async throws in
            try await TestServer.withClient(url: fake.url) {
                $0.connections = 1
                $0.password = .command(["sh", "-c", "echo pass; echo $$"])
                $0.outageGrace = .seconds(120)
            } _: { client async throws in
                await expectFailure(.connectionLost) { try await client.send(get) }
                let error = await expectFailure(.unreachable) { try await client.send(get) }
                #expect(error?.serverCode == "WRONGPASS" && !(error?.debugDescription.contains("pass ") ?? true))
                #expect(
                    fake.commands.filter { $0[0] == "HELLO" }.allSatisfy { $0[2...4] == ["AUTH", "default", "pass"] })
            }
        }
    }
}
