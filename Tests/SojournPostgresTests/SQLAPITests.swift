// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournPostgres
import Testing

/// The SQL functions and plain inserts (J6), as psql, Python or an ORM would use them.
@Suite("The SQL API", .onPostgres)
struct SQLAPITests {
    private func text(_ rows: PostgresRows) throws -> String { try #require(rows.first).text(0) }

    /// What a session's token may do beside being validated.
    private static let verbs: [@Sendable (PostgresStore, SessionAccess) async throws -> Void] = [
        { store, access in
            let turn = NewEntry(
                id: EntryID(UUIDBytes(high: 1, low: 1)), at: nil,
                body: .conversation(input: "q", response: nil, extra: .empty))
            _ = try await store.append([turn], to: access, expectedTurns: nil, idempotency: nil)
        },
        { store, access in
            _ = try await store.history(
                .conversations, of: .session(access), HistoryQuery(), page: PageRequest())
        },
        { store, access in
            _ = try await store.history(
                .conversations, of: .session(access), HistoryQuery(text: "q"), page: PageRequest())
        },
        { store, access in
            _ = try await store.finish(
                EntryID(UUIDBytes(high: 1, low: 1)), of: access, response: "r", extra: .empty, expectedTurns: nil)
        },
        { store, access in _ = try await store.add([1], to: access, holdMax: 10) },
        { store, access in if try await store.end([access]) == [false] { throw SojournError.noSession() } },
    ]

    @Test("a session begun in SQL is live, noted, and opened by the first token that a service issues")
    func begun() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        let begun = try await database.run("SELECT sojourn.start_session('alice', 'chat', '{\"lang\": \"ko\"}')::text")
        let id = try #require(SessionID(try text(begun)))
        let stored = try #require(try await store.find([.trusted(id, as: .service)])[0])
        #expect(stored.status == .active)
        #expect(stored.session.userID?.text == "alice")
        #expect(stored.session.type == .chat)
        #expect(stored.session.metadata.text == #"{"lang":"ko"}"#)
        #expect(try await store.facts(of: id)?.facts.map(\.actor) == [.sql])

        let digest = SecretDigest(bytes: [UInt8](repeating: 9, count: 32))
        #expect(try await store.validate(.digest(id, digest)) == nil)
        for verb in Self.verbs {
            await #expect(throws: SojournError.self) { try await verb(store, .digest(id, digest)) }
        }
        #expect(try await store.find([.trusted(id, as: .service)])[0]?.session.turnCount == 0)
        _ = try await store.issueSecret(.trusted(id, as: .service), digest: digest)
        #expect(try await store.validate(.digest(id, digest))?.requestCount == 1)
    }

    @Test("users may be numbers, and no user at all is anonymous")
    func overloads() async throws {
        let database = try await ScratchDatabase()
        for call in ["start_session()", "start_session('7')", "start_session(7)", "start_session(7, 'api')"] {
            try await database.run("SELECT sojourn.\(call)")
        }
        let users = try await database.run(
            "SELECT coalesce(user_id, 'nobody') FROM sojourn.session_master ORDER BY 1"
        ).map { try $0.text(0) }
        #expect(users == ["7", "7", "7", "nobody"])
    }

    @Test("end_session ends once: false for an ended, an expired and an unknown id")
    func ended() async throws {
        let database = try await ScratchDatabase()
        let id = try text(try await database.run("SELECT sojourn.start_session('alice')::text"))
        for expected in [true, false] {
            #expect(try await database.run("SELECT sojourn.end_session('\(id)')").first?.bool(0) == expected)
        }
        #expect(try await database.run("SELECT sojourn.end_session(gen_random_uuid())").first?.bool(0) == false)
        let expired = try text(
            try await database.run(
                "INSERT INTO sojourn.session_master (expires_at) VALUES (now() - interval '1 s') RETURNING session_id::text"
            ))
        #expect(try await database.run("SELECT sojourn.end_session('\(expired)')").first?.bool(0) == false)
        let fact = try await database.run(
            "SELECT kind || ' by ' || actor FROM sojourn.session_facts WHERE session_id = '\(id)' ORDER BY n DESC")
        #expect(try text(fact) == "ended by sql")
    }

    @Test("a plain insert registers its user and takes part in the user's epoch")
    func plainInserts() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        let first = try text(
            try await database.run(
                "INSERT INTO sojourn.session_master (user_id) VALUES ('bob') RETURNING session_id::text"))
        let access = SessionAccess.trusted(try #require(SessionID(first)), as: .service)
        #expect(try await store.validate(access) != nil)
        #expect(try await store.endAll(of: UserID(stored: "bob"), by: .service) == 1)
        #expect(try await store.validate(access) == nil)
        // Begun after the raise: with the new epoch, and live.
        let second = try text(
            try await database.run(
                "INSERT INTO sojourn.session_master (user_id) VALUES ('bob') RETURNING session_id::text"))
        #expect(try await store.validate(.trusted(try #require(SessionID(second)), as: .service)) != nil)
    }

