// SPDX-License-Identifier: Apache-2.0

internal import BenchLoad
internal import Foundation
internal import RedisDriver
internal import Sojourn
internal import SojournRedis
internal import SojournSQLite

/// Nodes with a near cache, with Redis before one file.
struct Tier: Sendable {
    private let nodes: [TieredStore<SQLiteStore>]

    /// How many sessions are validated: fewer than a node gathers counts for in a second.
    private static let sessions = 20_000

    /// Lends nodes that run, over an empty file, and puts all away.
    static func run(nodes count: Int, url: String, _ body: @Sendable (Tier) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sojourn-bench-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let truth = try SQLiteStore(path: folder + "/sojourn.db")
        var tiering = Tiering()
        tiering.nearSessionsMax = 2 * sessions
        let configuration = try RedisConfiguration(url: url)
        let prefix = "bench:\(UUID())"
        let caches = (0..<count).map { _ in RedisCache(configuration, prefix: prefix) }
        let nodes = caches.map { [tiering] in TieredStore(truth, cache: $0, tiering: tiering) }
        let running = nodes.map { node in Task { try await node.run() } }
        try await body(Tier(nodes: nodes))
        for task in running { task.cancel() }
        for task in running { try await task.value }
        for cache in caches { cache.close() }
        try await truth.close()
    }

    /// Begins sessions, has each of them copied, and measures validations.
    func measure(for duration: Duration, callers: Int, _ freshness: Freshness) async throws {
        let node = nodes[0]
        let accesses = try await begin(Self.sessions, on: node)
        try await withThrowingTaskGroup { group in
            for caller in 0..<callers {
                group.addTask {
                    for place in stride(from: caller, to: accesses.count, by: callers) {
                        try await warm(accesses[place], on: node)
                    }
                }
            }
            try await group.waitForAll()
        }
        let ids = accesses.map(\.id)
        // Each caller with bytes of its own, as it would have made them of a token a moment before.
        let digests = (0..<callers).map { _ in Self.digest() }
        try await BenchLoad.measure(for: duration, callers: callers) { caller, random in
            let number = random.next()
            let answer = try await node.validation(
                .digest(ids[Int(number % UInt64(ids.count))], digests[caller]), freshness: freshness)
            precondition(answer != nil, "Every session is live.")
            // A near copy answers without a pause: the callers, and what a node does beside, share the threads.
            if (number >> 32) % 64 == 0 { await Task.yield() }
        }
    }

    /// Ends sessions through the first node, one after the other, and prints how long the second one opens them.
    func revoke(sessions: Int) async throws {
        var times: [Duration] = []
        for access in try await begin(sessions, on: nodes[0]) {
            try await warm(access, on: nodes[1])
            let begin = ContinuousClock.now
            async let refused = refusal(of: access, on: nodes[1])
            let ended = try await nodes[0].end([access])
            precondition(ended == [true], "The session was live.")
            times.append(begin.duration(to: try await refused))
        }
        times.sort()
        let milliseconds = [50, 99].map { (times[times.count * $0 / 100] / .microseconds(1)).rounded() / 1000 }
        print(milliseconds[0], milliseconds[1])
    }

    /// When a node first refuses a session.
    private func refusal(
        of access: SessionAccess, on node: TieredStore<SQLiteStore>
    ) async throws -> ContinuousClock.Instant {
        while try await node.validation(access, freshness: .within(.seconds(1))) != nil { await Task.yield() }
        return .now
    }

    private func begin(_ count: Int, on node: TieredStore<SQLiteStore>) async throws -> [SessionAccess] {
        let random = RandomSource.system
        let ids = (0..<count).map { _ in SessionID(at: SystemWallClock().now, random: random) }
        for start in stride(from: 0, to: count, by: 1000) {
            let made = try await node.create(ids[start..<min(start + 1000, count)].map { RedisBench.draft($0) })
            for session in made { _ = try session.get() }
        }
        return ids.map { .digest($0, Self.digest()) }
    }

    /// The digest of every session's secret; for each who asks in memory of its own, as threads would contend for one.
    private static func digest() -> SecretDigest { SecretDigest(bytes: [UInt8](repeating: 7, count: 32)) }

    /// Validates until Redis's copy answered, which is kept near then.
    private func warm(_ access: SessionAccess, on node: TieredStore<SQLiteStore>) async throws {
        while try await node.validation(access, freshness: .within(.seconds(1)))?.source != .cache {}
    }
}
