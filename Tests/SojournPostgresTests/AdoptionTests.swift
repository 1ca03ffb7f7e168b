// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournPostgres
import Testing

/// Tables of others, with loose session ids, that come to hang on sessions (J9).
@Suite("Adoption", .onPostgres, .timeLimit(.minutes(5)))
struct AdoptionTests {
    static let order = AdoptionOrder(.conversations, from: "chatbot.conversations", sessionType: .chat)

    /// A database with `chatbot.conversations`, its columns of these types, and `rows` in it.
    func database(
        session: String = "uuid", user: String = "text", time: String = "timestamptz", rows: String
    ) async throws -> ScratchDatabase {
        let database = try await ScratchDatabase()
        try await database.run("CREATE SCHEMA chatbot")
        try await database.run("CREATE DOMAIN chatbot.wall_clock AS timestamp")
        try await database.run(
            """
            CREATE TABLE chatbot.conversations (
                id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, session_id \(session), user_id \(user),
                conversation_time \(time), input_text text, response_text text)
            """)
        try await database.run(
            "INSERT INTO chatbot.conversations (session_id, user_id, conversation_time, input_text) \(rows)")
        return database
    }

    /// So many sessions of two turns each, an hour apart, the last of session `n` begun `n` minutes ago.
    func turns(_ sessions: Int) -> String {
        """
        SELECT md5(n::text)::uuid, 'user-' || n % 10, now() - n * interval '1 minute' - turn * interval '1 hour', 'hello'
        FROM generate_series(1, \(sessions)) AS n, generate_series(0, 1) AS turn
        """
    }

    func int(_ database: ScratchDatabase, _ sql: String) async throws -> Int {
        try #require(try await database.run(sql).first).int(0)
    }

    private func text(_ database: ScratchDatabase, _ sql: String) async throws -> String {
        try #require(try await database.run(sql).first).text(0)
    }

    @discardableResult
    func adopt(_ store: PostgresStore, _ order: AdoptionOrder = order, batch: Int = 1000) async throws
        -> Adoption
    {
        try await store.adopt(try await store.survey(order), batch: batch) { _ in }
    }

    /// Expects that the table hangs on sessions as it should, and nothing else is wrong with the database.
    func expectAdopted(_ store: PostgresStore, _ table: String = "chatbot.conversations") async throws {
        let report = try await store.integrity()
        #expect(report.isGood, "\(report.findings.filter { !$0.isGood })")
        #expect(report.findings.contains { $0.check == "orphans in \(table).session_id" && $0.detail == "0" })
        #expect(try await store.adoptions().map(\.table) == [table])
        #expect(try await store.adoptions().map(\.state) == [.adopted])
    }

    @Test("every session id gets its session, from its first row to 24 hours after its last, and then the key")
    func plain() async throws {
        let database = try await database(
            rows: """
                VALUES ('00000000-0000-0000-0000-000000000001'::uuid, 'mina', '2024-03-01 10:00Z'::timestamptz, 'a'),
                    ('00000000-0000-0000-0000-000000000001', 'mina', '2024-03-01 12:00Z', 'b'),
                    ('00000000-0000-0000-0000-000000000002', NULL, now() - interval '2 hours', 'c'),
                    ('00000000-0000-0000-0000-000000000002', '', now() - interval '1 hour', 'd')
                """)
        let store = try database.store()
        defer { store.close() }
        var order = Self.order
        order.keptFor = .days(30)
        let survey = try await store.survey(order)
        #expect([survey.rows, survey.sessions, survey.unknown, survey.retired, survey.mixed] == [4, 2, 2, 1, 0])
        #expect(survey.unindexed == ["chatbot.conversations"])
        #expect(try await store.adoptions().isEmpty, "a survey changes nothing")
        let adoption = try await store.adopt(survey, batch: 1000) { _ in }
        #expect(adoption.made == 2)
        try await expectAdopted(store)

        let old = try #require(SessionID("00000000-0000-0000-0000-000000000001"))
        let stored = try #require(try await store.find([.trusted(old, as: .service)])[0])
        #expect(stored.session.userID?.text == "mina")
        #expect(stored.session.type == .chat)
        #expect(stored.session.metadata.text == #"{"adopted_from":"chatbot.conversations"}"#)
        #expect(stored.session.createdAt.text.hasPrefix("2024-03-01T10:00:00"))
        #expect(stored.session.lastActivity.text.hasPrefix("2024-03-01T12:00:00"))
        #expect(stored.session.end?.at.text.hasPrefix("2024-03-02T12:00:00") == true)
        #expect(stored.session.end?.reason == .expired)
        #expect(stored.session.turnCount == 0)
        let facts = try await store.facts(of: old)?.facts
        #expect(facts?.map(\.kind) == [.expired, .created])
        #expect(facts?.map(\.actor) == [.cli, .cli])

        let live = try #require(SessionID("00000000-0000-0000-0000-000000000002"))
        #expect(try await store.validate(.trusted(live, as: .service))?.id == live)
        #expect(try await store.find([.trusted(live, as: .service)])[0]?.session.userID == nil)

        // From now on the database holds them together.
        let stray = "INSERT INTO chatbot.conversations (session_id) VALUES (gen_random_uuid())"
        let error = await #expect(throws: PostgresError.self) { try await database.run(stray) }
        #expect(error?.sqlState == "23503")
        try await database.run("DELETE FROM sojourn.session_master WHERE session_id = '\(old)'")
        #expect(try await int(database, "SELECT count(*) FROM chatbot.conversations") == 2)

        let again = try await store.survey(order)
        #expect(again.isAdopted)
        #expect(try await store.adopt(again, batch: 1) { _ in Issue.record("nothing is left to do") } == adoption)
    }

