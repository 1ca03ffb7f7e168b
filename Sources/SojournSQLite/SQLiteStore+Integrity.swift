// SPDX-License-Identifier: Apache-2.0

internal import GRDB
public import Sojourn

extension SQLiteStore {
    public func integrity() async throws -> IntegrityReport {
        try await read { [clock] db in
            IntegrityReport(
                findings: [try db.quickCheck()]
                    + (try db.orphans())
                    + (try db.unindexedForeignKeys())
                    + [try db.searchIndex(), try db.clockSkew(at: clock.now)])
        }
    }
}

extension Database {
    /// Whether the file's pages and indexes are sound.
    fileprivate func quickCheck() throws -> IntegrityReport.Finding {
        let lines = try all("PRAGMA quick_check(10)") { $0.text(0) }
        let isGood = lines == ["ok"]
        return .init(
            check: "file", isGood: isGood,
            detail: isGood ? "pages and indexes are sound" : "damaged: restore the newest backup")
    }

    /// Rows whose session, user or item is missing, per table that refers to another.
    fileprivate func orphans() throws -> [IntegrityReport.Finding] {
        let found = Dictionary(
            grouping: try all("PRAGMA foreign_key_check") { $0.text(0) }, by: { $0 }
        ).mapValues(\.count)
        return try foreignKeys().map(\.table).reduce(into: [String]()) { tables, table in
            if !tables.contains(table) { tables.append(table) }
        }.map { table in
            let count = found[table] ?? 0
            return .init(check: "orphans in \(table)", isGood: count == 0, detail: "\(count)")
        }
    }

    /// Foreign keys by which a delete would have to scan the whole child table.
    fileprivate func unindexedForeignKeys() throws -> [IntegrityReport.Finding] {
        let missing = try foreignKeys().filter { key in
            try first(
                """
                SELECT 1 FROM pragma_index_list(?1) AS l JOIN pragma_index_info(l.name) AS i
                WHERE i.seqno = 0 AND i.name = ?2
                """, [.text(key.table), .text(key.column)]
            ) { _ in true } == nil
        }
        let names = missing.map { "\($0.table).\($0.column)" }.joined(separator: ", ")
        return [
            .init(
                check: "indexes of foreign keys", isGood: missing.isEmpty,
                detail: missing.isEmpty ? "all there" : "missing on \(names)")
        ]
    }

    /// Whether each turn has its one row in the index of the search, and each row there its turn.
    fileprivate func searchIndex() throws -> IntegrityReport.Finding {
        let pairless = try first(
            """
            SELECT
                (SELECT count(*) FROM conversations AS c WHERE NOT EXISTS (
                    SELECT 1 FROM conversation_search AS s
                    WHERE s.rowid = c.search_row AND s.conversation_id = c.id)),
                (SELECT count(*) FROM conversation_search AS s WHERE NOT EXISTS (
                    SELECT 1 FROM conversations AS c WHERE c.id = s.conversation_id AND c.search_row = s.rowid))
            """
        ) { (turns: try $0.count(0), rows: try $0.count(1)) }
        let isGood = pairless ?? (0, 0) == (0, 0)
        return .init(
            check: "search", isGood: isGood,
            detail: isGood
                ? "finds every turn" : "\(pairless?.turns ?? 0) turns not indexed, \(pairless?.rows ?? 0) rows too many"
        )
    }

    /// Whether a session was used later than now: the clock has gone back, or differs between two machines.
    fileprivate func clockSkew(at now: Timestamp) throws -> IntegrityReport.Finding {
        let latest = try first("SELECT max(last_activity) FROM session_master") { $0.time(0) }
        let ahead = latest.map { $0 - now } ?? .zero
        return .init(
            check: "clock", isGood: ahead <= .zero,
            detail: ahead <= .zero
                ? "no session was used in the future"
                : "a session was used \(ahead.inSeconds) s ahead of this machine's clock")
    }

    /// The columns that refer to another table, by table.
    private func foreignKeys() throws -> [(table: String, column: String)] {
        try all(
            """
            SELECT t.name, k."from" FROM sqlite_schema AS t JOIN pragma_foreign_key_list(t.name) AS k
            WHERE t.type = 'table' ORDER BY t.name, k."from"
            """
        ) { ($0.text(0), $0.text(1)) }
    }
}
