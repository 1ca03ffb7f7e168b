// SPDX-License-Identifier: Apache-2.0
import Foundation
import RedisDriver
import RedisTestSupport
import Synchronization
import Testing

/// Servers that crash, hang and come back. What counts is that each caller is told the truth.
@Suite("Redis: faults", .enabled(if: TestServer.isThere), .timeLimit(.minutes(5))) struct RedisFaultTests {
    /// What callers were told about what they added to a counter.
    private struct Told: Sendable {
        var done = 0
        var nothing = 0
        var unknown = 0
    }

    /// Counts in Redis from 64 tasks while `trouble` goes on, and compares what was told with what is there.
    private func countDuring(
        _ client: RedisClient, _ trouble: @escaping @Sendable () async throws -> Void
    ) async throws -> Told {
        let told = try await withThrowingTaskGroup(of: Told.self) { group in
            let over = Flag()
            for _ in 0..<64 {
                group.addTask {
                    var told = Told()
                    while !over.isSet {
                        do throws(RedisError) {
                            _ = try await client.send(RedisCommand("INCR", key: "count"))
                            told.done += 1
                        } catch {
                            if error.outcome == .unknown { told.unknown += 1 } else { told.nothing += 1 }
                        }
                    }
                    return told
                }
            }
            defer { over.set() }
            try await trouble()
            over.set()
            var all = Told()
            for try await one in group {
                all.done += one.done
                all.nothing += one.nothing
                all.unknown += one.unknown
            }
            return all
        }
        let count = try await client.send(RedisCommand("GET", key: "count", retry: .ifInterrupted)).int()
        #expect(count >= told.done, "something was promised and is gone")
        #expect(count <= told.done + told.unknown, "something is there that did not happen")
        return told
    }

    @Test("connections that are killed under load") func killed() async throws {
        try await RedisServer.run { server in
            try await server.withClient({ $0.outageGrace = .seconds(120) }) { client async throws in
                let told = try await countDuring(client) {
                    for round in 1...6 {
                        while try await client.send(RedisCommand("INCR", key: "rounds", retry: .ifInterrupted)).int()
                            < 50 * round
                        {}
                        _ = try? await client.send(RedisCommand("CLIENT", ["KILL", "TYPE", "normal", "SKIPME", "no"]))
                    }
                }
                #expect(told.done > 100 && told.nothing == 0)
                #expect(told.unknown <= 6 * 64)
            }
        }
    }

    @Test("a server that crashes and is back at once: who was not served yet waits for it") func crash() async throws {
        // Written before it is answered: "everysec" may put the write off while the disk is slow.
        try await RedisServer.run(["--appendonly", "yes", "--appendfsync", "no"]) { server in
            try await server.withClient {
                $0.outageGrace = .seconds(120)
            } _: { client async throws in
                let told = try await countDuring(client) {
                    for round in 1...3 {
                        while try await client.send(RedisCommand("INCR", key: "rounds", retry: .ifInterrupted)).int()
                            < 50 * round
                        {}
                        server.kill()
                        try await server.start()
                    }
                }
                #expect(told.done > 100 && told.nothing == 0)
                #expect(told.unknown <= 3 * 64)
            }
        }
    }

    @Test("who comes while the server is away waits for the grace, or is told at once without one") func away()
        async throws
    {
        try await RedisServer.run { server in
            server.kill()
            try await server.withClient {
                $0.outageGrace = .zero
            } _: { client async throws in
                let error = await expectFailure(.unreachable) { try await client.send(RedisCommand("PING")) }
                #expect(error?.outcome == .nothingHappened && error?.isRetriable == true)
                try await server.withClient {
                    $0.outageGrace = .seconds(120)
                } _: { patient in
                    async let answer = patient.send(RedisCommand("PING"))
                    while patient.waitingCount == 0 { await Task.yield() }
                    try await server.start()
                    #expect(try await answer == .text("PONG"))
                }
                // It comes back by itself, though nobody waits.
                while (try? await client.send(RedisCommand("PING"))) == nil { await Task.yield() }
            }
        }
    }

    @Test("a server that falls silent costs its callers no more than their time, and then its connection") func silent()
        async throws
    {
        try await RedisServer.run { server in
            try await server.withClient {
                $0.answerTimeout = .seconds(1)
                $0.connectTimeout = .seconds(1)
                $0.outageGrace = .zero
            } _: { client async throws in
                while (try? await client.send(RedisCommand("PING"))) == nil { await Task.yield() }
                server.pause()
                let error = await expectFailure(.timedOut) { try await client.send(RedisCommand("PING")) }
                #expect(error?.outcome == .unknown)
                // The next connection is taken by the system and never answered.
                var code: RedisError.Code?
                while code != .unreachable {
                    do throws(RedisError) {
                        _ = try await client.send(RedisCommand("PING"))
                    } catch {
                        code = error.code
                    }
                    await Task.yield()
                }
                server.resume()
                while (try? await client.send(RedisCommand("PING"))) == nil { await Task.yield() }
            }
        }
    }

    @Test("cancelled callers are told at once; the others keep their answers; a full queue is told at once")
    func cancelled() async throws {
        try await RedisServer.run { server in
            try await server.withClient {
                $0.connections = 1
                $0.queueMax = 100
            } _: { client async throws in
                _ = try await client.send(RedisCommand("PING"))
                server.pause()
                let calls = (0..<100).map { number in
                    Task { try await client.send(RedisCommand("ECHO", [.init(number)])).int() }
                }
                while client.waitingCount < 100 { await Task.yield() }
                let full = await expectFailure(.queueFull) { try await client.send(RedisCommand("PING")) }
                #expect(full?.outcome == .nothingHappened)
                for (number, call) in calls.enumerated() where number.isMultiple(of: 2) {
                    call.cancel()
                    await expectFailure(.cancelled) { try await call.value }
                }
                let before = Task {
                    withUnsafeCurrentTask { $0?.cancel() }
                    return try await client.send(RedisCommand("PING"))
                }
                let error = await expectFailure(.cancelled) { try await before.value }
                #expect(error?.outcome == .nothingHappened)
                server.resume()
                for (number, call) in calls.enumerated() where !number.isMultiple(of: 2) {
                    #expect(try await call.value == number)
                }
                while client.waitingCount > 0 { await Task.yield() }
                let pipeline = Task {
                    withUnsafeCurrentTask { $0?.cancel() }
                    return await client.send([RedisCommand("PING"), RedisCommand("PING")])
                }
                #expect(await pipeline.value.count == 2)
            }
        }
    }

    @Test("a client that is closed finishes what is under way and refuses the rest") func closing() async throws {
        try await RedisServer.run { server in
            try await server.withClient { client async throws in
                let service = Task { try await client.run() }
                async let last = client.send(RedisCommand("BLPOP", key: "list", [0]))
                try await server.withClient { admin in
                    var list = ""
                    while !list.contains("cmd=blpop") {
                        list = try await admin.send(RedisCommand("CLIENT", ["LIST"])).string()
                    }
                    service.cancel()
                    var code: RedisError.Code?
                    while code != .shutDown {
                        let probe = Task { try await client.send(RedisCommand("PING")) }
                        probe.cancel()
                        if case .failure(let error as RedisError) = await probe.result { code = error.code }
                    }
                    _ = try await admin.send(RedisCommand("RPUSH", key: "list", ["last"]))
                }
                #expect(try await last.array()[1].string() == "last")
                try await service.value
            }
        }
    }

    /// Something that happens once.
    private final class Flag: Sendable {
        private let tally = Mutex(false)
        var isSet: Bool { tally.withLock { $0 } }
        func set() { tally.withLock { $0 = true } }
    }
}
