// SPDX-License-Identifier: Apache-2.0

/// A store whose users and products take turns in a cache (C3). Throws as `SessionStore`.
public protocol AgingStore: RetailStore {
    /// One cycle of the rotation, where it is due and nobody else is at it, in one transaction: takes rows by
    /// `order.shares`, has the cache prepare them beside what it serves, stamps them, has it publish them, commits.
    ///
    /// A failure at any point leaves every stamp as it was, so that the same rows come next; the cache may have published
    /// them by then. Rows that somebody else has locked are cached and not stamped, so that a cycle waits for nobody: they
    /// come again in the next.
    ///
    /// - Throws: also what the cache throws.
    func age(_ order: AgingOrder, into cache: any RetailCache) async throws -> AgingAttempt

    /// How the rotation stands.
    func agingStatus() async throws -> AgingStatus

    /// Forgets every stamp, so that all rows count as never cached, and that a cycle was ever run. Rows keep their order
    /// of arrival.
    ///
    /// - Parameter progress: told how many rows were forgotten so far.
    /// - Returns: how many rows were.
    func forgetStamps(progress: @Sendable (Int) -> Void) async throws -> Int

    /// So many users, stubs excepted, each drawn by itself: one may come twice. Near to evenly: where rows were deleted,
    /// the next one comes for them. None where there are none.
    func randomUsers(_ count: Int) async throws -> [RetailUser]

    /// Products, likewise.
    func randomProducts(_ count: Int) async throws -> [RetailProduct]

    /// Items of the catalogue, likewise.
    func randomItems(_ count: Int) async throws -> [Item]

    /// An item of the catalogue; nil where there is none.
    func item(_ id: ItemID) async throws -> CachedItem?
}

/// What a cycle shall do.
public struct AgingOrder: Sendable, Hashable {
    /// How many rows of each kind.
    public var shares: AgingShares
    /// From the beginning of the last cycle, whoever ran it, until one is due. Zero for now.
    public var interval: Duration
    /// How long its rows are served where no cycle follows. Default 1,000 s.
    public var life: Duration

    /// A cycle of these shares, due after an interval.
    public init(
        shares: AgingShares = AgingShares(), interval: Duration = .zero, life: Duration = .seconds(1000)
    ) {
        self.shares = shares
        self.interval = interval
        self.life = life
    }
}

/// What came of wanting a cycle.
public enum AgingAttempt: Sendable, Hashable {
    /// It was run.
    case done(AgingCycle)
    /// It is due after this.
    case notDue(in: Duration)
    /// Somebody else is running one.
    case busy
}

/// A cycle that was run.
public struct AgingCycle: Sendable, Hashable {
    /// Its number, from 1.
    public let number: Int
    /// What its rows were stamped with: the database's time, and later than the stamp of every cycle before it.
    public let stamp: Timestamp
    /// Users taken.
    public let users: AgingTaken
    /// Products taken.
    public let products: AgingTaken

    /// A cycle: for stores.
    public init(number: Int, stamp: Timestamp, users: AgingTaken, products: AgingTaken) {
        self.number = number
        self.stamp = stamp
        self.users = users
        self.products = products
    }
}

/// How the rotation stands.
public struct AgingStatus: Sendable, Hashable {
    /// How many cycles were run.
    public let cycles: Int
    /// How long ago the last one began; nil where there was none, or all was forgotten since.
    public let lastCycleAge: Duration?
    /// Users.
    public let users: Queue
    /// Products.
    public let products: Queue

    /// The rows of a kind.
    public struct Queue: Sendable, Hashable {
        /// How many were never cached.
        public let neverCached: Int
        /// How many were.
        public let cached: Int
        /// How long the first of those never cached has waited; nil where there is none.
        public let longestWait: Duration?

        /// A queue: for stores.
        public init(neverCached: Int, cached: Int, longestWait: Duration?) {
            self.neverCached = neverCached
            self.cached = cached
            self.longestWait = longestWait
        }
    }

    /// A status: for stores.
    public init(cycles: Int, lastCycleAge: Duration?, users: Queue, products: Queue) {
        self.cycles = cycles
        self.lastCycleAge = lastCycleAge
        self.users = users
        self.products = products
    }

    /// The rows of each kind that takes turns.
    public var queues: [(kind: CachedKind, queue: Queue)] { [(.users, users), (.products, products)] }

    /// Within how many cycles of these shares each row that is there now is in the rotation.
    public func cyclesMax(_ shares: AgingShares) -> Int {
        [users, products].map { shares.cyclesMax(neverCached: $0.neverCached, cached: $0.cached) }.max() ?? 0
    }
}

extension TieredStore: AgingStore where Base: AgingStore {
    public func age(_ order: AgingOrder, into cache: any RetailCache) async throws -> AgingAttempt {
        try await base.age(order, into: cache)
    }

    public func agingStatus() async throws -> AgingStatus { try await base.agingStatus() }

    public func forgetStamps(progress: @Sendable (Int) -> Void) async throws -> Int {
        try await base.forgetStamps(progress: progress)
    }

    public func randomUsers(_ count: Int) async throws -> [RetailUser] { try await base.randomUsers(count) }

    public func randomProducts(_ count: Int) async throws -> [RetailProduct] { try await base.randomProducts(count) }

    public func randomItems(_ count: Int) async throws -> [Item] { try await base.randomItems(count) }

    public func item(_ id: ItemID) async throws -> CachedItem? { try await base.item(id) }
}

extension Sessions {
    /// The store, where its rows take turns in a cache.
    ///
    /// - Throws: `notAvailable` where they do not.
    var agingStore: any AgingStore {
        get throws {
            guard let store = store as? any AgingStore, store.capabilities.contains(.retail) else {
                throw SojournError(.notAvailable, "This store keeps no users and products: PostgreSQL does.")
            }
            return store
        }
    }
}
