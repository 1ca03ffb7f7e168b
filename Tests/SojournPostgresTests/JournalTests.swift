// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
@testable import SojournPostgres
import Testing

/// What the journal on PostgreSQL does beyond the examples that every store keeps: months, plans, plain SQL.
@Suite("The journal on PostgreSQL", .onPostgres)
struct JournalTests {
    private func turn(at: Timestamp? = nil, _ input: String = "q") -> NewEntry {
        NewEntry(
            id: EntryID(UUIDBytes(version7At: at ?? SystemWallClock().now, random: .system)), at: at,
            body: .conversation(input: input, response: nil, extra: .empty))
    }

    /// A session begun in SQL, trusted.
    private func begin(_ database: ScratchDatabase, _ user: String = "NULL") async throws -> SessionAccess {
        let rows = try await database.run("SELECT sojourn.start_session(\(user), 'chat')::text")
        let text = try #require(rows.first).text(0)
        return .trusted(try #require(SessionID(text)), as: .service)
    }

    private func count(_ database: ScratchDatabase, _ sql: String) async throws -> Int {
        try #require(try await database.run("SELECT count(*) FROM \(sql)").first).int(0)
    }

    @Test("no append is refused for want of a month, however many come to it at once from two nodes (J5)")
    func missingMonths() async throws {
        let database = try await ScratchDatabase()
        let stores = [try database.store(), try database.store()]
        defer { for store in stores { store.close() } }
        var sessions: [SessionAccess] = []
        for _ in 0..<16 { sessions.append(try await begin(database)) }
        let now = SystemWallClock().now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<96 {
                let turn = turn(at: now + .days(150 + 31 * (number % 6)))
                let (store, session) = (stores[number % 2], sessions[number % 16])
                group.addTask {
                    _ = try await store.append([turn], to: session, expectedTurns: nil, idempotency: nil)
                }
            }
            try await group.waitForAll()
        }
        #expect(try await count(database, "sojourn.conversations") == 96)
        #expect(try await count(database, "sojourn.session_master WHERE turn_count = 6") == 16)
    }

    @Test("at the turn of the month the new month is made by whoever comes first")
    func turnOfMonth() async throws {
        let database = try await ScratchDatabase()
        for statement in [
            "CREATE TABLE public.test_clock (at timestamptz NOT NULL)",
            "INSERT INTO public.test_clock VALUES ('2031-05-31 23:59:59.999+00')",
            """
            CREATE OR REPLACE FUNCTION sojourn.clock() RETURNS timestamptz LANGUAGE sql VOLATILE
            AS 'SELECT at FROM public.test_clock'
            """,
        ] { try await database.run(statement) }
        let store = try database.store()
        defer { store.close() }
        let session = try await begin(database)
        _ = try await store.append([turn()], to: session, expectedTurns: 0, idempotency: nil)
        try await database.run("UPDATE public.test_clock SET at = '2031-06-01 00:00:00+00'")
        _ = try await store.append([turn()], to: session, expectedTurns: 1, idempotency: nil)
        for month in ["2031_05", "2031_06"] {
            #expect(try await count(database, "sojourn.conversations_\(month)") == 1)
        }
    }