    @Test("an epoch raised in SQL ends every session of the user")
    func raisedInSQL() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        let id = try text(try await database.run("SELECT sojourn.start_session('carol')::text"))
        try await database.run("UPDATE sojourn.users SET epoch = epoch + 1 WHERE user_id = 'carol'")
        #expect(try await store.validate(.trusted(try #require(SessionID(id)), as: .service)) == nil)
        let active = try await database.run("SELECT count(*) FROM sojourn.active_sessions")
        #expect(try active.first?.int(0) == 0)
    }

    @Test("cleaning marks what ran out, was revoked or lies unused; deleting takes what ended long enough ago")
    func cleaning() async throws {
        let database = try await ScratchDatabase()
        try await database.run(
            """
            INSERT INTO sojourn.session_master (user_id, expires_at, last_activity)
            SELECT CASE WHEN n % 3 = 0 THEN 'dave' END, now() + interval '2 days',
                CASE WHEN n % 3 = 1 THEN now() - interval '25 hours' ELSE now() END
            FROM generate_series(1, 3000) AS n
            """)
        try await database.run(
            "INSERT INTO sojourn.session_master (expires_at) SELECT now() - interval '1 s' FROM generate_series(1, 1500)"
        )
        try await database.run("UPDATE sojourn.users SET epoch = 1")
        #expect(try await database.run("SELECT sojourn.clean_inactive_sessions()").first?.int(0) == 1000 + 1000 + 1500)
        #expect(try await database.run("SELECT sojourn.clean_inactive_sessions()").first?.int(0) == 0)
        #expect(try await database.run("SELECT sojourn.delete_old_sessions(1)").first?.int(0) == 0)
        #expect(try await database.run("SELECT sojourn.delete_old_sessions(0)").first?.int(0) == 3500)
        #expect(try await database.run("SELECT count(*) FROM sojourn.session_master").first?.int(0) == 1000)
    }

    @Test(
        "what makes no sense is refused by name",
        arguments: [
            ("SELECT sojourn.delete_old_sessions(-1)", "days"),
            ("SELECT sojourn.start_session('x', 'fax')", "session_type"),
            ("SELECT sojourn.start_session('x', 'web', '[1]')", "session_metadata"),
            ("SELECT sojourn.start_session(repeat('x', 51))", "user_id"),
        ])
    func refusals(_ sql: String, _ named: String) async throws {
        let database = try await ScratchDatabase()
        let error = await #expect(throws: PostgresError.self) { try await database.run(sql) }
        let told = "\(error?.message ?? "") \(error?.constraint ?? "")"
        #expect(told.contains(named))
    }

    @Test("the role of applications uses the functions and sees no digest")
    func applicationRole() async throws {
        let database = try await ScratchDatabase()
        func asApplication(_ sql: String) async throws -> PostgresRows {
            try await database.client.withTransaction { transaction in
                transaction.enqueue(PostgresCall(once: "SET LOCAL ROLE sojourn_app"))
                return try await transaction.run(PostgresCall(once: sql))
            }
        }
        let id = try text(try await asApplication("SELECT sojourn.start_session('erin')::text"))
        _ = try await asApplication("INSERT INTO sojourn.session_master (user_id) VALUES ('frank')")
        #expect(try await asApplication("SELECT session_id FROM sojourn.active_sessions").count == 2)
        _ = try await asApplication("SELECT user_id, session_metadata FROM sojourn.session_master")
        #expect(try await asApplication("SELECT sojourn.end_session('\(id)')").first?.bool(0) == true)
        for forbidden in [
            "SELECT secret_digest FROM sojourn.session_master", "SELECT * FROM sojourn.session_master",
            "SELECT previous_digest FROM sojourn.session_master", "SELECT successor_sealed FROM sojourn.session_master",
            "UPDATE sojourn.session_master SET session_end = NULL, end_reason = NULL", "DELETE FROM sojourn.users",
            "INSERT INTO sojourn.session_master (secret_digest) VALUES ('\\x00')",
            "SELECT sojourn.mark_run_out(1)",
        ] {
            let error = await #expect(throws: PostgresError.self, "\(forbidden)") {
                _ = try await asApplication(forbidden)
            }
            #expect(error?.sqlState == "42501", "\(forbidden)")
        }
    }

    @Test("functions that run with their owner's rights have a fixed search path")
    func searchPaths() async throws {
        let database = try await ScratchDatabase()
        let loose = try await database.run(
            """
            SELECT proname::text FROM pg_proc
            WHERE pronamespace = 'sojourn'::regnamespace AND prosecdef
                AND NOT coalesce(proconfig::text LIKE '%search_path=pg_catalog, pg_temp%', false)
            """
        ).map { try $0.text(0) }
        #expect(loose == [])
    }
}
