// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournTesting
import Testing

@testable import SojournPostgres

/// What a cache before the database hears of, whoever changes a session, and for as long as somebody listens.
@Suite("Tiering", .onPostgres, .timeLimit(.minutes(5)))
struct TieringTests {
    /// Statements about a session of alice's, each of which makes copies of it dangerous.
    private static let statements = [
        "UPDATE sojourn.session_master SET session_end = now(), end_reason = 'ended'",
        "SELECT sojourn.end_session(session_id) FROM sojourn.session_master",
        "UPDATE sojourn.session_master SET expires_at = expires_at - interval '1 microsecond'",
        "UPDATE sojourn.session_master SET absolute_expires_at = expires_at",
        "UPDATE sojourn.session_master SET session_metadata = '{\"a\": 1}'",
        "UPDATE sojourn.session_master SET session_claims = '{\"a\": 1}', expires_at = expires_at + interval '1 day'",
        "UPDATE sojourn.session_master SET secret_digest = NULL",
        "UPDATE sojourn.session_master SET user_id = NULL",
        "UPDATE sojourn.session_master SET user_agent = 'another'",
        "UPDATE sojourn.session_master SET session_id = gen_random_uuid()",
        "DELETE FROM sojourn.session_master",
        "UPDATE sojourn.users SET epoch = epoch + 1",
        "DELETE FROM sojourn.users",
    ]

    @Test("a statement of somebody else's is written down", arguments: statements)
    func noted(_ sql: String) async throws {
        let (database, store, id) = try await watched()
        defer { store.close() }
        try await database.run(sql)
        let changes = try await store.pendingChanges(max: 9).changes
        #expect(changes.map(\.session) == [id])
        try await store.settle(changes)
        #expect(try await store.pendingChanges(max: 9).changes.isEmpty)
    }

    @Test(
        "what a cache needs not hear of is not written down",
        arguments: [
            """
            UPDATE sojourn.session_master
            SET last_activity = now(), request_count = 7, turn_count = 7, expires_at = expires_at + interval '1 second'
            """,
            """
            UPDATE sojourn.session_master
            SET session_end = session_end, secret_digest = secret_digest, session_metadata = session_metadata,
                expires_at = expires_at
            """,
            "UPDATE sojourn.users SET epoch = epoch, name = 'Alice'",
            "INSERT INTO sojourn.user_interactions (session_id, interaction_type) SELECT session_id, 'click' FROM sojourn.session_master",
        ])
    func notNoted(_ sql: String) async throws {
        let (database, store, _) = try await watched()
        defer { store.close() }
        try await database.run(sql)
        #expect(try await store.pendingChanges(max: 9).changes.isEmpty)
    }

    @Test("what applications do through our functions is written down in tables that they have no right to")
    func applicationRole() async throws {
        let (database, store, id) = try await watched()
        defer { store.close() }
        func asApplication(_ sql: String) async throws {
            try await database.client.withTransaction { transaction in
                transaction.enqueue(PostgresCall(once: "SET LOCAL ROLE sojourn_app"))
                _ = try await transaction.run(PostgresCall(once: sql))
            }
        }
        try await asApplication("SELECT sojourn.end_session('\(id)')")
        #expect(try await store.pendingChanges(max: 9).changes.map(\.session) == [id])
        // Somebody gave it more than we do.
        try await database.run("GRANT DELETE ON sojourn.session_master TO sojourn_app")
        try await asApplication("DELETE FROM sojourn.session_master")
        #expect(try await store.pendingChanges(max: 9).changes.map(\.session) == [id, id])
        for forbidden in [
            "SELECT FROM sojourn.redis_pending", "DELETE FROM sojourn.redis_pending", "SELECT FROM sojourn.redis_tier",
            "UPDATE sojourn.redis_tier SET era = 0", "SELECT nextval('sojourn.redis_serial')",
            "SELECT sojourn.begin_era()", "SELECT sojourn.forget_changes(1)",
        ] {
            let error = await #expect(throws: PostgresError.self, "\(forbidden)") { try await asApplication(forbidden) }
            #expect(error?.sqlState == "42501", "\(forbidden)")
        }
    }

    @Test("nothing is written down while nobody watches, and then another era begins")
    func unwatched() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        try await end(in: database)
        #expect(try await notes(in: database) == 0)
        let first = try await store.pendingChanges(max: 9).era
        try await end(in: database)
        #expect(try await notes(in: database) == 1)

        // Seen half a minute ago: the era goes on, and the watch is renewed, once for many readings.
        try await wasSeen(secondsAgo: 30, in: database)
        #expect(try await store.pendingChanges(max: 9).era == first)
        let renewed = try await seen(in: database)
        #expect(try await store.pendingChanges(max: 9).era == first)
        #expect(try await seen(in: database) == renewed)

        // A minute ago: the era is over, though changes are still written down.
        try await wasSeen(secondsAgo: 70, in: database)
        #expect(try await seen(in: database) != renewed)
        try await end(in: database)
        #expect(try await notes(in: database) == 2)
        let second = try await store.pendingChanges(max: 9).era
        #expect(second > first)

        try await wasSeen(secondsAgo: 1000, in: database)
        try await end(in: database)
        #expect(try await notes(in: database) == 2)
        let third = try await store.pendingChanges(max: 9).era
        #expect(third > second)

