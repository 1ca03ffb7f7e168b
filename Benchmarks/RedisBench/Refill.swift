// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import RedisDriver
internal import Sojourn
internal import SojournRedis
internal import SojournSQLite
internal import Synchronization

/// How soon Redis answers again before a SQLite file, once it has lost everything.
struct Refill {
    let configuration: RedisConfiguration
    let sessions: Int
    let callers: Int

    /// Prints the share of validations that a copy answered, second by second from the loss on, until it is above 95 %.
    /// Returns whether that came within ten seconds.
    func run() async throws -> Bool {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sojourn-refill-\(UUID())").path
        let truth = try SQLiteStore(path: folder + "/sojourn.db")
        for start in stride(from: 0, to: sessions, by: 1000) {
            let made = try await truth.create(
                (start..<min(start + 1000, sessions)).map { RedisBench.draft(RedisBench.id($0)) })
            for session in made { _ = try session.get() }
        }
        let cache = RedisCache(configuration, prefix: "refill")
        let node = TieredStore(truth, cache: cache)
        let running = Task { try await node.run() }
        try await node.readOnce()

        _ = try await seconds(on: node, until: 0.95, atMost: 60)
        let client = RedisClient(configuration, logger: Logger(label: "refill"))
        _ = try await client.send(RedisCommand("FLUSHALL"))
        print("everything is lost")
        let shares = try await seconds(on: node, until: 0.95, atMost: 30)
        for (second, share) in shares.enumerated() {
            print("second \(second + 1): \((share * 1000).rounded() / 10) % by copies")
        }

        running.cancel()
        try await running.value
        cache.close()
        client.close()
        try await truth.close()
        try FileManager.default.removeItem(atPath: folder)
        print("claim: above 95 % within 10 seconds (it took \(shares.count))")
        return shares.count <= 10 && (shares.last ?? 0) > 0.95
    }

    /// Validates sessions picked uniformly until the copies' share of a second is above `wanted`, `most` seconds at most.
    private func seconds(on node: TieredStore<SQLiteStore>, until wanted: Double, atMost most: Int) async throws
        -> [Double]
    {
        let counts = Counts()
        return try await withThrowingTaskGroup { group in
            for _ in 0..<callers {
                group.addTask {
                    while !counts.areDone.load(ordering: .relaxed) {
                        let access = SessionAccess.digest(
                            RedisBench.id(.random(in: 0..<sessions)), RedisBench.digest)
                        let answer = try await node.validation(access, freshness: .strict)
                        if answer?.source == .cache { counts.hits.add(1, ordering: .relaxed) }
                        counts.all.add(1, ordering: .relaxed)
                    }
                }
            }
            var shares: [Double] = []
            while shares.count < most, shares.last ?? 0 <= wanted {
                try await Task.sleep(for: .seconds(1))
                let (hit, asked) = (
                    counts.hits.exchange(0, ordering: .relaxed), counts.all.exchange(0, ordering: .relaxed)
                )
                shares.append(Double(hit) / Double(max(asked, 1)))
            }
            counts.areDone.store(true, ordering: .relaxed)
            try await group.waitForAll()
            return shares
        }
    }
}

/// What callers share.
private final class Counts: Sendable {
    let hits = Atomic(0)
    let all = Atomic(0)
    let areDone = Atomic(false)
}
