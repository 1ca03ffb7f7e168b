// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
@testable import SojournPostgres
import Testing

/// What the planner makes of our statements, on 100,000 analysed sessions and with its default settings.
@Suite("Plans", .onPostgres)
struct PlanTests {
    private static let database = Task {
        let database = try await ScratchDatabase()
        try await database.run(
            "INSERT INTO sojourn.users (user_id) SELECT 'user-' || n FROM generate_series(0, 9999) AS n")
        try await database.run(
            """
            INSERT INTO sojourn.session_master
                (session_id, user_id, epoch, session_end, end_reason, expires_at, previous_until)
            SELECT lpad(to_hex(n), 32, '0')::uuid, CASE WHEN n % 2 = 0 THEN 'user-' || n / 2 % 10000 END, 0,
                CASE WHEN n % 10 > 6 THEN now() - n * interval '1 minute' END, CASE WHEN n % 10 > 6 THEN 'logout' END,
                now() + (n % 1440 - 10) * interval '1 minute', CASE WHEN n % 1000 = 0 THEN now() END
            FROM generate_series(1, 100000) AS n
            """)
        try await database.run(
            """
            INSERT INTO sojourn.idempotency_keys (scope, body_digest, session_id, created_at, answer)
            SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'), '', lpad(to_hex(n), 32, '0')::uuid,
                now() - n * interval '1 second', '[]'
            FROM generate_series(1, 20000) AS n
            """)
        try await database.run(
            "INSERT INTO sojourn.redis_pending (session_id) SELECT gen_random_uuid() FROM generate_series(1, 20000)")
        try await database.run("ANALYZE sojourn.redis_pending")
        try await database.run("ANALYZE sojourn.session_master")
        try await database.run("ANALYZE sojourn.idempotency_keys")
        try await database.run("ANALYZE sojourn.users")
        return database
    }

    /// The plan of a statement with these literals for its parameters, a line each.
    private func plan(_ sql: String, _ literals: [String] = []) async throws -> [String] {
        var sql = sql
        for (index, literal) in literals.enumerated().reversed() {
            sql = sql.replacing("$\(index + 1)", with: literal)
        }
        return try await Self.database.value.run("EXPLAIN \(sql)").map { try $0.text(0) }
    }

    /// Expects no scan of a whole table, and the index named.
    private func expectIndex(_ name: String, in plan: [String], at place: SourceLocation = #_sourceLocation) {
        #expect(!plan.contains { $0.contains("Seq Scan") }, "\(plan.joined(separator: "\n"))", sourceLocation: place)
        #expect(plan.contains { $0.contains(name) }, "\(plan.joined(separator: "\n"))", sourceLocation: place)
    }

    private static let ids = """
        ARRAY['00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000186a0']::uuid[]
        """

    @Test("validations go by the primary key, decided without the table of users")
    func validations() async throws {
        let plan = try await plan(
            Validation.statement.sql, [Self.ids, "ARRAY[NULL, '\\x00']::bytea[]", "ARRAY[1, 1]"])
        expectIndex("session_master_pkey", in: plan)
        #expect(!plan.contains { $0.contains("users") })
        // The rules are expressions in the plan, no calls of functions.
        #expect(!plan.contains { $0.contains("session_live") || $0.contains("session_opens") })
    }

    @Test("a user's listing goes by the user's index")
    func listing() async throws {
        let plan = try await plan(
            SessionRow.selecting("WHERE s.user_id = 'user-7'\nORDER BY s.session_id DESC\nLIMIT 51"))
        expectIndex("session_by_user", in: plan)
    }

