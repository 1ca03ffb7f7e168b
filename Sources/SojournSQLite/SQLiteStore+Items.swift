// SPDX-License-Identifier: Apache-2.0

internal import GRDB
public import Sojourn

extension SQLiteStore: ItemStore {
    public func put(_ items: [Item]) async throws -> ItemsPut {
        // Of rows with one id the last counts, and is counted once.
        let last = Dictionary(items.map { ($0.id, $0) }, uniquingKeysWith: { $1 }).values.sorted { $0.id < $1.id }
        return try await write { db in
            var added = 0
            var updated = 0
            for item in last {
                let stored = try db.first(
                    "SELECT item_id, name, category FROM items WHERE item_id = ?", [.integer(item.id)], Item.init)
                if stored == item { continue }
                if stored == nil { added += 1 } else { updated += 1 }
                try db.run(
                    """
                    INSERT INTO items (item_id, name, category, search_key) VALUES (?, ?, ?, ?)
                    ON CONFLICT (item_id) DO UPDATE
                    SET name = excluded.name, category = excluded.category, search_key = excluded.search_key
                    """,
                    [.integer(item.id), .text(item.name), .text(item.category), .text(Item.searchKey(item.name))])
            }
            return ItemsPut(added: added, updated: updated)
        }
    }

    public func items(prefix: String, page: PageRequest) async throws -> Page<Item> {
        let key = Item.searchKey(prefix)
        let after = try page.after?.numberAndText()
        return try await read { db in
            // U+10FFFF is no character, so that nothing that begins with the key sorts past this.
            var condition = "search_key >= ? AND search_key < ?"
            var arguments: [Argument] = [.text(key), .text(key + "\u{10FFFF}")]
            if let (id, text) = after {
                condition += " AND (search_key, item_id) > (?, ?)"
                arguments += [.text(text), .integer(id)]
            }
            let sql = """
                SELECT item_id, name, category FROM items WHERE \(condition) ORDER BY search_key, item_id LIMIT ?
                """
            let found = try db.all(sql, arguments + [.integer(page.limit + 1)], Item.init)
            return Page(fetched: found, limit: page.limit) { PageCursor($0.id, Item.searchKey($0.name)) }
        }
    }

    public func add(_ ids: [ItemID], to access: SessionAccess, holdMax: Int) async throws -> ItemsAdded {
        var seen: Set<ItemID> = []
        let ids = ids.filter { seen.insert($0).inserted }
        return try await write { [clock] db in
            let now = clock.now
            var row = try db.admitted(access, at: now)
            try db.refuseUnknown(ids)
            let held = Set(
                try db.all("SELECT item_id FROM session_items WHERE session_id = ?", [.id(row.id)]) { $0.integer(0) })
            let added = ids.filter { !held.contains($0) }
            guard held.count + added.count <= holdMax else {
                throw SojournError.heldItemsLimit(holdMax)
            }
            for id in added {
                try db.run(
                    "INSERT INTO session_items (session_id, item_id, added_at) VALUES (?, ?, ?)",
                    [.id(row.id), .integer(id), .time(now)])
            }
            let expiry = row.record.session.expiresAt
            row.record.session.noteWrite(at: now)
            try db.saveActivity(row, was: expiry)
            return ItemsAdded(added: added, alreadyPresent: ids.filter(held.contains))
        }
    }

    public func held(by access: SessionAccess) async throws -> [HeldItem] {
        try await read { [clock] db in
            guard let row = try db.row(access.id), row.mayBeRead(access, at: clock.now) else {
                throw SojournError.noSession()
            }
            return try db.all(
                """
                SELECT i.item_id, i.name, i.category, h.added_at
                FROM session_items AS h JOIN items AS i ON i.item_id = h.item_id
                WHERE h.session_id = ?
                ORDER BY h.added_at DESC, h.item_id DESC
                """, [.id(row.id)]
            ) { HeldItem($0, from: 0) }
        }
    }

    public func remove(_ ids: [ItemID]?, from access: SessionAccess) async throws -> Int {
        try await write { [clock] db in
            let row = try db.admitted(access, at: clock.now)
            guard let ids else {
                return try db.run("DELETE FROM session_items WHERE session_id = ?", [.id(row.id)])
            }
            return try Set(ids).reduce(0) { removed, id in
                try removed
                    + db.run(
                        "DELETE FROM session_items WHERE session_id = ? AND item_id = ?", [.id(row.id), .integer(id)])
            }
        }
    }

    public func validateWithItems(_ access: SessionAccess) async throws -> (session: Session, items: [HeldItem])? {
        try await write(.singleStatement) { [clock] db in
            let now = clock.now
            var found: SessionRow?
            var items: [HeldItem] = []
            try db.each(Self.rowWithItems, [.id(access.id)]) { columns in
                if found == nil { found = try SessionRow(columns) }
                if !columns.isNull(SessionRow.columnCount) {
                    items.append(HeldItem(columns, from: SessionRow.columnCount))
                }
                return true
            }
            guard var row = found, row.admission(access, at: now) != .refused else { return nil }
            let expiry = row.record.session.expiresAt
            row.record.session.touch(at: now)
            try db.saveActivity(row, was: expiry)
            return (row.record.session, items)
        }
    }

    /// A session and what it holds in one query (I4): a row for each item, or one without.
    private static let rowWithItems = """
        SELECT \(SessionRow.columns), i.item_id, i.name, i.category, h.added_at
        FROM \(SessionRow.tables)
        LEFT JOIN session_items AS h ON h.session_id = s.session_id
        LEFT JOIN items AS i ON i.item_id = h.item_id
        WHERE s.session_id = ?
        ORDER BY h.added_at DESC, h.item_id DESC
        """
}

extension Item {
    /// Reads `item_id, name, category` from the current row of a statement.
    fileprivate init(_ columns: Columns) {
        self.init(columns, from: 0)
    }

    fileprivate init(_ columns: Columns, from index: Int) {
        self.init(
            id: columns.integer(index), name: columns.text(index + 1), category: columns.optionalText(index + 2))
    }
}

extension HeldItem {
    /// Reads `item_id, name, category, added_at` from a row's column `index` on.
    fileprivate init(_ columns: Columns, from index: Int) {
        self.init(item: Item(columns, from: index), addedAt: columns.time(index + 3))
    }
}

extension Database {
    /// Throws `unknownItems` naming each id that the catalogue lacks.
    fileprivate func refuseUnknown(_ ids: [ItemID]) throws {
        let unknown = try ids.filter { id in
            try first("SELECT 1 FROM items WHERE item_id = ?", [.integer(id)]) { _ in true } == nil
        }
        guard unknown.isEmpty else { throw SojournError.unknownItems(unknown) }
    }
}
