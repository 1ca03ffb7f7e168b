// SPDX-License-Identifier: Apache-2.0

import Sojourn
import Testing

@testable import SojournSQLite

@Suite struct QueryPlanTests {
    /// Statements that run often or over many rows, and the indexes that they must find their rows by.
    static let plans: [(sql: String, indexes: [String])] = [
        (SessionRow.byID, ["sqlite_autoindex_session_master_1 (session_id=?)", "u USING PRIMARY KEY (user_id=?)"]),
        (SweepStep.expired, ["session_expiry_hour (expiry_hour<?)"]),
        (SweepStep.revoked, ["users_to_sweep", "(user_id=?"]),
        (SweepStep.caughtUp, ["users_to_sweep", "(user_id=?"]),
        (SweepStep.lap, ["session_live (session_id>?)"]),
        (SweepStep.retired, ["session_ended (session_type=? AND session_end>? AND session_end<?)"]),
        (SweepStep.retiredCount, ["session_ended (session_type=? AND session_end>? AND session_end<?)"]),
        (SweepStep.graces, ["session_grace (previous_until>? AND previous_until<?)"]),
        (SearchIndex.pending, ["conversations_to_index"]),
        (SweepStep.oldKeys, ["idempotency_keys_created (created_at<?)"]),
        (
            SessionRow.selecting("WHERE s.user_id = ? AND s.session_id < ? ORDER BY s.session_id DESC"),
            ["session_user (user_id=? AND session_id<?)"]
        ),
        (
            SessionRow.selecting("WHERE s.session_end IS NULL AND s.session_id < ? ORDER BY s.session_id DESC"),
            ["session_live (session_id<?)"]
        ),
        (
            SessionRow.selecting(
                "WHERE s.user_id = ? AND s.session_end IS NULL ORDER BY s.session_start, s.session_id"),
            ["session_user_live (user_id=?)"]
        ),
    ]

    @Test(arguments: plans) func `Rows are found by an index and not sorted`(
        _ plan: (sql: String, indexes: [String])
    ) async throws {
        let steps = try await explain(plan.sql)
        for index in plan.indexes { #expect(steps.contains(index)) }
        #expect(!steps.contains("TEMP B-TREE"))
        #expect(!steps.contains("SCAN s"))
    }

    @Test(arguments: JournalKind.allCases) func `A history is read in its index's order`(kind: JournalKind)
        async throws
    {
        for owner in ["session", "user"] {
            let steps = try await explain(
                """
                SELECT \(kind.columns) FROM \(kind.table)
                WHERE \(owner)_id = ? AND \(kind.timeField) >= ? AND (\(kind.timeField), id) < (?, ?)
                ORDER BY \(kind.timeField) DESC, id DESC
                """)
            #expect(steps.contains("\(kind.table)_\(owner) (\(owner)_id=? AND"))
            #expect(!steps.contains("TEMP B-TREE"))
        }
    }

    @Test func `A search goes through the index in its order and takes each turn by its id`() async throws {
        let steps = try await explain(
            """
            SELECT \(JournalKind.conversations.columns) FROM \(SearchIndex.turns)
            WHERE (conversation_time, id) < (?, ?) AND conversation_search MATCH ? AND s.rowid BETWEEN ? AND ?
            ORDER BY s.rowid DESC
            """)
        #expect(steps.contains("SCAN s VIRTUAL TABLE"))
        #expect(steps.contains("sqlite_autoindex_conversations_1 (id=?)"))
        #expect(!steps.contains("TEMP B-TREE"))
    }

    @Test func `Every foreign key has its index, and a fresh store hangs together`() async throws {
        try await withStore { store in
            _ = try await store.begin("ann")
            let report = try await store.integrity()
            #expect(report.isGood)
            #expect(report.findings.map(\.check).contains("orphans in conversations"))
        }
    }

    private func explain(_ sql: String) async throws -> String {
        try await withStore { store in
            try await store.read { db in
                try db.all("EXPLAIN QUERY PLAN \(sql)") { $0.text(3) }.joined(separator: "\n")
            }
        }
    }
}