        // As after a crash, and on a standby that was promoted.
        try await database.run("TRUNCATE sojourn.redis_tier, sojourn.redis_pending")
        try await end(in: database)
        #expect(try await store.pendingChanges(max: 9).changes.isEmpty)
        #expect(try await store.pendingChanges(max: 9).era > third)
    }

    @Test("emptying the table of sessions ends the era")
    func emptying() async throws {
        let (database, store, _) = try await watched()
        defer { store.close() }
        let era = try await store.pendingChanges(max: 9).era
        try await database.run("TRUNCATE sojourn.session_master CASCADE")
        #expect(try await store.pendingChanges(max: 9).era > era)
    }

    @Test("changes that nobody settled for an hour are forgotten with their era, some at a time")
    func forgetting() async throws {
        let (database, store, _) = try await watched()
        defer { store.close() }
        let era = try await store.pendingChanges(max: 9).era
        for _ in 0..<3 { try await end(in: database) }
        let last = try #require(try await store.pendingChanges(max: 9).changes.last)
        #expect(try await store.sweep(SweepOrder()) == SweepOutcome())
        #expect(try await store.pendingChanges(max: 9).era == era)
        try await database.run(
            "UPDATE sojourn.redis_pending SET noted_at = now() - interval '1 hour' WHERE serial < \(last.serial)")
        #expect(try await store.sweep(SweepOrder(batchMax: 1)).more)
        #expect(try await store.sweep(SweepOrder()) == SweepOutcome())
        let left = try await store.pendingChanges(max: 9)
        #expect(left.changes == [last] && left.era > era)
    }

    @Test("a validation fires no trigger, whatever renews the session", arguments: Renewal.allCases)
    func validationsFireNothing(_ renewal: Renewal) async throws {
        let (database, store, id) = try await watched()
        defer { store.close() }
        try await database.run(
            "UPDATE sojourn.session_master SET renewal = '\(renewal.rawValue)', expires_at = now() + interval '1 minute'"
        )
        let before = try await notes(in: database)
        let validation = Validation.statement.sql.replacing("$1", with: "ARRAY['\(id)']::uuid[]")
            .replacing("$2", with: "ARRAY[NULL]::bytea[]").replacing("$3", with: "ARRAY[1]")
        let plan = try await database.run("EXPLAIN (ANALYZE) \(validation)").map { try $0.text(0) }
        #expect(!plan.contains { $0.contains("Trigger") }, "\(plan.joined(separator: "\n"))")
        #expect(try await notes(in: database) == before)
        let session = try #require(try await store.find([.trusted(id, as: .service)])[0]?.session)
        #expect(session.requestCount == 1)
        #expect((session.expiresAt > session.lastActivity + .minutes(2)) == (renewal == .onAccess))
        // That it would be shown.
        let ending = try await database.run("EXPLAIN (ANALYZE) \(Self.statements[0])").map { try $0.text(0) }
        #expect(ending.contains { $0.hasPrefix("Trigger note_change: ") && $0.hasSuffix("calls=1") })
    }

    @Test("images and touches of many callers share few transactions")
    func sharing() async throws {
        let (database, store, id) = try await watched()
        defer { store.close() }
        func commits() async throws -> Int {
            try await database.run("SELECT pg_stat_force_next_flush()")
            return try await database.run(
                "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
            ).first?.int(0) ?? 0
        }
        let before = try await commits()
        try await withThrowingDiscardingTaskGroup { group in
            for _ in 0..<1000 {
                group.addTask {
                    #expect(try await store.images(of: [id])[0]?.record.session.id == id)
                    try await store.add([SessionTouch(session: id, count: 2, last: ManualClock.start)])
                }
            }
        }
        let taken = try await commits() - before
        #expect(taken < 1000, "\(taken) transactions for 1,000 images and 1,000 touches")
        #expect(try await store.find([.trusted(id, as: .service)])[0]?.session.requestCount == 2000)
    }
}

extension TieringTests {
    /// A database with a session of alice's, and a store that watches.
    private func watched() async throws -> (ScratchDatabase, PostgresStore, SessionID) {
        let database = try await ScratchDatabase()
        let store = try database.store()
        let new = NewSession(
            id: SessionID(UUIDBytes(high: 0x7000, low: 1 << 63)), digest: TestSecrets.digest(1),
            userID: UserID(stored: "alice"))
        _ = try await store.create([new])[0].get()
        #expect(try await store.pendingChanges(max: 9).changes.isEmpty)
        return (database, store, new.id)
    }

    /// Begins a session and ends it.
    private func end(in database: ScratchDatabase) async throws {
        try await database.run("SELECT sojourn.end_session(sojourn.start_session())")
    }

    /// How many changes are written down.
    private func notes(in database: ScratchDatabase) async throws -> Int {
        try #require(try await database.run("SELECT count(*) FROM sojourn.redis_pending").first).int(0)
    }

    /// When somebody was last seen to watch.
    private func seen(in database: ScratchDatabase) async throws -> Timestamp {
        try #require(try await database.run("SELECT seen_at FROM sojourn.redis_tier").first).time(0)
    }

    private func wasSeen(secondsAgo: Int, in database: ScratchDatabase) async throws {
        try await database.run(
            "UPDATE sojourn.redis_tier SET seen_at = clock_timestamp() - interval '\(secondsAgo) seconds'")
    }
}

extension Duration {
    fileprivate static func minutes(_ count: Int) -> Self { .seconds(count * 60) }
}