    @Test("a session that was anonymous, and then two users', is one session: the last user's")
    func severalUsers() async throws {
        let database = try await database(
            rows: """
                SELECT '00000000-0000-0000-0000-000000000001'::uuid, u, now() - ago * interval '1 minute', 'x'
                FROM (VALUES (NULL, 9), ('mina', 8), ('zoe', 5), ('bora', 4), (NULL, 3)) AS v (u, ago)
                UNION ALL
                SELECT '00000000-0000-0000-0000-000000000002'::uuid, u, now() - ago * interval '1 minute', 'x'
                FROM (VALUES (NULL, 9), ('mina', 8)) AS v (u, ago)
                """)
        let store = try database.store()
        defer { store.close() }
        #expect(try await store.survey(Self.order).mixed == 1)
        try await adopt(store)
        let users = try await database.run("SELECT user_id FROM sojourn.session_master ORDER BY session_id")
        #expect(try users.map { try $0.text(0) } == ["bora", "mina"])
        try await expectAdopted(store)
    }

    @Test(
        "users are numbers, and clocks without a zone stand where they are said to",
        arguments: ["timestamp", "chatbot.wall_clock"])
    func numbersAndZones(_ time: String) async throws {
        let database = try await database(
            user: "bigint", time: time,
            rows: "VALUES (gen_random_uuid(), 7, '2024-03-01 09:00'::timestamp, 'x')")
        let store = try database.store()
        defer { store.close() }
        var order = Self.order
        order.timeZone = "Asia/Nowhere"
        await #expect(throws: SojournError.self) { try await store.survey(order) }
        order.timeZone = "Asia/Seoul"
        try await adopt(store, order)
        let master = try await text(
            database, "SELECT user_id || ' ' || (session_start AT TIME ZONE 'UTC') FROM sojourn.session_master")
        #expect(master == "7 2024-03-01 00:00:00")
        try await expectAdopted(store)
    }

    @Test("interrupted between batches, it goes on behind the last one")
    func resumed() async throws {
        let database = try await database(rows: turns(100))
        let store = try database.store()
        defer { store.close() }
        let survey = try await store.survey(Self.order)
        let interrupted = Task {
            try await store.adopt(survey, batch: 7) { step in
                if step == .filling(21) { withUnsafeCurrentTask { $0?.cancel() } }
            }
        }
        await #expect(throws: SojournError.self) { try await interrupted.value }
        let stopped = try #require(try await store.adoptions().first)
        #expect([stopped.seen, stopped.made] == [21, 21])
        #expect(stopped.state == .filling)

        let steps = Steps()
        let adoption = try await store.adopt(try await store.survey(Self.order), batch: 7) { steps.note($0) }
        #expect(steps.all.first == .filling(28))
        #expect([adoption.seen, adoption.made] == [100, 100])
        try await expectAdopted(store)
    }

    @Test("interrupted at any step, it is done when it is called again", arguments: Halt.allCases)
    func interrupted(at halt: Halt) async throws {
        let database = try await database(rows: turns(30))
        let store = try database.store()
        defer { store.close() }
        let survey = try await store.survey(Self.order)
        let interrupted = Task {
            try await store.adopt(survey, batch: 7) { step in
                if halt == Halt(step) { withUnsafeCurrentTask { $0?.cancel() } }
            }
        }
        await #expect(throws: SojournError.self) { try await interrupted.value }
        #expect(try #require(try await store.adoptions().first).state != .adopted)
        #expect(try await adopt(store, batch: 7).made == 30)
        try await expectAdopted(store)
        #expect(try await int(database, Self.keys) == 1)
        #expect(try await int(database, Self.indexes) == 1)
    }

