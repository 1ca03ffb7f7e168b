// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
@testable import SojournPostgres
import Testing

/// Which months the journal's statements touch: a session with 10,000 turns in 36 months, under the settings of the store's
/// connections.
@Suite("Plans of the journal", .onPostgres)
struct JournalPlanTests {
    private static let session = "00000000-0000-0000-0000-000000000001"

    private static let database = Task {
        let database = try await ScratchDatabase()
        try await database.run(
            "SELECT sojourn.add_month(month::date) FROM generate_series('2023-01-01'::date, '2025-12-01', '1 month') AS month"
        )
        try await database.run(
            """
            INSERT INTO sojourn.session_master (session_id, user_id, turn_count, first_at, last_at)
            VALUES ('\(session)', 'mina', 10000, '2023-01-01 12:00+00', '2025-12-28 12:00+00')
            """)
        try await database.run(
            """
            INSERT INTO sojourn.conversations (session_id, user_id, conversation_time, seq, input_text)
            SELECT '\(session)', 'mina',
                '2023-01-01 12:00+00'::timestamptz + n * ('2025-12-28 12:00+00'::timestamptz - '2023-01-01 12:00+00') / 9999,
                n + 1, CASE n WHEN 5000 THEN '냉장고에 김치가 있어요' ELSE 'turn ' || n END
            FROM generate_series(0, 9999) AS n
            """)
        // A month in which it is worth having an index.
        try await database.run(
            """
            WITH other AS (INSERT INTO sojourn.session_master DEFAULT VALUES RETURNING session_id)
            INSERT INTO sojourn.conversations (session_id, conversation_time, seq, input_text)
            SELECT session_id, '2024-07-02 00:00+00'::timestamptz + n * interval '1 minute', n, 'turn ' || n
            FROM other, generate_series(1, 20000) AS n
            """)
        try await database.run("ANALYZE sojourn.conversations")
        return database
    }

    /// The months that a statement reads when it is run with these values, and its plan.
    private func months(
        _ statement: PostgresStatement, types: String, _ values: String
    ) async throws -> (touched: Set<String>, plan: String) {
        let lines = try await Self.database.value.client.withTransaction { transaction in
            for setting in ["enable_seqscan = off", "plan_cache_mode = force_generic_plan"] {
                transaction.enqueue(PostgresCall(once: "SET LOCAL \(setting)"))
            }
            transaction.enqueue(PostgresCall(once: "PREPARE tried (\(types)) AS \(statement.sql)"))
            let rows = try await transaction.run(
                PostgresCall(once: "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE tried (\(values))"))
            transaction.enqueue(PostgresCall(once: "DEALLOCATE tried"))
            return try rows.map { try $0.text(0) }
        }
        return touched(lines)
    }

    /// The months that an executed plan read, and the plan.
    private func touched(_ lines: [String]) -> (touched: Set<String>, plan: String) {
        let touched = lines.filter { $0.contains(" on conversations_") && !$0.contains("never executed") }
            .compactMap { $0.firstMatch(of: /conversations_\d{4}_\d{2}/).map { String($0.output) } }
        return (Set(touched), lines.joined(separator: "\n"))
    }

    private static let readingTypes = "uuid[], bytea[], timestamptz[], timestamptz[], timestamptz[], uuid[], bigint[]"

    private static let searchTypes = "timestamptz, timestamptz, timestamptz, uuid, bigint, text"

    private func reading(from: String? = nil, to: String? = nil) async throws -> (touched: Set<String>, plan: String) {
        func moment(_ text: String?) -> String { "ARRAY[\(text.map { "'\($0)'" } ?? "NULL")]::timestamptz[]" }
        return try await months(
            Reading.statement(.conversations), types: Self.readingTypes,
            """
            ARRAY['\(Self.session)']::uuid[], ARRAY[NULL]::bytea[], \(moment(from)), \(moment(to)),
            ARRAY[NULL]::timestamptz[], ARRAY[NULL]::uuid[], ARRAY[50]::bigint[]
            """)
    }

    @Test("the last 50 of 10,000 turns in 36 months are read from one or two months (J4)")
    func lastFifty() async throws {
        let (touched, plan) = try await reading()
        #expect(touched.contains("conversations_2025_12") && touched.count <= 2, "\(plan)")
        #expect(!plan.contains("Seq Scan"), "\(plan)")
    }

    @Test("a page with bounds touches only its months (J4)")
    func bounds() async throws {
        let (touched, plan) = try await reading(from: "2024-03-05 00:00+00", to: "2024-04-01 00:00+00")
        #expect(touched == ["conversations_2024_03"], "\(plan)")
        let none = try await reading(from: "2031-01-01 00:00+00")
        #expect(none.touched.isEmpty, "\(none.plan)")
    }

    @Test("a user's page is read from the newest months that fill it")
    func user() async throws {
        let (touched, plan) = try await months(
            HistorySearch(kind: .conversations, scope: .user(UserID(stored: "mina")), isSearch: false).statement,
            types: Self.searchTypes,
            "'2023-01-01', '2025-06-15', NULL, NULL, 50, 'mina'")
        #expect(touched == ["conversations_2025_06"], "\(plan)")
    }

    @Test("the view of the last week is made from its months alone (J7)")
    func lastWeek() async throws {
        let database = try await Self.database.value
        let rows = try await database.run(
            "SELECT sojourn.clock(), pg_get_viewdef('sojourn.recent_conversations'::regclass)")
        let row = try #require(rows.first)
        let now = try row.time(0)
        let lines = try await database.run("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) \(try row.text(1))")
        let (touched, plan) = touched(try lines.map { try $0.text(0) })
        #expect(touched.contains(PartitionMonth(of: now).table), "\(plan)")
        #expect(touched.allSatisfy { $0 >= PartitionMonth(of: now - .days(7)).table }, "\(plan)")
    }

    @Test("a search of everybody's turns goes by trigrams")
    func search() async throws {
        let (_, plan) = try await months(
            HistorySearch(kind: .conversations, scope: .everybody, isSearch: true).statement,
            types: Self.searchTypes,
            "NULL, NULL, NULL, NULL, 50, '김치가'")
        #expect(plan.contains("conversations_2024_07_turn_text_idx"), "\(plan)")
    }
}
