// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import Sojourn

// `/v1/users`, `/v1/products` and `/v1/orders` (C1). Erasing a user stands with what else belongs to a user.
extension SojournAPI {
    /// The routes of retail.
    static let retailEndpoints =
        [listUsers, createUsers, getUser, patchUser] + [listProducts, createProducts, getProduct, patchProduct]
        + [deleteProduct] + [listOrders, createOrders, getOrder, patchOrder, deleteOrder]
}

// MARK: - Users

extension SojournAPI {
    private static let listUsers = Endpoint(
        method: .get, path: "/v1/users", operationID: "listUsers",
        summary: "Lists users by id; who is known from a session alone has no name.", access: .service,
        capability: .retail, parameters: [.limit, .cursor], answer: .ok("A page of users.", .page(of: .ref("User")))
    ) { call in
        .rows(try await call.sessions.retail.users(try call.query.page()), \.json)
    }

    private static let createUsers = Endpoint(
        method: .post, path: "/v1/users", operationID: "createUsers",
        summary: "Makes a user, or an array of users, each on its own; completes those known from a session alone.",
        access: .service, capability: .retail, body: .oneOrMany("NewUser"),
        answer: .created("The user.", .ref("User")),
        otherAnswers: [
            .ok(
                "For each element of an array its user, or why there is none.",
                .results(["user": Schema.ref("User").orNull, "error": Schema.ref("BatchError").orNull]))
        ], problems: [409]
    ) { call in
        let retail = try call.sessions.retail
        switch try await call.oneOrMany({ try RetailUserDraft(json: $0, place: $1) }) {
        case .one(let draft):
            let user = try await retail.createUser(draft)
            return .json(.created) { $0.raw(user.json.text) }
        case .many(let drafts):
            return .results(try await retail.createUsers(drafts)) { json, user in
                json.member("user", user.map(\.json) ?? .null)
            }
        }
    }

    private static let getUser = Endpoint(
        method: .get, path: "/v1/users/{id}", operationID: "getUser", summary: "Reads a user.", access: .service,
        capability: .retail, parameters: [.userID], answer: .ok("The user.", .ref("User")), problems: [404]
    ) { call in
        try .row(await call.sessions.retail.user(try call.userID)?.json, "user")
    }

    private static let patchUser = Endpoint(
        method: .patch, path: "/v1/users/{id}", operationID: "patchUser",
        summary: "Changes a user; null clears, where that may be.", access: .service, capability: .retail,
        parameters: [.userID], body: Body(schema: .ref("UserPatch"), isMergePatch: true),
        answer: .ok("The user as it is now.", .ref("User")), problems: [404]
    ) { call in
        let patch = try RetailUserPatch(json: try await call.patch())
        return try .row(await call.sessions.retail.updateUser(try call.userID, patch)?.json, "user")
    }
}

// MARK: - Products

extension SojournAPI {
    private static let listProducts = Endpoint(
        method: .get, path: "/v1/products", operationID: "listProducts", summary: "Lists products by id.",
        access: .service, capability: .retail, parameters: [.limit, .cursor],
        answer: .ok("A page of products.", .page(of: .ref("Product")))
    ) { call in
        .rows(try await call.sessions.retail.products(try call.query.page()), \.json)
    }

    private static let createProducts = Endpoint(
        method: .post, path: "/v1/products", operationID: "createProducts",
        summary: "Makes a product, or an array of products, each on its own.", access: .service, capability: .retail,
        body: .oneOrMany("NewProduct"), answer: .created("The product.", .ref("Product")),
        otherAnswers: [
            .ok(
                "For each element of an array its product, or why there is none.",
                .results(["product": Schema.ref("Product").orNull, "error": Schema.ref("BatchError").orNull]))
        ], problems: [409]
    ) { call in
        let retail = try call.sessions.retail
        switch try await call.oneOrMany({ try RetailProductDraft(json: $0, place: $1) }) {
        case .one(let draft):
            let product = try await retail.createProduct(draft)
            return .json(.created) { $0.raw(product.json.text) }
        case .many(let drafts):
            return .results(try await retail.createProducts(drafts)) { json, product in
                json.member("product", product.map(\.json) ?? .null)
            }
        }
    }

    private static let getProduct = Endpoint(
        method: .get, path: "/v1/products/{id}", operationID: "getProduct", summary: "Reads a product.",
        access: .service, capability: .retail, parameters: [.productID],
        answer: .ok("The product.", .ref("Product")), problems: [404]
    ) { call in
        try .row(await call.sessions.retail.product(try call.productID)?.json, "product")
    }

