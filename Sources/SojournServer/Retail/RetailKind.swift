// SPDX-License-Identifier: Apache-2.0

public import Sojourn

/// The three tables of retail, for who works with rows of any of them: commands and files.
public enum RetailKind: String, Sendable, CaseIterable {
    /// `users`.
    case users
    /// `products`.
    case products
    /// `orders`.
    case orders

    /// The columns of a file, and of a table for people, in order.
    public var columns: [String] {
        switch self {
        case .users: ["user_id", "name", "gender", "age", "age_group", "region", "join_date", "created_at"]
        case .products:
            ["product_id", "name", "category", "brand", "price", "org_price", "discount_rate", "stock", "created_at"]
        case .orders:
            [
                "order_id", "user_id", "product_id", "quantity", "total_amount", "shipping_cost", "discount_amount",
                "payment_method", "status", "category", "user_region", "user_gender", "user_age_group", "created_at",
            ]
        }
    }

    /// The columns that hold whole numbers.
    public var numbers: Set<String> {
        [
            "age", "price", "org_price", "discount_rate", "stock", "quantity", "total_amount", "shipping_cost",
            "discount_amount",
        ]
    }

    /// The columns that a file must have: without an id, a second import would make everything again.
    var required: [String] {
        switch self {
        case .users: ["user_id", "name"]
        case .products: ["product_id", "name", "price"]
        case .orders: ["order_id", "user_id", "product_id"]
        }
    }

    /// The columns that follow from others: files have them for who reads them.
    var derived: Set<String> {
        switch self {
        case .users: ["age_group"]
        case .products: []
        case .orders: ["category", "user_region", "user_gender", "user_age_group"]
        }
    }

    /// Text by column as a JSON object, an empty text as null.
    ///
    /// - Throws: `invalidInput` naming a column that should be a whole number.
    public func members(_ texts: [String: String]) throws -> [String: JSONValue] {
        var members: [String: JSONValue] = [:]
        for (name, text) in texts {
            if text.isEmpty {
                members[name] = .null
            } else if numbers.contains(name) {
                guard let number = Int64(text.trimmed) else {
                    throw SojournError(.invalidInput, "Must be a whole number.", field: name)
                }
                members[name] = .integer(number)
            } else {
                members[name] = .string(text)
            }
        }
        return members
    }

    /// The cells of a row, in the order of `columns`.
    public func cells(_ row: JSONValue) -> [String] {
        guard case .object(let members) = row else { return [] }
        return columns.map { column in
            switch members[column] {
            case .string(let text): text
            case .integer(let number): String(number)
            default: ""
            }
        }
    }
}

// MARK: - Rows of any kind

extension RetailKind {
    /// A page of rows; of orders, those of a user where one is named.
    public func page(_ page: PageRequest, of retail: Retail, user: UserID? = nil) async throws -> Page<JSONValue> {
        switch self {
        case .users: try await retail.users(page).map(\.json)
        case .products: try await retail.products(page).map(\.json)
        case .orders: try await retail.orders(of: user, page).map(\.json)
        }
    }

    /// The row of this id; nil where there is none.
    public func row(_ id: String, of retail: Retail) async throws -> JSONValue? {
        switch self {
        case .users: try await retail.user(userID(id))?.json
        case .products: try await retail.product(id)?.json
        case .orders: try await retail.order(orderID(id))?.json
        }
    }

    /// Makes a row and returns it.
    public func create(_ members: [String: JSONValue], in retail: Retail) async throws -> JSONValue {
        switch self {
        case .users: try await retail.createUser(RetailUserDraft(json: members)).json
        case .products: try await retail.createProduct(RetailProductDraft(json: members)).json
        case .orders: try await retail.createOrder(RetailOrderDraft(json: members)).order.json
        }
    }

    /// Changes a row and returns it; nil where there is none.
    public func update(_ id: String, _ members: [String: JSONValue], in retail: Retail) async throws -> JSONValue? {
        switch self {
        case .users: try await retail.updateUser(userID(id), RetailUserPatch(json: members))?.json
        case .products: try await retail.updateProduct(id, RetailProductPatch(json: members))?.json
        case .orders: try await retail.updateOrder(orderID(id), RetailOrderPatch(json: members))?.json
        }
    }

    /// Deletes a row, and tells what that did; nil where there was none. A user is erased.
    public func delete(_ id: String, in sessions: Sessions) async throws -> JSONValue? {
        let retail = try sessions.retail
        switch self {
        case .users:
            guard try await retail.user(userID(id)) != nil else { return nil }
            let receipt = try await sessions.erase(userID(id))
            var counts: [String: JSONValue] = [
                "user_id": .string(id), "sessions": .integer(Int64(receipt.sessions)),
                "items": .integer(Int64(receipt.items)), "orders": .integer(Int64(receipt.orders)),
            ]
            for kind in JournalKind.allCases { counts[kind.rawValue] = .integer(Int64(receipt.entries[kind] ?? 0)) }
            return .object(counts)
        case .products: return try await retail.deleteProduct(id) ? .object(["product_id": .string(id)]) : nil
        case .orders: return try await retail.deleteOrder(orderID(id)) ? .object(["order_id": .string(id)]) : nil
        }
    }

    private func userID(_ text: String) throws -> UserID {
        guard let id = UserID(text) else {
            throw SojournError(.invalidInput, "Must be 1 to \(UserID.lengthMax) characters.", field: "user_id")
        }
        return id
    }

    private func orderID(_ text: String) throws -> OrderID {
        guard let id = OrderID(text) else { throw SojournError(.invalidInput, "Must be a UUID.", field: "order_id") }
        return id
    }
}
