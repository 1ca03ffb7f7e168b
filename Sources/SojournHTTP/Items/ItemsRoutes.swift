// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import NIOCore
internal import Sojourn

// `/v1/items`, the catalogue (I1), and `/v1/session/items`, what a visitor holds of it (I2).
extension SojournAPI {
    /// The routes of items.
    static let itemsEndpoints = [heldItems, addItems, removeItems, searchItems, putItems]

    private static let heldItems = Endpoint(
        method: .get, path: "/v1/session/items", operationID: "listHeldItems",
        summary: "Lists what the session holds, newest first.", access: .token, capability: .items,
        answer: .ok("All items held.", .page(of: .ref("HeldItem")))
    ) { call in
        let held = try await call.sessions.held(by: try call.own)
        return .json { $0.page(Page(items: held, next: nil)) { $0.held($1) } }
    }

    private static let addItems = Endpoint(
        method: .post, path: "/v1/session/items", operationID: "addItems",
        summary: "Adds items to the session, all or none.", access: .token, capability: .items,
        body: Body(schema: .itemIDs),
        answer: .ok(
            "Which are new, and which were there.",
            .object(["added": .array(of: .itemID), "already_present": .array(of: .itemID)]))
    ) { call in
        let added = try await call.sessions.add(try await call.itemIDs(), to: try call.own)
        var response = Response.json { json in
            json.object { json in
                json.member("added", added.added) { $0.raw(String($1)) }
                json.member("already_present", added.alreadyPresent) { $0.raw(String($1)) }
            }
        }
        try await call.renewCookie(in: &response)
        return response
    }

    private static let removeItems = Endpoint(
        method: .delete, path: "/v1/session/items", operationID: "removeItems",
        summary: "Removes items from the session, or all with `?all=true`.", access: .token, capability: .items,
        parameters: [
            .query("all", .oneOf(["true", "false"]), "`true` removes everything, whatever the body names.")
        ],
        body: Body(schema: .itemIDs, isOptional: true),
        answer: .ok("How many of them the session held.", .object(["removed": .count]))
    ) { call in
        let all = call.query["all"] == "true"
        let body = try await call.bytes()
        let named = all && body.readableBytes == 0 ? nil : try Call.itemIDs(try await call.parse(body))
        if all, let named { try call.sessions.check(itemIDs: named) }
        let removed = try await call.sessions.remove(all ? nil : named, from: try call.own)
        return .json { $0.object { $0.member("removed", removed) } }
    }

    private static let searchItems = Endpoint(
        method: .get, path: "/v1/items", operationID: "searchItems",
        summary: "Lists the catalogue by name, from names that begin with a prefix.", access: .anyone,
        capability: .items,
        parameters: [
            .query("prefix", .string(0...200, pattern: Schema.noNUL), "How names begin, letter case ignored."), .limit,
            .cursor,
        ],
        answer: .ok("A page of items.", .page(of: .ref("Item")))
    ) { call in
        let page = try await call.sessions.items(prefix: call.query["prefix"] ?? "", page: try call.query.page())
        return .json(capacity: 4096) { $0.page(page) { $0.item($1) } }
    }

    private static let putItems = Endpoint(
        method: .put, path: "/v1/items", operationID: "putItems",
        summary: "Writes catalogue rows, new or changed, all or none.", access: .service, capability: .items,
        body: Body(schema: .array(of: .ref("NewItem"), count: 0...1000)),
        answer: .ok("What it did.", .object(["added": .count, "updated": .count]))
    ) { call in
        guard case .array(let elements) = try await call.json() else {
            throw Problem.invalid("body", "Must be an array.")
        }
        let items = try elements.enumerated().map { index, element in
            var fields = try Fields(element, place: "[\(index)].")
            guard let id = try fields.integer("id") else { throw fields.missing("id") }
            let item = Item(id: id, name: try fields.requiredString("name"), category: try fields.string("category"))
            try fields.finish()
            return item
        }
        let put = try await call.sessions.put(items)
        return .json { json in
            json.object { json in
                json.member("added", put.added)
                json.member("updated", put.updated)
            }
        }
    }
}

extension Call {
    /// The item ids of the body.
    fileprivate func itemIDs() async throws -> [ItemID] {
        try Self.itemIDs(try await json())
    }

    /// The item ids of `{"ids": […]}`.
    fileprivate static func itemIDs(_ body: JSONValue) throws -> [ItemID] {
        var fields = try Fields(body)
        guard let ids = try fields.integers("ids") else { throw fields.missing("ids") }
        try fields.finish()
        return ids
    }
}

extension JSONWriter {
    /// A catalogue row.
    mutating func item(_ item: Item) {
        object { $0.members(of: item) }
    }

    /// An item in a session.
    mutating func held(_ held: HeldItem) {
        object { json in
            json.members(of: held.item)
            json.member("added_at", held.addedAt)
        }
    }

    private mutating func members(of item: Item) {
        member("id", Int(item.id))
        member("name", item.name)
        member("category", item.category)
    }
}

extension Schema {
    /// An item's number.
    static let itemID = integer(Item.ids)
    /// A body with item ids.
    fileprivate static let itemIDs = input(["ids": .array(of: .itemID, count: 0...1000)], required: ["ids"])
    private static let itemMembers: [String: Schema] = [
        "id": .itemID, "name": .string(1...Item.nameMax, pattern: noControl),
        "category": Schema.string(1...Item.categoryMax, pattern: noControl).orNull,
    ]

    /// The named schemas of items.
    static let itemComponents: [String: Schema] = [
        "Item": .object(itemMembers),
        "NewItem": .object(itemMembers, optional: ["category"]),
        "HeldItem": .object(itemMembers.merging(["added_at": .time]) { $1 }),
    ]
    /// Text without control characters.
    static let noControl = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
}
