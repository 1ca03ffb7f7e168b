// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import RedisDriver
internal import RedisTestSupport
package import Sojourn
internal import Testing

/// 64 callers on two nodes before one store, while Redis fails in every way it can. `script/soak tiering` runs it for longer.
package struct TierLoad<Truth: TruthStore & ItemStore & JournalStore>: Sendable {
    private let truth: Truth
    private let endPast: @Sendable (SessionID) async throws -> Void
    private let settings = TierLoadSettings()

    /// A load on a store.
    ///
    /// - Parameter endPast: Ends a session past the tier, as somebody might who types SQL.
    package init(_ truth: Truth, endPast: @escaping @Sendable (SessionID) async throws -> Void) {
        self.truth = truth
        self.endPast = endPast
    }

    /// What a caller knows of its sessions.
    private struct Known: Sendable {
        var live: [SessionAccess] = []
        var ended: [SessionAccess] = []
        /// Ended past the tier, and when that was done.
        var endedPast: [(access: SessionAccess, at: ContinuousClock.Instant)] = []
        var counts: [SessionID: Int] = [:]
    }

    /// Expects that no live session is refused, that no ended one opens, of those ended past the tier once the lease is over,
    /// and that every validation is counted.
    package func run() async throws {
        try await RedisServer.run { server in
            let way = try RedisConfiguration(url: "redis://127.0.0.1:\(server.port)")
            let tier = try await TierUnderTest(
                truth, ways: [way, way], prefix: "load", clock: nil, answerMax: .milliseconds(250))
            let end = ContinuousClock.now + settings.length
            let known: [Known] = try await withThrowingTaskGroup(of: Known?.self) { group in
                for _ in 0..<64 { group.addTask { try await call(tier, until: end) } }
                group.addTask {
                    try await fail(server, until: end)
                    return nil
                }
                return try await group.reduce(into: []) { all, known in if let known { all.append(known) } }
            }
            try await tier.close()
            var validations = 0
            for (id, count) in known.flatMap({ $0.counts }) {
                validations += count
                let stored = try await truth.find([.trusted(id, as: .cli)])[0]
                #expect(stored?.session.requestCount == count)
            }
            let ended = known.reduce((0, 0)) { ($0.0 + $1.ended.count, $0.1 + $1.endedPast.count) }
            print("tiering: \(validations) validations, \(ended.0) sessions ended, \(ended.1) past the tier")
        }
    }

    /// Validates sessions of its own, begins and ends one now and then, and looks whether ended ones stay so.
    private func call(_ tier: TierUnderTest<Truth>, until end: ContinuousClock.Instant) async throws -> Known {
        var known = Known()
        while .now < end {
            switch Int.random(in: 0..<200) {
            case 0...1 where known.live.count > 2:
                let access = known.live.remove(at: .random(in: known.live.indices))
                #expect(try await tier.end([access]) == [true])
                known.ended.append(access)
            case 2 where known.live.count > 2:
                let access = known.live.remove(at: .random(in: known.live.indices))
                try await endPast(access.id)
                known.endedPast.append((access, .now))
            case 0..<12 where known.live.count < 8:
                let digest = SecretDigest(bytes: (0..<32).map { _ in .random(in: 0...255) })
                let access = SessionAccess.digest(SessionID(at: SystemWallClock().now, random: .system), digest)
                _ = try await tier.create([NewSession(id: access.id, digest: digest)])[0].get()
                known.live.append(access)
            case 12..<30:
                guard let access = known.ended.randomElement() else { break }
                #expect(try await tier.validate(access) == nil, "an ended session opens")
            case 30..<40:
                guard let (access, at) = known.endedPast.randomElement() else { break }
                let isHeardOf = at + Tiering().trustLease <= .now
                guard try await tier.validate(access) != nil else { break }
                #expect(!isHeardOf, "a session that was ended past the tier opens after the lease")
                known.counts[access.id, default: 0] += 1
            default:
                guard let access = known.live.randomElement() else { break }
                #expect(try await tier.validate(access) != nil, "a live session is refused")
                known.counts[access.id, default: 0] += 1
            }
        }
        return known
    }

    /// Lets Redis fail again and again.
    private func fail(_ server: RedisServer, until end: ContinuousClock.Instant) async throws {
        var faults: [TierLoadSettings.Fault] = []
        while .now < end {
            if faults.isEmpty { faults = settings.faults.shuffled() }
            try await Task.sleep(for: settings.pause)
            switch faults.removeLast() {
            case .flushed: try await server.tell("FLUSHALL")
            case .killed:
                server.kill()
                try? FileManager.default.removeItem(atPath: server.folder + "/dump.rdb")
                try await Task.sleep(for: settings.pause)
                try await server.start()
            case .stale:
                try await server.tell("SAVE")
                try await Task.sleep(for: settings.pause)
                server.kill()
                try await server.start()
            case .paused:
                server.pause()
                try await Task.sleep(for: settings.pause)
                server.resume()
            }
        }
    }
}

/// How long a load takes and what it meets: `TIERING_SECONDS`, `TIERING_PAUSE_MS` and `TIERING_FAULTS` in the environment.
private struct TierLoadSettings: Sendable {
    /// What happens to Redis.
    enum Fault: String, CaseIterable {
        /// Everything is lost.
        case flushed
        /// Killed (`kill -9`), and started empty after a pause.
        case killed
        /// Killed, and started from a snapshot that is a pause old.
        case stale
        /// Stopped in its tracks for a pause.
        case paused
    }

    let length: Duration
    let pause: Duration
    let faults: [Fault]

    init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        length = .seconds(environment["TIERING_SECONDS"].flatMap { Int($0) } ?? 4)
        pause = .milliseconds(environment["TIERING_PAUSE_MS"].flatMap { Int($0) } ?? 400)
        faults =
            environment["TIERING_FAULTS"]?.split(separator: ",").compactMap { Fault(rawValue: String($0)) }
            ?? Fault.allCases
    }
}