    @Test("what the sweep marks and deletes goes by the hour, by what ended, by id")
    func sweep() async throws {
        let expired = try await plan(
            """
            SELECT session_id, user_id FROM sojourn.session_master
            WHERE session_end IS NULL AND expiry_hour <= floor(extract(epoch FROM now()) / 3600)::integer
                AND least(expires_at, absolute_expires_at) <= now()
            ORDER BY expiry_hour, session_id
            LIMIT 1001
            FOR UPDATE SKIP LOCKED
            """)
        expectIndex("session_expiry_hour", in: expired)
        let revoked = try await plan(
            """
            SELECT session_id FROM sojourn.session_master
            WHERE session_end IS NULL AND coalesce(epoch, 0) <> user_epoch
            ORDER BY session_id
            LIMIT 1001
            FOR UPDATE SKIP LOCKED
            """)
        expectIndex("session_revoked", in: revoked)
        let retired = try await plan(
            """
            SELECT session_id FROM sojourn.session_master
            WHERE session_type = 'web' AND session_end IS NOT NULL AND session_end <= now() - interval '30 days'
            ORDER BY session_end
            LIMIT 1001
            FOR UPDATE SKIP LOCKED
            """)
        expectIndex("session_ended", in: retired)
        let lap = try await plan(
            """
            SELECT session_id FROM sojourn.session_master
            WHERE session_id > '00000000-0000-0000-0000-000000000000'
            ORDER BY session_id
            LIMIT 1001
            """)
        expectIndex("session_master_pkey", in: lap)
    }

    @Test("pending changes are read in their order and settled by it, however many wait")
    func pendingChanges() async throws {
        let arrays = ["ARRAY[1, 2]::bigint[]", "ARRAY[gen_random_uuid(), gen_random_uuid()]"]
        let forgetting = try await Self.database.value.run(
            "SELECT prosrc FROM pg_proc WHERE oid = 'sojourn.forget_changes'::regproc"
        ).first?.text(0)
        for plan in [
            try await plan(PostgresStore.watching.sql, ["101"]), try await plan(PostgresStore.settling.sql, arrays),
            try await plan(try #require(forgetting).replacing("p_rows", with: "100")),
        ] {
            #expect(plan.contains { $0.contains("redis_pending_pkey") }, "\(plan.joined(separator: "\n"))")
            #expect(!plan.contains { $0.contains("Seq Scan on redis_pending") }, "\(plan.joined(separator: "\n"))")
        }
    }

    @Test("images and touches go by the primary key, decided without the table of users")
    func copies() async throws {
        let arrays = [Self.ids, "ARRAY[1, 1]::bigint[]", "ARRAY[now(), now()]"]
        for plan in [
            try await plan(PostgresStore.copying.sql, [Self.ids]), try await plan(PostgresStore.touching.sql, arrays),
        ] {
            expectIndex("session_master_pkey", in: plan)
            #expect(!plan.contains { $0.contains("users") })
        }
    }

    @Test(
        "what the sweep clears away goes by time",
        arguments: [
            ("erase_graces", "session_grace", "previous_until"),
            ("forget_keys", "idempotency_keys_created", "created_at"),
        ])
    func clearing(_ function: String, index: String, column: String) async throws {
        let source = try await Self.database.value.run(
            "SELECT prosrc FROM pg_proc WHERE oid = 'sojourn.\(function)'::regproc"
        ).first?.text(0)
        let plan = try await plan(try #require(source).replacing("p_rows", with: "100"))
        #expect(plan.contains { $0.contains(index) }, "\(plan.joined(separator: "\n"))")
        // An index that only gives the order is read to its end where nothing is to be cleared away.
        #expect(plan.contains { $0.contains("Index Cond: (\(column) <= ") }, "\(plan.joined(separator: "\n"))")
    }

    @Test(
        "the sweep's functions run those very statements",
        arguments: [
            "ORDER BY expiry_hour, session_id", "ORDER BY session_end", "coalesce(epoch, 0) <> user_epoch",
        ])
    func sweepSource(_ clause: String) async throws {
        let sources = try await Self.database.value.run(
            "SELECT prosrc FROM pg_proc WHERE pronamespace = 'sojourn'::regnamespace"
        ).map { try $0.text(0) }
        #expect(sources.contains { $0.contains(clause) })
    }

    @Test("every time-ordered index leaves validations alone: no index covers what they change")
    func validationsStayHot() async throws {
        let indexed = try await Self.database.value.run(
            """
            SELECT DISTINCT a.attname::text
            FROM pg_index AS i
            JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
            WHERE i.indrelid = 'sojourn.session_master'::regclass
            """
        ).map { try $0.text(0) }
        #expect(Set(indexed).isDisjoint(with: ["last_activity", "expires_at", "request_count", "absolute_expires_at"]))
    }
}
