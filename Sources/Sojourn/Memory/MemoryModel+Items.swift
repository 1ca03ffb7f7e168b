// SPDX-License-Identifier: Apache-2.0

// The verbs of `ItemStore`; their comments stand there.
extension MemoryModel {
    public mutating func put(_ items: [Item]) -> ItemsPut {
        let before = catalogue
        for item in items { catalogue[item.id] = item }
        let ids = Set(items.map(\.id))
        return ItemsPut(
            added: ids.count { before[$0] == nil },
            updated: ids.count { before[$0] != nil && before[$0] != catalogue[$0] })
    }

    public func items(prefix: String, page: PageRequest) throws -> Page<Item> {
        let key = Item.searchKey(prefix)
        let after = try page.after?.numberAndText()
        let found = catalogue.values
            .map { (key: Array(Item.searchKey($0.name).utf8), item: $0) }
            .filter { $0.key.starts(with: key.utf8) }
            .filter { row in
                guard let (id, name) = after else { return true }
                return Self.precedes((Array(name.utf8), id), (row.key, row.item.id))
            }
            .sorted { Self.precedes(($0.key, $0.item.id), ($1.key, $1.item.id)) }
            .map(\.item)
        return Page(fetched: found, limit: page.limit) { PageCursor($0.id, Item.searchKey($0.name)) }
    }

    /// The catalogue's order: by the bytes of the search key, then by id.
    private static func precedes(_ left: ([UInt8], ItemID), _ right: ([UInt8], ItemID)) -> Bool {
        left.0 == right.0 ? left.1 < right.1 : left.0.lexicographicallyPrecedes(right.0)
    }

    public mutating func add(_ ids: [ItemID], to access: SessionAccess, holdMax: Int, at now: Timestamp) throws
        -> ItemsAdded
    {
        var entry = try entry(for: access, at: now)
        var seen: Set<ItemID> = []
        let asked = ids.filter { seen.insert($0).inserted }
        let unknown = asked.filter { catalogue[$0] == nil }
        guard unknown.isEmpty else { throw SojournError.unknownItems(unknown) }
        let added = asked.filter { entry.held[$0] == nil }
        guard entry.held.count + added.count <= holdMax else { throw SojournError.heldItemsLimit(holdMax) }
        for id in added { entry.held[id] = now }
        entry.record.session.noteWrite(at: now)
        sessions[access.id] = entry
        return ItemsAdded(added: added, alreadyPresent: asked.filter { !added.contains($0) })
    }

    public func held(by access: SessionAccess, at now: Timestamp) throws -> [HeldItem] {
        guard let entry = readable(by: access, at: now) else { throw SojournError.noSession() }
        return held(in: entry)
    }

    public mutating func remove(_ ids: [ItemID]?, from access: SessionAccess, at now: Timestamp) throws -> Int {
        var entry = try entry(for: access, at: now)
        let gone = ids.map { Set($0).filter { entry.held[$0] != nil } } ?? Set(entry.held.keys)
        for id in gone { entry.held[id] = nil }
        sessions[access.id] = entry
        return gone.count
    }

    public mutating func validateWithItems(_ access: SessionAccess, at now: Timestamp)
        -> (session: Session, items: [HeldItem])?
    {
        guard let session = validate(access, at: now), let entry = sessions[access.id] else { return nil }
        return (session, held(in: entry))
    }

    private func held(in entry: Entry) -> [HeldItem] {
        entry.held
            .compactMap { id, time in catalogue[id].map { HeldItem(item: $0, addedAt: time) } }
            .sorted { ($0.addedAt, $0.item.id) > ($1.addedAt, $1.item.id) }
    }
}