    @Test("a month that somebody made with other bounds is told of, and mended as told")
    func otherBounds() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        // Midnights of Seoul.
        try await database.run(
            """
            CREATE TABLE sojourn.conversations_2031_05 PARTITION OF sojourn.conversations
            FOR VALUES FROM ('2031-05-01 00:00+09') TO ('2031-06-01 00:00+09')
            """)
        let session = try await begin(database)
        func write(_ time: String) async throws {
            let turn = turn(at: Timestamp(time))
            _ = try await store.append([turn], to: session, expectedTurns: nil, idempotency: nil)
        }
        func refused() async {
            let error = await #expect(throws: SojournError.self) { try await write("2031-05-31T20:00:00Z") }
            #expect(error?.code == .storeDamaged)
            #expect(error?.message.hasPrefix("conversations_2031_05 does not span its whole month (UTC)") == true)
        }
        try await write("2031-04-30T20:00:00Z")
        await refused()
        try await database.run("ALTER TABLE sojourn.conversations DETACH PARTITION sojourn.conversations_2031_05")
        await refused()
        try await database.run("ALTER TABLE sojourn.conversations_2031_05 RENAME TO other_bounds")
        try await write("2031-05-31T20:00:00Z")
        try await database.run("SELECT sojourn.add_month('2031-04-01')")
        try await database.run("INSERT INTO sojourn.conversations SELECT * FROM sojourn.other_bounds")
        #expect(try await count(database, "sojourn.conversations") == 2)
        // A partition of another name, over a part of the month.
        try await database.run(
            """
            CREATE TABLE sojourn.june PARTITION OF sojourn.conversations
            FOR VALUES FROM ('2031-06-10 00:00+00') TO ('2031-06-20 00:00+00')
            """)
        let error = await #expect(throws: SojournError.self) { try await write("2031-06-01T00:00:00Z") }
        #expect(error?.code == .storeDamaged)
    }

    @Test("a month that is missing is no fault of the input")
    func missingToTheEnd() {
        var error = PostgresError(.server, "no partition of relation \"conversations\" found for row")
        error.sqlState = "23514"
        error.table = "conversations"
        #expect(PostgresFailure.map(error).code == .storeUnavailable)
        error.constraint = "conversations_extra_check"
        #expect(PostgresFailure.map(error).code == .invalidInput)
    }

    @Test("a turn of any month is finished, and a key is answered, where the entry stands")
    func finishing() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        let session = try await begin(database, "'mina'")
        let now = SystemWallClock().now
        let turns = [turn(at: now - .days(400)), turn(at: now)]
        let key = IdempotencyKey("k", access: session, route: "r", body: [1])
        let written = try await store.append(turns, to: session, expectedTurns: 0, idempotency: key)
        for turn in turns {
            let finished = try await store.finish(
                turn.id, of: session, response: "r", extra: .empty, expectedTurns: 2)
            #expect(finished.at == turn.at)
        }
        #expect(try await store.append(turns, to: session, expectedTurns: 0, idempotency: key) == written)
        #expect(try await count(database, "sojourn.conversations WHERE response_text = 'r'") == 2)
    }

    @Test("the flow in SQL alone: begin, what happened, end, clean, delete, counts (J6)")
    func plainSQL() async throws {
        let database = try await ScratchDatabase()
        let session = try await begin(database, "'mina'").id
        try await database.run(
            "INSERT INTO sojourn.conversations (session_id, input_text, response_text) VALUES ('\(session)', '안녕', 'Hi')"
        )
        try await database.run(
            "INSERT INTO sojourn.conversations (session_id, input_text) SELECT '\(session)', n::text FROM generate_series(2, 3) AS n"
        )
        try await database.run(
            "INSERT INTO sojourn.user_interactions (session_id, interaction_type) VALUES ('\(session)', 'click')")
        try await database.run(
            "INSERT INTO sojourn.recommendations_log (session_id, shop_id, recommendations) VALUES ('\(session)', 's1', '[1, 2]')"
        )
        try await database.run(
            "INSERT INTO sojourn.user_feedback (session_id, feedback_type, rating) VALUES ('\(session)', 'stars', 5)")
        let turns = try await database.run("SELECT user_id, seq FROM sojourn.conversations ORDER BY seq")
        #expect(try turns.map { try $0.int(1) } == [1, 2, 3])
        #expect(try turns.allSatisfy { try $0.text(0) == "mina" })
        #expect(
            try await count(
                database,
                """
                sojourn.session_master
                WHERE turn_count = 3 AND interaction_count = 1 AND recommendation_count = 1 AND feedback_count = 1
                    AND first_at <= last_at
                """) == 1)
        #expect(try await count(database, "sojourn.recommendations_log WHERE recommendation_count = 2") == 1)
        #expect(try await database.run("SELECT sojourn.end_session('\(session)')").first?.bool(0) == true)
        // Workers are late at times: what they write is kept, and the session stays ended.
        try await database.run(
            "INSERT INTO sojourn.user_feedback (session_id, feedback_type, rating) VALUES ('\(session)', 'stars', 4)")
        #expect(
            try await count(
                database,
                "sojourn.session_master WHERE feedback_count = 2 AND session_end IS NOT NULL AND last_activity <= session_end"
            ) == 1)
        #expect(try await database.run("SELECT sojourn.clean_inactive_sessions()").first?.int(0) == 0)
        #expect(try await database.run("SELECT sojourn.delete_old_sessions(30)").first?.int(0) == 0)
        #expect(try await database.run("SELECT sojourn.delete_old_sessions(0)").first?.int(0) == 1)
        for kind in JournalKind.allCases { #expect(try await count(database, "sojourn.\(kind.table)") == 0) }
        await #expect(throws: PostgresError.self) {
            try await database.run(
                "INSERT INTO sojourn.conversations (session_id, input_text) VALUES (gen_random_uuid(), 'x')")
        }
    }

    @Test("an application's role writes turns and finishes them, and cannot number or remove them")
    func applicationRole() async throws {
        let database = try await ScratchDatabase()
        let session = try await begin(database, "'mina'").id
        func asApplication(_ sql: String) async throws {
            try await database.client.withTransaction { transaction in
                transaction.enqueue(PostgresCall(once: "SET LOCAL ROLE sojourn_app"))
                _ = try await transaction.run(PostgresCall(once: sql))
            }
        }
        try await asApplication(
            "INSERT INTO sojourn.conversations (session_id, input_text) VALUES ('\(session)', 'q')")
        try await asApplication("UPDATE sojourn.conversations SET response_text = 'a' WHERE session_id = '\(session)'")
        for sql in [
            "UPDATE sojourn.conversations SET seq = 7", "DELETE FROM sojourn.conversations",
            "INSERT INTO sojourn.conversations (session_id, input_text, seq) VALUES ('\(session)', 'q', 7)",
            "SELECT sojourn.add_month('2020-01-01')", "SELECT * FROM sojourn.idempotency_keys",
        ] {
            await #expect(throws: PostgresError.self) { try await asApplication(sql) }
        }
        #expect(try await count(database, "sojourn.conversations WHERE response_text = 'a' AND seq = 1") == 1)
    }

    @Test("keys are forgotten by the sweep once their day is over")
    func forgottenKeys() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        let session = try await begin(database)
        for name in ["old", "new"] {
            let key = IdempotencyKey(name, access: session, route: "r", body: [1])
            _ = try await store.append([turn()], to: session, expectedTurns: nil, idempotency: key)
            if name == "old" {
                try await database.run("UPDATE sojourn.idempotency_keys SET created_at = now() - interval '25 hours'")
            }
        }
        _ = try await store.sweep(SweepOrder(batchMax: 100))
        #expect(try await count(database, "sojourn.idempotency_keys") == 1)
    }
}
