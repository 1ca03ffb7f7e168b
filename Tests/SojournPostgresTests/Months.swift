// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournPostgres
import Testing

/// A database whose clock stands at a moment, with the months that its tables began with.
struct Months {
    let database: ScratchDatabase
    let store: PostgresStore

    init(at moment: String = "2026-11-21 12:00:00+00", pooled: Bool = false) async throws {
        database = try await ScratchDatabase()
        store = try database.store(pooled: pooled)
        try await set(moment)
        // The template has the months around the day on which the tests run.
        for partition in try await store.partitions().partitions {
            try await database.run("DROP TABLE sojourn.\(partition.name)")
        }
    }

    /// The same database through another store.
    init(_ database: ScratchDatabase, _ store: PostgresStore) {
        self.database = database
        self.store = store
    }

    /// Puts the database's clock to a moment, for good.
    func set(_ moment: String) async throws {
        try await database.run(
            """
            CREATE OR REPLACE FUNCTION sojourn.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
                AS $$ SELECT '\(moment)'::timestamptz $$
            """)
    }

    /// A keeper of them.
    func keeper(
        keep: Int? = nil, _ retirement: PartitionPolicy.Retirement = .keep, attemptsMax: Int = 100
    ) throws -> PartitionKeeper {
        var policy = PartitionPolicy()
        policy.keepMonths = keep
        policy.retirement = retirement
        var pace = PartitionKeeper.Pace()
        pace.attemptsMax = attemptsMax
        return try #require(PartitionKeeper(sessions: Sessions(store: store), policy: policy, pace: pace))
    }

    /// Takes all steps of a keeper's plan; what came of each.
    @discardableResult
    func apply(_ keeper: PartitionKeeper) async throws -> [String] {
        var told: [String] = []
        try await keeper.apply(try await keeper.plan().plan) { step, result in
            told.append("\(step) \((try? result.get())?.rawValue ?? "failed")")
        }
        return told
    }

    /// The months and how they stand, as in `2026-11 attached`.
    var all: [String] {
        get async throws {
            try await store.partitions().partitions.map {
                "\($0.month.map { "\($0)" } ?? $0.name) \($0.state.rawValue)"
            }
        }
    }

    /// Makes a month and a session with a turn in it; the session's id.
    func turn(in month: String) async throws -> String {
        _ = try await store.perform(.create(try #require(PartitionMonth(month))))
        let id = try #require(try await database.run("SELECT sojourn.start_session()::text").first).text(0)
        try await database.run(
            """
            INSERT INTO sojourn.conversations (session_id, conversation_time, input_text)
            VALUES ('\(id)', '\(month)-15', 'hello')
            """)
        return id
    }

    /// Reads a page of a session that has one turn.
    func page(of session: String) async throws {
        let access = SessionAccess.trusted(try #require(SessionID(session)), as: .service)
        let page = try await store.history(.conversations, of: .session(access), HistoryQuery(), page: PageRequest())
        #expect(page.items.count == 1)
    }

    /// How many rows a table has.
    func count(_ table: String) async throws -> Int {
        try #require(try await database.run("SELECT count(*) FROM sojourn.\(table)").first).int(0)
    }

    /// A step of a month, by its verb.
    func step(_ verb: String, _ month: String) throws -> PartitionStep {
        let month = try #require(PartitionMonth(month))
        let all: [PartitionStep] = [
            .create(month), .attach(month), .detach(month), .finish(month), .empty(month), .drop(month),
        ]
        return try #require(all.first { $0.verb == verb })
    }

    /// Returns once so many wait for a lock on a table.
    func waits(for count: Int = 1) async throws {
        let waiting = """
            SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
            WHERE NOT l.granted AND l.locktype = 'relation' AND d.datname = current_database()
            """
        while try #require(try await database.run(waiting).first).int(0) < count {}
    }
}
