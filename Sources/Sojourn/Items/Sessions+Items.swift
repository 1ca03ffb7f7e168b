// SPDX-License-Identifier: Apache-2.0

extension Sessions {
    /// Writes catalogue rows, new or changed, all or none (I1). Of rows with one id the last counts.
    ///
    /// - Throws: `invalidInput` naming the row's field; `notAvailable` where the store keeps no items, as every call here.
    public func put(_ items: [Item]) async throws -> ItemsPut {
        let store = try itemStore
        try limits.check(count: items.count, field: "items")
        for (index, item) in items.enumerated() {
            try check(item.id, field: "[\(index)].id")
            try limits.check(name: item.name, field: "[\(index)].name", lengthMax: Item.nameMax)
            try limits.check(name: item.category, field: "[\(index)].category", lengthMax: Item.categoryMax)
        }
        return try await retailCache.changing(.items, items.map { "\($0.id)" }) { try await store.put(items) }
    }

    /// The catalogue rows whose name begins with `prefix`, letter case ignored, by name (I1).
    public func items(prefix: String = "", page: PageRequest = PageRequest()) async throws -> Page<Item> {
        let store = try itemStore
        try limits.check(page)
        try limits.check(text: prefix, field: "prefix", bytesMax: 800)
        return try await store.items(prefix: prefix, page: page)
    }

    /// Adds items to a session in one round trip, all or none; a repeat inside the call counts once (I2).
    ///
    /// - Throws: `unknownItems` naming every unknown id; `limitReached`.
    public func add(_ ids: [ItemID], to access: SessionAccess) async throws -> ItemsAdded {
        let store = try itemStore
        try check(itemIDs: ids)
        return try await store.add(ids, to: access, holdMax: limits.heldItemsMax)
    }

    /// What a session holds, newest first, with the catalogue rows (I2). By trust also of an ended session.
    public func held(by access: SessionAccess) async throws -> [HeldItem] {
        try await itemStore.held(by: access)
    }

    /// Removes items from a session, or all of them for nil; returns how many it held of them (I2).
    public func remove(_ ids: [ItemID]?, from access: SessionAccess) async throws -> Int {
        let store = try itemStore
        if let ids { try check(itemIDs: ids) }
        return try await store.remove(ids, from: access)
    }

    /// `validate` and `held` in one query (I4).
    public func validateWithItems(_ token: SessionToken, freshness: Freshness = .strict) async throws -> Validation? {
        try await itemStore.validateWithItems(.token(token)).map { Validation($0.session, items: $0.items) }
    }

    private var itemStore: any ItemStore {
        get throws {
            guard let store = store as? any ItemStore, store.capabilities.contains(.items) else {
                throw SojournError(.notAvailable, "This store keeps no items.")
            }
            return store
        }
    }

    /// Checks items' ids as `add` and `remove` do.
    ///
    /// - Throws: `tooLarge` naming `ids`; `invalidInput` naming the first id that no item can have.
    public func check(itemIDs ids: [ItemID]) throws {
        try limits.check(count: ids.count, field: "ids")
        for (index, id) in ids.enumerated() { try check(id, field: "ids[\(index)]") }
    }

    private func check(_ id: ItemID, field: String) throws {
        guard Item.ids.contains(id) else {
            throw SojournError(.invalidInput, "Must be a whole number from 1 to 2^53 - 1.", field: field)
        }
    }
}
