// SPDX-License-Identifier: Apache-2.0
import RedisDriver
import Testing

/// Subscriptions and the tracking of keys.
@Suite("Redis: events", .enabled(if: TestServer.isThere), .timeLimit(.minutes(5))) struct RedisEventTests {
    /// Ends the connection of the client with this name, but for those that send commands.
    private func kill(_ name: String, by client: RedisClient) async throws {
        let list = try await client.send(RedisCommand("CLIENT", ["LIST"])).string()
        for line in list.split(separator: "\n") where line.contains("name=\(name) ") {
            guard line.contains("cmd=ping"), let id = line.split(separator: " ")[0].split(separator: "=").last else {
                continue
            }
            _ = try await client.send(RedisCommand("CLIENT", ["KILL", "ID", .init(String(id))]))
        }
    }

    @Test("messages come in order; a lost connection is told of and subscribed again") func subscription() async throws
    {
        let name = "listener\(UInt32.random(in: 0 ... .max))"
        try await TestServer.withClient { client in
            var configuration = try RedisConfiguration(url: #require(TestServer.url))
            configuration.clientName = name
            let listener = RedisClient(configuration, logger: TestServer.logger)
            defer { listener.close() }
            var events = try listener.subscribe(to: [name, "\(name) two"]).makeAsyncIterator()
            for _ in 0..<2 {
                #expect(await events.next() == .established)
                for number in 0..<100 {
                    let channel = number.isMultiple(of: 2) ? name : "\(name) two"
                    let heard = try await client.send(RedisCommand("PUBLISH", [.init(channel), .init(number)])).int()
                    #expect(heard == 1)
                    let payload = Array(String(number).utf8)
                    #expect(await events.next() == .message(channel: channel, payload: payload))
                }
                try await kill(name, by: client)
                #expect(await events.next() == .lost)
            }
            #expect(await events.next() == .established)
            listener.close()
            var last = await events.next()
            if last == .lost { last = await events.next() }
            #expect(last == nil)
        }
    }

    @Test("keys with the prefix are invalidated, others are not; a flush is told of, and a lost connection")
    func tracking() async throws {
        let name = "tracker\(UInt32.random(in: 0 ... .max))"
        try await TestServer.withClient { client in
            var configuration = try RedisConfiguration(url: #require(TestServer.url))
            configuration.clientName = name
            let tracker = RedisClient(configuration, logger: TestServer.logger)
            defer { tracker.close() }
            var events = try tracker.track(prefixes: ["\(name):a", "\(name):b"]).makeAsyncIterator()
            #expect(await events.next() == .began)
            _ = try await client.send(RedisCommand("SET", key: "\(name):c", ["1", "PX", 60_000]))
            _ = try await client.send(RedisCommand("SET", key: "\(name):a1", ["1", "PX", 60_000]))
            #expect(await events.next() == .invalidated(["\(name):a1"]))
            _ = try await client.send(RedisCommand("UNLINK", key: "\(name):a1"))
            #expect(await events.next() == .invalidated(["\(name):a1"]))
            try await kill(name, by: client)
            #expect(await events.next() == .lost)
            #expect(await events.next() == .began)
            _ = try await client.send(RedisCommand("SET", key: "\(name):b", ["1", "PX", 60_000]))
            #expect(await events.next() == .invalidated(["\(name):b"]))
        }
    }
}
