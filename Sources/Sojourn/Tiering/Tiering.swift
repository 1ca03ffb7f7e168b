// SPDX-License-Identifier: Apache-2.0

/// How a cache stands before a store (R2, R3).
public struct Tiering: Sendable, Hashable {
    /// Who answers.
    public enum Phase: String, Sendable, Hashable, CaseIterable {
        /// The database; the cache is not asked.
        case database
        /// The database; the cache is filled and compared beside it, and differences are counted.
        case shadow
        /// The cache, and the database where that cannot.
        case first
    }

    /// Who answers. Default: the cache.
    public var phase = Phase.first
    /// How long a node goes by one reading of what changed, and so how late at most another node hears of an end that the
    /// cache could not be told of. Default 1 s.
    public var trustLease = Duration.seconds(1)
    /// How long validations that the cache answered are gathered before the database is told; zero tells it before each
    /// answer. A process that is killed loses at most this. Default 1 s.
    public var touchFlush = Duration.seconds(1)
    /// How long a copy is kept at most. What does not outdate a copy (items added, turns appended by SQL) is seen then.
    /// Default 5 min.
    public var copyLife = Duration.seconds(300)
    /// Most sessions of which this process keeps copies of its own, for calls that allow an answer of some age: in the phase
    /// `first`, where validations are gathered, and where the cache tells of its changes. Default 0: none.
    public var nearSessionsMax = 0

    /// The defaults.
    public init() {}
}
