// SPDX-License-Identifier: Apache-2.0
import RedisDriver
import Testing

/// Commands, scripts and pipelines against a real server.
@Suite("Redis: commands", .enabled(if: TestServer.isThere), .timeLimit(.minutes(5))) struct RedisCommandTests {
    @Test("values come back as they were sent") func values() async throws {
        let key = TestServer.prefix()
        try await TestServer.withClient { client async throws in
            let bytes: [UInt8] = Array(0...255)
            #expect(try await client.send(RedisCommand("SET", key: key, [.init(bytes), "PX", 60_000])) == .text("OK"))
            #expect(try await client.send(RedisCommand("GET", key: key)) == .bytes(bytes))
            #expect(try await client.send(RedisCommand("GET", key: key + "none")).isNull)
            #expect(try await client.send(RedisCommand("INCRBY", key: key + "n", [.init(Int.min)])).int() == .min)
            #expect(try await client.send(RedisCommand("DEL", key: key, [.init(key + "n")])).int() == 2)
        }
    }

    @Test("an error of the server is thrown, and hurts nobody else") func errors() async throws {
        let key = TestServer.prefix()
        try await TestServer.withClient { client async throws in
            let results = await client.send([
                RedisCommand("SET", key: key, ["x"]), RedisCommand("INCR", key: key), RedisCommand("DEL", key: key),
            ])
            #expect(try results[0].get() == .text("OK"))
            let error = await expectFailure(.server) { try results[1].get() }
            #expect(error?.serverCode == "ERR")
            #expect(error?.outcome == .nothingHappened)
            #expect(try results[2].get().int() == 1)
        }
    }

    @Test("a script is loaded when it is first used, and again after it was flushed") func scripts() async throws {
        let key = TestServer.prefix()
        let script = RedisScript("redis.call('INCRBY', KEYS[1], ARGV[1]) return {ARGV[2], #ARGV[2]} -- \(key)")
        try await TestServer.withClient { client async throws in
            let command = RedisCommand.script(script, keys: [key], [2, .runID])
            let first = try await client.send(command).array()
            #expect(try first[1].int() == 40)
            let info = try await client.send(RedisCommand("INFO", ["server"])).string()
            #expect(info.contains("run_id:\(try first[0].string().prefix(24))"))
            for _ in 0..<3 {
                _ = try await client.send(RedisCommand("SCRIPT", ["FLUSH"]))
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<100 { group.addTask { _ = try await client.send(command) } }
                    try await group.waitForAll()
                }
            }
            #expect(try await client.send(RedisCommand("GETDEL", key: key)).int() == 2 * 301)
        }
    }
}
