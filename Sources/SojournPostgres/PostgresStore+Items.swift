// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

extension PostgresStore: ItemStore {
    public func put(_ items: [Item]) async throws -> ItemsPut {
        // Of rows with one id the last counts, and is counted once.
        let last = Dictionary(items.map { ($0.id, $0) }, uniquingKeysWith: { $1 }).values.sorted { $0.id < $1.id }
        return try await answering {
            var arguments = PostgresArguments(capacity: last.count * 60 + 80)
            arguments.append(int8s: last.map(\.id))
            arguments.append(texts: last.map(\.name))
            arguments.append(texts: last.map(\.category))
            arguments.append(texts: last.map { Item.searchKey($0.name) })
            let rows = try await repeating(until: .now + client.answerTimeout) {
                try await client.query(PostgresCall(Item.writing, arguments))
            }
            let added = try rows.count { try $0.bool(0) }
            return ItemsPut(added: added, updated: rows.count - added)
        }
    }

    public func items(prefix: String, page: PageRequest) async throws -> Page<Item> {
        let key = Item.searchKey(prefix)
        let after = try page.after?.numberAndText()
        return try await answering {
            var arguments = PostgresArguments()
            // U+10FFFF is no character, so that nothing that begins with the key sorts past this.
            arguments.append(text: key)
            arguments.append(text: key + "\u{10FFFF}")
            arguments.append(int8: Int64(page.limit + 1))
            if let (id, text) = after {
                arguments.append(text: text)
                arguments.append(int8: id)
            }
            let statement = after == nil ? Item.firstPage : Item.laterPage
            let found = try await read(PostgresCall(statement, arguments)).map { try Item($0) }
            return Page(fetched: found, limit: page.limit) { PageCursor($0.id, Item.searchKey($0.name)) }
        }
    }

    public func held(by access: SessionAccess) async throws -> [HeldItem] {
        try await answering {
            var arguments = PostgresArguments()
            arguments.append(uuid: access.id.halves)
            arguments.append(bytes: access.digest?.bytes)
            let rows = try await read(PostgresCall(HeldItem.readable, arguments))
            // A session that holds nothing is one row without an item.
            guard let first = rows.first else { throw SojournError.noSession() }
            return first.isNull(0) ? [] : try rows.map(HeldItem.init)
        }
    }

    public func remove(_ ids: [ItemID]?, from access: SessionAccess) async throws -> Int {
        try await transaction { transaction in
            _ = try await transaction.admitted(access)
            guard let ids else {
                return try await transaction.run(PostgresCall(HeldItem.clearing, access.id)).affected
            }
            var arguments = PostgresArguments()
            arguments.append(uuid: access.id.halves)
            arguments.append(int8s: ids)
            return try await transaction.run(PostgresCall(HeldItem.removal, arguments)).affected
        }
    }

    public func validateWithItems(_ access: SessionAccess) async throws -> (session: Session, items: [HeldItem])? {
        try await answering {
            // One round trip: the validation locks the row, so nothing is added or removed before its items are read.
            var arguments = PostgresArguments()
            arguments.append(uuids: [access.id.halves])
            arguments.append(bytes: [access.digest?.bytes])
            arguments.append(int4s: [1])
            let results = try await client.send(
                [PostgresCall(Validation.statement, arguments), PostgresCall(HeldItem.listing, access.id)],
                lane: lane(of: access.id))
            guard let row = results[0].first else { return nil }
            return (try Session(row), try results[1].map(HeldItem.init))
        }
    }
}

extension Item {
    /// Reads `item_id, name, category`.
    init(_ row: PostgresRow) throws {
        self.init(id: Int64(try row.int(0)), name: try row.text(1), category: try row.optionalText(2))
    }

    /// Writes what is new or differs; tells of each row written whether it is new.
    fileprivate static let writing = PostgresStatement(
        """
        INSERT INTO sojourn.items AS i (item_id, name, category, search_key)
        SELECT item_id, name, category, search_key
        FROM unnest($1, $2, $3, $4) AS a (item_id, name, category, search_key)
        ORDER BY item_id
        ON CONFLICT (item_id) DO UPDATE
        SET name = excluded.name, category = excluded.category, search_key = excluded.search_key
        WHERE (i.name, i.category) IS DISTINCT FROM (excluded.name, excluded.category)
        RETURNING xmax = 0
        """, [.int8s, .texts, .texts, .texts])

    fileprivate static let firstPage = PostgresStatement(
        """
        SELECT item_id, name, category FROM sojourn.items
        WHERE search_key >= $1 AND search_key < $2
        ORDER BY search_key, item_id
        LIMIT $3
        """, [.text, .text, .int8])

    fileprivate static let laterPage = PostgresStatement(
        """
        SELECT item_id, name, category FROM sojourn.items
        WHERE search_key >= $1 AND search_key < $2 AND (search_key, item_id) > ($4, $5)
        ORDER BY search_key, item_id
        LIMIT $3
        """, [.text, .text, .int8, .text, .int8])
}

extension HeldItem {
    /// Reads `item_id, name, category, added_at`.
    fileprivate init(_ row: PostgresRow) throws {
        self.init(item: try Item(row), addedAt: try row.time(3))
    }

    /// What a session holds, with the catalogue row, newest first.
    fileprivate static let listing = PostgresStatement(
        """
        SELECT i.item_id, i.name, i.category, h.added_at
        FROM sojourn.session_items AS h
        JOIN sojourn.items AS i ON i.item_id = h.item_id
        WHERE h.session_id = $1
        ORDER BY h.added_at DESC, h.item_id DESC
        """, [.uuid])

    /// The same for a caller who may read it; no row for one who may not.
    fileprivate static let readable = PostgresStatement(
        """
        SELECT i.item_id, i.name, i.category, h.added_at
        FROM (SELECT sojourn.clock() AS at) AS t
        CROSS JOIN sojourn.session_master AS s
        LEFT JOIN sojourn.session_items AS h ON h.session_id = s.session_id
        LEFT JOIN sojourn.items AS i ON i.item_id = h.item_id
        WHERE s.session_id = $1 AND ($2 IS NULL OR (s.secret_digest = $2 AND sojourn.session_live(s, t.at)))
        ORDER BY h.added_at DESC, h.item_id DESC
        """, [.uuid, .bytea])

    fileprivate static let clearing = PostgresStatement(
        """
        DELETE FROM sojourn.session_items
        WHERE session_id = $1
        """, [.uuid])

    fileprivate static let removal = PostgresStatement(
        """
        DELETE FROM sojourn.session_items
        WHERE session_id = $1 AND item_id = ANY ($2)
        """, [.uuid, .int8s])
}
