// SPDX-License-Identifier: Apache-2.0

internal import Logging
package import RedisDriver
package import Sojourn
internal import SojournRedis
internal import Synchronization

/// Two nodes of a tier over one store, as two servers would stand over one database: each with its own connections to
/// Redis, its own news and its own counts. Calls go to one and the other in turn, so that every verb meets what the
/// other node did. They run until they are closed.
package final class TierUnderTest<Base: TruthStore & ItemStore & JournalStore>: ForwardingStore, ItemStore,
    JournalStore, RedisFinder
{
    /// The nodes.
    package let nodes: [TieredStore<Base>]
    /// The store below.
    package let truth: Base
    private let caches: [RedisCache]
    private let running: [Task<Void, any Error>]
    private let next = Atomic(0)
    private let freshness: Freshness
    private let onCopy: @Sendable () -> Void

    package var base: TieredStore<Base> {
        nodes[next.wrappingAdd(1, ordering: .relaxed).newValue & 1]
    }
    package var capabilities: StoreCapabilities { nodes[0].capabilities }

    /// A tier on one Redis that does not fail.
    package convenience init(
        _ truth: Base, redis: RedisConfiguration, prefix: String, clock: (any WallClock)?,
        tiering: Tiering = Tiering(), freshness: Freshness = .strict
    ) async throws {
        try await self.init(
            truth, ways: [redis, redis], prefix: prefix, clock: clock, tiering: tiering, freshness: freshness)
    }

    /// Two nodes that have read the changes once, so that copies are answered by.
    ///
    /// - Parameters:
    ///   - ways: How each node finds Redis.
    ///   - answerMax: How long Redis has for an answer: by default long, since a busy machine is slow.
    ///   - freshness: How old the answers of `validate` may be.
    ///   - onCopy: Is told of every validation that a copy answers.
    package init(
        _ truth: Base, ways: [RedisConfiguration], prefix: String, clock: (any WallClock)?,
        tiering: Tiering = Tiering(), answerMax: Duration = .seconds(30), freshness: Freshness = .strict,
        onCopy: @escaping @Sendable () -> Void = {}
    ) async throws {
        self.truth = truth
        self.freshness = freshness
        self.onCopy = onCopy
        // Where Redis fails on purpose, there would be much to log.
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let caches = ways.map { RedisCache($0, prefix: prefix, answerMax: answerMax, logger: logger) }
        let nodes = caches.map { TieredStore(truth, cache: $0, tiering: tiering, clock: clock, logger: logger) }
        (self.caches, self.nodes) = (caches, nodes)
        running = nodes.map { node in Task { try await node.run() } }
        for node in nodes { try await node.readOnce() }
    }

    package func validate(_ access: SessionAccess) async throws -> Session? {
        let validation = try await base.validation(access, freshness: freshness)
        if validation?.source == .cache { onCopy() }
        return validation?.session
    }

    /// Lets the database know every count.
    package func settle() async throws {
        for node in nodes { try await node.flush() }
    }

    /// Returns once copies answer on each node again, or where that takes long, since Redis is not there: by a session that
    /// is of no concern to anybody.
    package func findRedis() async throws {
        let end = ContinuousClock.now + .seconds(3)
        let digest = SecretDigest(bytes: [UInt8](repeating: 7, count: 32))
        let access = SessionAccess.digest(SessionID(at: SystemWallClock().now, random: .system), digest)
        let life = SessionPolicy(life: .seconds(365 * 86_400), renewal: .fixed)
        _ = try await truth.create([NewSession(id: access.id, digest: digest, policy: life)])[0].get()
        for node in nodes {
            while .now < end, try await node.validation(access, freshness: .strict)?.source != .cache {
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        _ = try await truth.delete(access.id)
    }

    /// Ends the nodes; every count is in the database then.
    package func close() async throws {
        for task in running { task.cancel() }
        for task in running { try await task.value }
        for cache in caches { cache.close() }
    }
}

/// Who can wait until Redis answers again.
protocol RedisFinder {
    /// Returns once Redis answers again, or does not for long.
    func findRedis() async throws
}