    @Test("writers go on while the key waits for its lock, and what they wrote meanwhile is adopted too")
    func writtenMeanwhile() async throws {
        let database = try await database(rows: turns(10))
        try await database.run("CREATE INDEX ON chatbot.conversations (session_id)")
        let store = try database.store()
        defer { store.close() }
        let survey = try await store.survey(Self.order)
        let insert = """
            INSERT INTO chatbot.conversations (session_id, conversation_time) VALUES (gen_random_uuid(), now())
            """
        let (constraining, signal) = AsyncStream.makeStream(of: Never.self)
        async let adoption = store.adopt(survey, batch: 4) { step in
            if Halt(step) == .constraining { signal.finish() }
        }
        // Holds the table until the adoption has been seen to wait for it; others write beside both.
        let written = try await database.client.withTransaction { holder in
            _ = try await holder.run(PostgresCall(once: insert))
            for await _ in constraining {}
            var written = 1
            var isWaiting = false
            while !isWaiting || written < 100 {
                try await database.run(insert)
                written += 1
                let waiting = try await int(
                    database,
                    """
                    SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock'
                    """)
                isWaiting = isWaiting || waiting > 0
            }
            return written
        }
        #expect(try await adoption.made == 10 + written)
        #expect(try await int(database, "SELECT count(*) FROM chatbot.conversations") == 20 + written)
        try await expectAdopted(store)
    }

    @Test("a batch reads what it names, by index, however large and unknown the tables are")
    func reads() async throws {
        let database = try await database(rows: turns(5000))
        try await database.run("CREATE INDEX ON chatbot.conversations (session_id)")
        try await database.run(
            "INSERT INTO sojourn.session_master (user_id) SELECT 'other-' || n FROM generate_series(1, 5000) AS n")
        try await database.run(
            """
            INSERT INTO sojourn.adoptions (table_name, kind, session_type, time_zone, state, after_id)
            VALUES ('chatbot.conversations', 'conversations', 'chat', 'UTC', 'filling',
                '80000000-0000-0000-0000-000000000000')
            """)
        let reads = try await database.client.withTransaction { transaction in
            _ = try await transaction.run(
                PostgresCall(once: "SELECT sojourn.adopt_batch('chatbot.conversations', 100)"))
            return try await transaction.run(
                PostgresCall(
                    once: """
                        SELECT relname::text, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables
                        WHERE relname IN ('conversations', 'session_master', 'users') AND seq_tup_read + idx_tup_fetch > 0
                        ORDER BY schemaname, relname
                        """))
        }
        #expect(reads.count > 0)
        for (table, count) in try reads.map({ (try $0.text(0), try $0.int(1)) }) { #expect(count < 1000, "\(table)") }
    }

    @Test("sessions that are there stay as they are")
    func known() async throws {
        let database = try await database(rows: turns(3))
        try await database.run(
            """
            INSERT INTO sojourn.session_master (session_id, session_type, user_id)
            SELECT session_id, 'voice', 'owner' FROM chatbot.conversations GROUP BY session_id LIMIT 2
            """)
        let store = try database.store()
        defer { store.close() }
        #expect(try await store.survey(Self.order).unknown == 1)
        #expect(try await adopt(store).made == 1)
        #expect(try await int(database, "SELECT count(*) FROM sojourn.session_master WHERE user_id = 'owner'") == 2)
    }

    @Test("names are taken as SQL takes them, whatever they are made of")
    func strangeNames() async throws {
        let database = try await ScratchDatabase()
        let name = #""My ""chat"" schema"."turns'; DROP TABLE sojourn.users; --""#
        try await database.run(#"CREATE SCHEMA "My ""chat"" schema""#)
        try await database.run("CREATE TABLE \(name) (session_id uuid, created_at timestamptz)")
        try await database.run("INSERT INTO \(name) VALUES (gen_random_uuid(), now())")
        let store = try database.store()
        defer { store.close() }
        #expect(try await adopt(store, AdoptionOrder(.feedback, from: name, sessionType: .web)).made == 1)
        try await expectAdopted(store, name)
    }

    /// The foreign keys of others' tables to ours.
    static let keys = """
        SELECT count(*) FROM pg_constraint
        WHERE contype = 'f' AND confrelid = 'sojourn.session_master'::regclass
            AND connamespace = 'chatbot'::regnamespace
        """

    /// The indexes of others' tables, whole or not, but for primary keys.
    static let indexes = """
        SELECT count(*) FROM pg_index
        WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'chatbot'::regnamespace) AND NOT indisprimary
        """
}

/// A step at which an adoption can be interrupted.
enum Halt: CaseIterable {
    case indexing, filling, constraining, closing, validating

    init(_ step: AdoptionStep) {
        self =
            switch step {
            case .indexing: .indexing
            case .filling: .filling
            case .constraining: .constraining
            case .closing: .closing
            case .validating: .validating
            }
    }
}
