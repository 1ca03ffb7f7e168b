// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournPostgres

/// Compares what callers were told with what is in the database, by plain SQL.
struct Audit {
    /// A session as it is stored.
    private struct Stored {
        let isEnded: Bool
        let requests: Int
        let version: Int
        let serial: Int
        let factCount: Int
        /// How many facts are there, and the numbers of the first and last.
        let facts: (count: Int, first: Int, last: Int)
    }

    /// What was asked and answered.
    let ledger: Ledger
    private let stored: [SessionID: Stored]
    private let items: [SessionID: Set<ItemID>]

    /// Reads all sessions and items.
    init(_ ledger: Ledger, _ client: PostgresClient) async throws {
        self.ledger = ledger
        var stored: [SessionID: Stored] = [:]
        for row in try await client.query(PostgresCall(Self.sessions)) {
            stored[try row.sessionID(0)] = Stored(
                isEnded: try row.bool(1), requests: try row.int(2), version: try row.int(3), serial: try row.int(4),
                factCount: try row.int(5), facts: (try row.int(6), try row.int(7), try row.int(8)))
        }
        var items: [SessionID: Set<ItemID>] = [:]
        for row in try await client.query(PostgresCall(Self.items)) {
            items[try row.sessionID(0), default: []].insert(ItemID(try row.int(1)))
        }
        (self.stored, self.items) = (stored, items)
    }

    private static let sessions = PostgresStatement(
        """
        SELECT s.session_id, s.session_end IS NOT NULL, s.request_count, s.version,
            coalesce((s.session_metadata ->> 'serial')::bigint, 0), s.fact_count::bigint,
            count(f.n), coalesce(min(f.n), 0)::bigint, coalesce(max(f.n), 0)::bigint
        FROM sojourn.session_master AS s
        LEFT JOIN sojourn.session_facts AS f ON f.session_id = s.session_id
        GROUP BY s.session_id
        """)
    private static let items = PostgresStatement("SELECT session_id, item_id FROM sojourn.session_items")

    /// How many sessions are stored.
    var count: Int { stored.count }

    /// Every promise that was broken, in words.
    func breaches() -> [String] {
        let accounts = ledger.accounts
        var found = stored.keys.filter { accounts[$0] == nil }.map { "\($0): nobody created it" }
        for (id, account) in accounts {
            if let row = stored[id] {
                found += breaches(account, row, items[id] ?? []).map { "\(id): \($0)" }
            } else if account.isCreated {
                found.append("\(id): its creation was acknowledged, and it is not there")
            }
        }
        return found
    }

    private func breaches(_ account: Ledger.Account, _ row: Stored, _ items: Set<ItemID>) -> [String] {
        var found: [String] = []
        if account.isEnded && !row.isEnded { found.append("its end was acknowledged, and it lives") }
        if row.isEnded && !account.isEndAsked { found.append("it ended, and nobody asked for that") }
        if !account.validations.range.contains(row.requests) {
            found.append("\(row.requests) requests are counted, asked were \(account.validations)")
        }
        if let last = account.requestNumbers.max(), last > row.requests {
            found.append("request \(last) was told, and \(row.requests) are counted")
        }
        if !account.replacements.range.contains(row.version - 1) {
            found.append("its version is \(row.version), replacements were \(account.replacements)")
        }
        if row.serial < account.document
            || (row.version == 1 + account.replacements.acknowledged && row.serial != account.document)
        {
            found.append("replacement \(account.document) was acknowledged, and \(row.serial) is there")
        }
        let noted = row.factCount - 1 - (row.isEnded ? 1 : 0)
        if !account.extensions.range.contains(noted) {
            found.append("\(noted) extensions are noted, asked were \(account.extensions)")
        }
        // The first fact, the creation, stands in the session's own row.
        let kept = min(row.factCount - 1, 64)
        if row.facts != (kept == 0 ? (0, 0, 0) : (kept, row.factCount - kept + 1, row.factCount)) {
            found.append("of \(row.factCount) facts there are \(row.facts)")
        }
        let promised = account.items.filter(\.value).keys
        if !items.isSuperset(of: promised) { found.append("items that were acknowledged are not there") }
        if !items.isSubset(of: account.items.keys) { found.append("it holds items that nobody added") }
        return found
    }
}

extension PostgresRow {
    /// A session's id.
    fileprivate func sessionID(_ column: Int) throws -> SessionID {
        let (high, low) = try uuid(column)
        return SessionID(UUIDBytes(high: high, low: low))
    }
}
