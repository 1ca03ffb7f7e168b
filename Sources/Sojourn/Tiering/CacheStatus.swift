// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A store with a cache before it.
public protocol CachedStore: SessionStore {
    /// How the cache does, as this node sees it. Asks nobody.
    func cacheStatus() -> CacheStatus
}

/// How a cache before a store does (R2), as one node sees it.
public struct CacheStatus: Sendable, Hashable {
    /// Who answers.
    public let phase: Tiering.Phase
    /// Whether the cache is asked; false where it failed lately and is left alone.
    public let isAsked: Bool
    /// How long ago the node asked the store for what changed and was told; nil where it never was. Strict calls are
    /// answered by copies while it is below `Tiering.trustLease`.
    public let newsAge: Duration?
    /// How many copies this process holds.
    public let nearSessions: Int
    /// Of how many sessions the store has yet to hear of validations.
    public let waitingSessions: Int
    /// Validations answered since the process began, by who answered: the store, the cache, and copies in this process.
    public let answers: Answers
    /// Calls of the cache that failed since then.
    public let failures: Int

    /// Validations by who answered them.
    public struct Answers: Sendable, Hashable {
        /// The store.
        public let database: Int
        /// The cache.
        public let cache: Int
        /// Copies in the process.
        public let near: Int
    }
}

extension Sessions {
    /// How the cache before the store does.
    ///
    /// - Throws: `notAvailable` where there is none.
    public func cacheStatus() throws -> CacheStatus {
        guard let cached = store as? any CachedStore else {
            throw SojournError(.notAvailable, "This store has no cache before it: SESSION_DB_TYPE=tiered has.")
        }
        return cached.cacheStatus()
    }
}

extension TieredStore: CachedStore {
    public func cacheStatus() -> CacheStatus {
        let (isAsked, newsAge, nearSessions) = state.withLock { state in
            (state.breaker.isClosed, state.lease.age(at: .now), state.near.count)
        }
        return CacheStatus(
            phase: tiering.phase, isAsked: tiering.phase != .database && isAsked, newsAge: newsAge,
            nearSessions: nearSessions, waitingSessions: touches.count,
            answers: .init(
                database: meters.database.total, cache: meters.cache.total, near: meters.near.total),
            failures: meters.failures.total)
    }
}
