// SPDX-License-Identifier: Apache-2.0

/// What writing rows, new or changed, did.
public struct RetailPut: Sendable, Hashable {
    /// Rows that are new, or were stubs.
    public var added: Int
    /// Rows that existed and now say something else.
    public var updated: Int

    /// What a put did.
    public init(added: Int, updated: Int) {
        self.added = added
        self.updated = updated
    }
}

/// An order that is stored.
public struct PlacedOrder: Sendable, Hashable {
    /// The order.
    public let order: RetailOrder
    /// Whether it was there before this call: a repeat of an order is the same order.
    public let wasPresent: Bool

    /// A stored order.
    public init(order: RetailOrder, wasPresent: Bool) {
        self.order = order
        self.wasPresent = wasPresent
    }
}

/// A store that keeps users, products and orders (C1). Users are those of its sessions. Throws as `SessionStore`; what is
/// about one row that is not there returns nil or false.
///
/// Every batch answers per element, in the order given, and does the others' part where one is refused (law 6).
public protocol RetailStore: SessionStore {
    /// Inserts users, and completes those who are stubs. `alreadyExists` for one who has a name already, and for a repeat
    /// of an id within the batch.
    func createUsers(_ users: [RetailUserDraft], locale: RetailLocale) async throws -> [Result<
        RetailUser, SojournError
    >]

    /// Writes users, new or changed, all or none; what a draft leaves out stays as it is. Of drafts with one id the last
    /// counts.
    func putUsers(_ users: [RetailUserDraft], locale: RetailLocale) async throws -> RetailPut

    /// A user, stub or not.
    func user(_ id: UserID) async throws -> RetailUser?

    /// Users by id, stubs among them.
    func users(_ page: PageRequest) async throws -> Page<RetailUser>

    /// Changes a user and returns what it says now.
    func updateUser(_ id: UserID, _ patch: RetailUserPatch, locale: RetailLocale) async throws -> RetailUser?

    /// Inserts products. `alreadyExists` for an id that is taken, also within the batch.
    func createProducts(_ products: [RetailProductDraft]) async throws -> [Result<RetailProduct, SojournError>]

    /// Writes products as `putUsers` does users.
    func putProducts(_ products: [RetailProductDraft]) async throws -> RetailPut

    /// A product.
    func product(_ id: ProductID) async throws -> RetailProduct?

    /// Products by id.
    func products(_ page: PageRequest) async throws -> Page<RetailProduct>

    /// Changes a product and returns what it says now.
    func updateProduct(_ id: ProductID, _ patch: RetailProductPatch) async throws -> RetailProduct?

    /// Deletes a product; its orders stay, without it. False where there is none.
    func deleteProduct(_ id: ProductID) async throws -> Bool

    /// Inserts orders, each filled from its product and user. A repeat of an order, by id, is that order; with other
    /// content it is `alreadyExists`. Content is who, what, how many, the amounts, and when, as far as it is given;
    /// not status and payment, which change, nor a user or product that is gone since. `invalidInput` naming `user_id`
    /// or `product_id` where that is not known, `total_amount` where it would be negative or too large.
    func createOrders(_ orders: [RetailOrderDraft]) async throws -> [Result<PlacedOrder, SojournError>]

    /// An order.
    func order(_ id: OrderID) async throws -> RetailOrder?

    /// Orders: all by id downwards, or a user's from the latest on.
    func orders(of user: UserID?, _ page: PageRequest) async throws -> Page<RetailOrder>

    /// Changes an order and returns what it says now.
    func updateOrder(_ id: OrderID, _ patch: RetailOrderPatch) async throws -> RetailOrder?

    /// Deletes an order. False where there is none.
    func deleteOrder(_ id: OrderID) async throws -> Bool
}

extension ForwardingStore where Self: RetailStore, Base: RetailStore {
    public func createUsers(_ users: [RetailUserDraft], locale: RetailLocale) async throws
        -> [Result<RetailUser, SojournError>]
    {
        try await base.createUsers(users, locale: locale)
    }

    public func putUsers(_ users: [RetailUserDraft], locale: RetailLocale) async throws -> RetailPut {
        try await base.putUsers(users, locale: locale)
    }

    public func user(_ id: UserID) async throws -> RetailUser? { try await base.user(id) }

    public func users(_ page: PageRequest) async throws -> Page<RetailUser> { try await base.users(page) }

    public func updateUser(_ id: UserID, _ patch: RetailUserPatch, locale: RetailLocale) async throws -> RetailUser? {
        try await base.updateUser(id, patch, locale: locale)
    }

    public func createProducts(_ products: [RetailProductDraft]) async throws
        -> [Result<RetailProduct, SojournError>]
    {
        try await base.createProducts(products)
    }

    public func putProducts(_ products: [RetailProductDraft]) async throws -> RetailPut {
        try await base.putProducts(products)
    }

    public func product(_ id: ProductID) async throws -> RetailProduct? { try await base.product(id) }

    public func products(_ page: PageRequest) async throws -> Page<RetailProduct> { try await base.products(page) }

    public func updateProduct(_ id: ProductID, _ patch: RetailProductPatch) async throws -> RetailProduct? {
        try await base.updateProduct(id, patch)
    }

    public func deleteProduct(_ id: ProductID) async throws -> Bool { try await base.deleteProduct(id) }

    public func createOrders(_ orders: [RetailOrderDraft]) async throws -> [Result<PlacedOrder, SojournError>] {
        try await base.createOrders(orders)
    }

    public func order(_ id: OrderID) async throws -> RetailOrder? { try await base.order(id) }

    public func orders(of user: UserID?, _ page: PageRequest) async throws -> Page<RetailOrder> {
        try await base.orders(of: user, page)
    }

    public func updateOrder(_ id: OrderID, _ patch: RetailOrderPatch) async throws -> RetailOrder? {
        try await base.updateOrder(id, patch)
    }

    public func deleteOrder(_ id: OrderID) async throws -> Bool { try await base.deleteOrder(id) }
}

// MARK: - What stores say in the same words

extension SojournError {
    /// There is a row of this id, and it says something else.
    public static func alreadyExists(_ what: String, field: String, file: String = #fileID, line: Int = #line) -> Self {
        Self(.alreadyExists, "There is \(what) of this id already.", field: field, file: file, line: line)
    }

    /// No such user or product.
    public static func unknown(_ what: String, field: String, file: String = #fileID, line: Int = #line) -> Self {
        Self(.invalidInput, "There is no such \(what).", field: field, file: file, line: line)
    }

    /// An order's amount comes out below nothing, or above all bounds.
    public static func amountOutOfBounds(file: String = #fileID, line: Int = #line) -> Self {
        Self(
            .invalidInput,
            "Price times quantity, less the discount, with shipping, must come to 0 to \(RetailAmount.range.upperBound).",
            field: "total_amount", file: file, line: line)
    }
}
