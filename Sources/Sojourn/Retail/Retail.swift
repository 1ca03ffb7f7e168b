// SPDX-License-Identifier: Apache-2.0

/// Users, products and orders (C1), for a program that embeds them: holds inputs to the limits and asks the store.
///
/// `sessions.retail` is one. A user is that of the sessions: erasing a user is `Sessions.erase`. Every call throws
/// `SojournError`; see `RetailStore` for what each row does.
public struct Retail: Sendable {
    private let store: any RetailStore
    /// Told of changed rows; nil where none are cached.
    private let cache: (any RetailCache)?
    /// The sizes past which inputs are refused.
    public let limits: Limits
    /// The language of age groups.
    public let locale: RetailLocale

    /// Retail in a store.
    init(store: any RetailStore, cache: (any RetailCache)?, limits: Limits, locale: RetailLocale) {
        self.store = store
        self.cache = cache
        self.limits = limits
        self.locale = locale
    }
}

extension Sessions {
    /// Users, products and orders.
    ///
    /// - Throws: `notAvailable` where the store keeps none.
    public var retail: Retail {
        get throws {
            guard let store = store as? any RetailStore, store.capabilities.contains(.retail) else {
                throw SojournError(.notAvailable, "This store keeps no users, products and orders: PostgreSQL does.")
            }
            return Retail(store: store, cache: retailCache, limits: limits, locale: retailLocale)
        }
    }
}

// MARK: - Users

extension Retail {
    /// Makes a user, or completes a stub.
    ///
    /// - Throws: `invalidInput` naming the field; `alreadyExists` where the user has a name.
    public func createUser(_ draft: RetailUserDraft) async throws -> RetailUser {
        try draft.check()
        return try await Self.only(store.createUsers([draft], locale: locale))
    }

    /// Makes users, or completes stubs, each on its own: the results stand in the order of the drafts.
    ///
    /// - Throws: `tooLarge`; `invalidInput` naming the field of the first draft that breaks a limit, and then none is made.
    public func createUsers(_ drafts: [RetailUserDraft]) async throws -> [Result<RetailUser, SojournError>] {
        try check(drafts) { try $0.check(place: $1) }
        return try await store.createUsers(drafts, locale: locale)
    }

    /// Writes users, new or changed, all or none; what a draft leaves out stays as it is. Throws as `createUsers`.
    public func putUsers(_ drafts: [RetailUserDraft]) async throws -> RetailPut {
        try check(drafts) { try $0.check(place: $1) }
        return try await cache.changing(.users, drafts.map(\.id.text)) {
            try await store.putUsers(drafts, locale: locale)
        }
    }

    /// A user, stub or not; nil where there is none.
    public func user(_ id: UserID) async throws -> RetailUser? {
        try await store.user(id)
    }

    /// Users by id, stubs among them.
    public func users(_ page: PageRequest = PageRequest()) async throws -> Page<RetailUser> {
        try limits.check(page)
        return try await store.users(page)
    }

    /// Changes a user; nil where there is none.
    public func updateUser(_ id: UserID, _ patch: RetailUserPatch) async throws -> RetailUser? {
        try patch.check()
        return try await cache.changing(.users, [id.text]) { try await store.updateUser(id, patch, locale: locale) }
    }
}

// MARK: - Products

extension Retail {
    /// Makes a product.
    ///
    /// - Throws: `invalidInput` naming the field; `alreadyExists`.
    public func createProduct(_ draft: RetailProductDraft) async throws -> RetailProduct {
        try draft.check()
        return try await Self.only(store.createProducts([draft]))
    }

    /// Makes products, each on its own. Throws as `createUsers`.
    public func createProducts(_ drafts: [RetailProductDraft]) async throws -> [Result<RetailProduct, SojournError>] {
        try check(drafts) { try $0.check(place: $1) }
        return try await store.createProducts(drafts)
    }

    /// Writes products, new or changed, all or none; what a draft leaves out stays as it is. Throws as `createUsers`.
    public func putProducts(_ drafts: [RetailProductDraft]) async throws -> RetailPut {
        try check(drafts) { try $0.check(place: $1) }
        return try await cache.changing(.products, drafts.map(\.id)) { try await store.putProducts(drafts) }
    }

    /// A product; nil where there is none.
    public func product(_ id: ProductID) async throws -> RetailProduct? {
        try await store.product(id)
    }

    /// Products by id.
    public func products(_ page: PageRequest = PageRequest()) async throws -> Page<RetailProduct> {
        try limits.check(page)
        return try await store.products(page)
    }

    /// Changes a product; nil where there is none.
    public func updateProduct(_ id: ProductID, _ patch: RetailProductPatch) async throws -> RetailProduct? {
        try patch.check()
        return try await cache.changing(.products, [id]) { try await store.updateProduct(id, patch) }
    }

    /// Deletes a product; its orders stay, without it. False where there is none.
    public func deleteProduct(_ id: ProductID) async throws -> Bool {
        try await cache.changing(.products, [id]) { try await store.deleteProduct(id) }
    }
}

// MARK: - Orders

extension Retail {
    /// Places an order; a repeat of one is that one.
    ///
    /// - Throws: `invalidInput` naming the field; `alreadyExists` where another order has this id.
    public func createOrder(_ draft: RetailOrderDraft) async throws -> PlacedOrder {
        try draft.check()
        return try await Self.only(store.createOrders([draft]))
    }

    /// Places orders, each on its own, in one statement. Throws as `createUsers`.
    public func createOrders(_ drafts: [RetailOrderDraft]) async throws -> [Result<PlacedOrder, SojournError>] {
        try check(drafts) { try $0.check(place: $1) }
        return try await store.createOrders(drafts)
    }

    /// An order; nil where there is none.
    public func order(_ id: OrderID) async throws -> RetailOrder? {
        try await store.order(id)
    }

    /// Orders: all by id downwards, or a user's from the latest on.
    public func orders(of user: UserID? = nil, _ page: PageRequest = PageRequest()) async throws -> Page<RetailOrder> {
        try limits.check(page)
        return try await store.orders(of: user, page)
    }

    /// Changes where an order stands or how it was paid; nil where there is none.
    public func updateOrder(_ id: OrderID, _ patch: RetailOrderPatch) async throws -> RetailOrder? {
        try patch.check()
        return try await store.updateOrder(id, patch)
    }

    /// Deletes an order. False where there is none.
    public func deleteOrder(_ id: OrderID) async throws -> Bool {
        try await store.deleteOrder(id)
    }
}

extension Retail {
    private func check<Draft>(_ drafts: [Draft], _ check: (Draft, String) throws -> Void) throws {
        try limits.check(count: drafts.count, field: "body")
        for (index, draft) in drafts.enumerated() { try check(draft, "[\(index)].") }
    }

    /// The one result of a batch of one.
    private static func only<Row>(_ results: [Result<Row, SojournError>]) throws -> Row {
        guard let result = results.first else {
            throw SojournError(.storeUnavailable, "The store gave no answer.")
        }
        return try result.get()
    }
}