    private static let patchProduct = Endpoint(
        method: .patch, path: "/v1/products/{id}", operationID: "patchProduct",
        summary: "Changes a product; null clears, where that may be.", access: .service, capability: .retail,
        parameters: [.productID], body: Body(schema: .ref("ProductPatch"), isMergePatch: true),
        answer: .ok("The product as it is now.", .ref("Product")), problems: [404]
    ) { call in
        let patch = try RetailProductPatch(json: try await call.patch())
        return try .row(await call.sessions.retail.updateProduct(try call.productID, patch)?.json, "product")
    }

    private static let deleteProduct = Endpoint(
        method: .delete, path: "/v1/products/{id}", operationID: "deleteProduct",
        summary: "Deletes a product; its orders stay, without it.", access: .service, capability: .retail,
        parameters: [.productID], answer: .noContent("It is gone."), problems: [404]
    ) { call in
        try .gone(await call.sessions.retail.deleteProduct(try call.productID), "product")
    }
}

// MARK: - Orders

extension SojournAPI {
    private static let listOrders = Endpoint(
        method: .get, path: "/v1/orders", operationID: "listOrders",
        summary: "Lists orders, by id downwards; a user's from the latest on.", access: .service, capability: .retail,
        parameters: [.query("user_id", .userID, "Only this user's."), .limit, .cursor],
        answer: .ok("A page of orders.", .page(of: .ref("Order")))
    ) { call in
        let user = try call.query["user_id"].map { text in
            guard let user = UserID(text) else {
                throw Problem.invalid("user_id", "Must be 1 to 50 characters, none of them a control character.")
            }
            return user
        }
        return .rows(try await call.sessions.retail.orders(of: user, try call.query.page()), \.json)
    }

    private static let createOrders = Endpoint(
        method: .post, path: "/v1/orders", operationID: "createOrders",
        summary: "Places an order, or an array of orders, each on its own; a repeat by `order_id` is the same order.",
        access: .service, capability: .retail, body: .oneOrMany("NewOrder"),
        answer: .created("The order.", .ref("Order")),
        otherAnswers: [
            .ok(
                "The order, where it was there already; for each element of an array its order, or why there is none.",
                .either(
                    .ref("Order"),
                    .results([
                        "order": Schema.ref("Order").orNull, "already_present": .boolean,
                        "error": Schema.ref("BatchError").orNull,
                    ])))
        ], problems: [409]
    ) { call in
        let retail = try call.sessions.retail
        switch try await call.oneOrMany({ try RetailOrderDraft(json: $0, place: $1) }) {
        case .one(let draft):
            let placed = try await retail.createOrder(draft)
            return .json(placed.wasPresent ? .ok : .created) { $0.raw(placed.order.json.text) }
        case .many(let drafts):
            return .results(try await retail.createOrders(drafts)) { json, placed in
                json.member("order", placed.map(\.order.json) ?? .null)
                json.member("already_present", placed?.wasPresent ?? false)
            }
        }
    }

    private static let getOrder = Endpoint(
        method: .get, path: "/v1/orders/{id}", operationID: "getOrder", summary: "Reads an order.", access: .service,
        capability: .retail, parameters: [.orderID], answer: .ok("The order.", .ref("Order")), problems: [404]
    ) { call in
        try .row(await call.sessions.retail.order(try call.orderID)?.json, "order")
    }

    private static let patchOrder = Endpoint(
        method: .patch, path: "/v1/orders/{id}", operationID: "patchOrder",
        summary: "Changes where an order stands, or how it was paid.", access: .service, capability: .retail,
        parameters: [.orderID], body: Body(schema: .ref("OrderPatch"), isMergePatch: true),
        answer: .ok("The order as it is now.", .ref("Order")), problems: [404]
    ) { call in
        let patch = try RetailOrderPatch(json: try await call.patch())
        return try .row(await call.sessions.retail.updateOrder(try call.orderID, patch)?.json, "order")
    }

    private static let deleteOrder = Endpoint(
        method: .delete, path: "/v1/orders/{id}", operationID: "deleteOrder", summary: "Deletes an order.",
        access: .service, capability: .retail, parameters: [.orderID], answer: .noContent("It is gone."),
        problems: [404]
    ) { call in
        try .gone(await call.sessions.retail.deleteOrder(try call.orderID), "order")
    }
}
