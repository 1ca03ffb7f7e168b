// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import Metrics
internal import Synchronization

/// Readers of users, products and items of the catalogue by a cache (C4): random ones from the rotation, in which items do not
/// take turns, and rows by id through copies. What the cache does not have, the database answers, and so it does while the
/// cache fails, which is asked again a little later.
///
/// - **How old an answer may be.** Random rows are as they were when the last cycle began, an interval ago at the most
///   where cycles are run, and then a row may be gone that was there. A row by id is as it was within the last
///   `RowCopies.life`, and a change through us is seen at once, where the cache could be told.
/// - **Random** is each row by itself, so one may come twice. The rotation is a fair sample of what there is, not of what
///   is asked for: it is no cache for look-ups, and is not used for them.
public final class RetailReader: Sendable {
    private let store: any AgingStore
    private let cache: (any RetailCache)?
    private let breaker = Mutex(CircuitBreaker())
    private let logger: Logger

    /// A reader of a façade's users and products, by its `retailCache` where it has one.
    ///
    /// - Throws: `notAvailable` where the store keeps none.
    public init(sessions: Sessions, logger: Logger = Logger(label: "sojourn.cache")) throws {
        store = try sessions.agingStore
        cache = sessions.retailCache
        self.logger = logger
    }

    /// Random users and products, so many of each, in one call of the cache: for whoever makes orders of them. Fewer where
    /// there are none at all.
    ///
    /// - Throws: `invalidInput` naming the count that is not 0 to 1,000; what the database throws.
    public func sample(users: Int, products: Int) async throws -> AgingRows {
        for (count, field) in [(users, "users"), (products, "products")] where !Self.counts.contains(count) {
            throw SojournError(
                .invalidInput, "Must be a whole number from 0 to \(Self.counts.upperBound).", field: field)
        }
        var rows = await asking("random") { try await $0.sample(users: users, products: products) } ?? AgingRows()
        if rows.users.count < users { rows.users = try await store.randomUsers(users) }
        if rows.products.count < products { rows.products = try await store.randomProducts(products) }
        return rows
    }

    /// Most rows of a kind in one sample.
    public static let counts = 0...1000

    /// A random user; nil where there is none.
    public func randomUser() async throws -> RetailUser? {
        try await sample(users: 1, products: 0).users.first
    }

    /// A random product; nil where there is none.
    public func randomProduct() async throws -> RetailProduct? {
        try await sample(users: 0, products: 1).products.first
    }

    /// A user by id, stub or not; nil where there is none.
    public func user(_ id: UserID) async throws -> RetailUser? {
        try await row(id.text) { try await self.store.user(id) }
    }

    /// A product by id; nil where there is none.
    public func product(_ id: ProductID) async throws -> RetailProduct? {
        try await row(id) { try await self.store.product(id) }
    }

    /// An item of the catalogue by id; nil where there is none.
    public func item(_ id: ItemID) async throws -> Item? {
        try await row("\(id)") { try await self.store.item(id) }?.item
    }

    /// A random item of the catalogue, as the database draws it; nil where there is none.
    public func randomItem() async throws -> Item? {
        try await store.randomItems(1).first
    }

    /// Whether there is a cache that answers now.
    public func isCacheUp() async -> Bool {
        guard let cache else { return false }
        return (try? await cache.ping()) != nil
    }

    private func row<Row: CachedRow>(_ id: String, _ read: () async throws -> Row?) async throws -> Row? {
        if let copy = await asking("by id", { try await $0.copy(Row.self, of: id) }) { return copy }
        let asked = ContinuousClock.now
        guard let row = try await read() else { return nil }
        let age = asked.duration(to: .now)
        guard row.isCacheable, age < RowCopies.readingMax else { return row }
        _ = await asking(nil) { try await $0.keep([row], age: age) }
        return row
    }

    /// What the cache answers; nil where it has nothing, fails, or is left alone because it failed lately.
    private func asking<Answer: Sendable>(
        _ what: String?, _ ask: (any RetailCache) async throws -> Answer?
    ) async -> Answer? {
        guard let cache, breaker.withLock({ $0.admits(at: .now) }) else {
            if let what { count(what, "database") }
            return nil
        }
        do {
            let answer = try await ask(cache)
            breaker.withLock { _ = $0.succeeded() }
            if let what { count(what, answer == nil ? "database" : "cache") }
            return answer
        } catch _ where Task.isCancelled {
            breaker.withLock { $0.gaveUp(at: .now) }
            return nil
        } catch {
            if breaker.withLock({ $0.failed(at: .now) }) {
                logger.warning("the cache is left alone", metadata: ["reason": "\(error)"])
            }
            if let what { count(what, "database") }
            return nil
        }
    }

    private func count(_ what: String, _ source: String) {
        Counter(label: "sojourn.retail.reads", dimensions: [("read", what), ("source", source)]).increment()
    }
}

extension Optional where Wrapped == any RetailCache {
    /// Changes rows, and has the cache, where there is one, forget their copies whatever came of it. New rows, and stubs, have
    /// none.
    func changing<Answer>(
        _ kind: CachedKind, _ ids: [String], _ change: () async throws -> Answer
    ) async throws -> Answer {
        do {
            let answer = try await change()
            await self?.forgetOrCount(kind, ids)
            return answer
        } catch {
            await self?.forgetOrCount(kind, ids)
            throw error
        }
    }
}

extension RetailCache {
    /// Forgets copies; that it could not is counted and of no other consequence, since they go by themselves.
    func forgetOrCount(_ kind: CachedKind, _ ids: [String]) async {
        do {
            try await forget(kind, ids)
        } catch {
            Counter(label: "sojourn.retail.forget.failures").increment()
        }
    }
}
