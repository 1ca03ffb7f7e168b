// SPDX-License-Identifier: Apache-2.0

import Foundation
import RedisDriver
import RedisTestSupport
import Sojourn
import SojournSQLite
import SojournTesting
import Synchronization
import Testing
import TierTestSupport

/// Two nodes before one database under load, while Redis fails in every way it can. `script/soak tiering` runs it for
/// longer.
@Suite("Redis failing under load")
struct RedisTieringLoadTests {
    /// What happens to Redis.
    private enum Fault: CaseIterable {
        case flushed, killed, restartedStale, paused
    }

    /// What a caller knows of its sessions.
    private struct Known: Sendable {
        var live: [SessionAccess] = []
        var ended: [SessionAccess] = []
        var counts: [SessionID: Int] = [:]
    }

    private static let environment = ProcessInfo.processInfo.environment
    private static let length = Duration.seconds(environment["TIERING_SECONDS"].flatMap { Int($0) } ?? 4)
    private static let pause = Duration.milliseconds(environment["TIERING_PAUSE_MS"].flatMap { Int($0) } ?? 400)

    @Test("no live session is refused, no ended one opens, and every validation is counted")
    func holds() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sojourn-load-\(UUID())").path
        let truth = try SQLiteStore(path: folder + "/sojourn.db", clock: SystemWallClock())
        try await RedisServer.run { server in
            let tier = try await TierUnderTest(
                truth, redis: RedisConfiguration(url: "redis://127.0.0.1:\(server.port)"), prefix: "load", clock: nil,
                answerMax: .milliseconds(250))
            let end = ContinuousClock.now + Self.length
            let known: [Known] = try await withThrowingTaskGroup(of: Known?.self) { group in
                for caller in 0..<64 { group.addTask { try await Self.call(tier, caller, until: end) } }
                group.addTask {
                    try await Self.fail(server, until: end)
                    return nil
                }
                return try await group.reduce(into: [Known]()) { all, known in if let known { all.append(known) } }
            }
            try await tier.close()
            var validations = 0
            for (id, count) in known.flatMap({ $0.counts }) {
                validations += count
                let stored = try await truth.find([.trusted(id, as: .cli)])[0]
                #expect(stored?.session.requestCount == count)
            }
            print("tiering: \(validations) validations, \(known.reduce(0) { $0 + $1.ended.count }) sessions ended")
        }
        try await truth.close()
        try FileManager.default.removeItem(atPath: folder)
    }

    /// Validates sessions of its own, begins and ends one now and then, and looks whether ended ones stay so.
    private static func call(
        _ tier: TierUnderTest<SQLiteStore>, _ caller: Int, until end: ContinuousClock.Instant
    ) async throws -> Known {
        var known = Known()
        var random = SystemRandomNumberGenerator()
        while .now < end {
            switch Int.random(in: 0..<100, using: &random) {
            case 0 where known.live.count > 2:
                let access = known.live.remove(at: .random(in: known.live.indices, using: &random))
                #expect(try await tier.end([access]) == [true])
                known.ended.append(access)
            case 0..<5 where known.live.count < 8:
                let digest = SecretDigest(bytes: (0..<32).map { _ in .random(in: 0...255, using: &random) })
                let access = SessionAccess.digest(SessionID(at: SystemWallClock().now, random: .system), digest)
                _ = try await tier.create([NewSession(id: access.id, digest: digest)])[0].get()
                known.live.append(access)
            case 5..<20:
                guard let access = known.ended.randomElement(using: &random) else { break }
                #expect(try await tier.validate(access) == nil, "an ended session opens")
            default:
                guard let access = known.live.randomElement(using: &random) else { break }
                let session = try await tier.validate(access)
                #expect(session != nil, "a live session is refused")
                known.counts[access.id, default: 0] += 1
            }
        }
        return known
    }

    /// Lets Redis fail again and again.
    private static func fail(_ server: RedisServer, until end: ContinuousClock.Instant) async throws {
        var faults: [Fault] = []
        while .now < end {
            if faults.isEmpty { faults = Fault.allCases.shuffled() }
            try await Task.sleep(for: pause)
            switch faults.removeLast() {
            case .flushed: try await server.tell("FLUSHALL")
            case .killed:
                server.kill()
                try? FileManager.default.removeItem(atPath: server.folder + "/dump.rdb")
                try await Task.sleep(for: pause)
                try await server.start()
            case .restartedStale:
                try await server.tell("SAVE")
                try await Task.sleep(for: pause)
                server.kill()
                try await server.start()
            case .paused:
                server.pause()
                try await Task.sleep(for: pause)
                server.resume()
            }
        }
    }
}
