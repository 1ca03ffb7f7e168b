// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournPostgres
import SojournTesting
import Testing

/// Transactions that change sessions while somebody begins to watch: each is either waited for or written down.
@Suite("The beginning of an era", .onPostgres, .timeLimit(.minutes(5)))
struct EraTests {
    private static func id(_ number: UInt64) -> SessionID { SessionID(UUIDBytes(high: 0x7000, low: 1 << 63 | number)) }

    private static func end(_ number: UInt64) -> PostgresCall {
        PostgresCall(
            once: """
                UPDATE sojourn.session_master SET session_end = now(), end_reason = 'ended'
                WHERE session_id = '\(id(number))'
                """)
    }

    /// A database with sessions that nobody watches, and two servers' stores.
    private func scratch(sessions: Int) async throws -> (ScratchDatabase, [PostgresStore]) {
        let database = try await ScratchDatabase()
        let stores = [try database.store(), try database.store()]
        _ = try await stores[0].create(
            (0..<UInt64(sessions)).map { NewSession(id: Self.id($0), digest: TestSecrets.digest($0)) })
        return (database, stores)
    }

    /// Returns once somebody in the database holds an advisory lock; for `granted` false, once somebody waits for one.
    /// Other tests take some in databases of their own.
    private func untilSomebodyLocks(in database: ScratchDatabase, granted: Bool = true) async throws {
        let locks = """
            SELECT count(*) > 0 FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
            WHERE l.locktype = 'advisory' AND l.granted = \(granted) AND d.datname = current_database()
            """
        while try await database.run(locks).first?.bool(0) != true { await Task.yield() }
    }

    /// The changes, once an era could begin.
    private func begun(_ store: PostgresStore) async throws -> PendingChanges {
        while true {
            do {
                return try await store.pendingChanges(max: 100)
            } catch let error as SojournError where error.code == .storeUnavailable {
                await Task.yield()
            }
        }
    }

    @Test("waits for a transaction that found nobody watching and is still open, and says so")
    func waitsForTheUnwatched() async throws {
        let (database, stores) = try await scratch(sessions: 2)
        try await database.client.withTransaction { transaction in
            _ = try await transaction.run(Self.end(0))
            let error = await #expect(throws: SojournError.self) { try await stores[0].pendingChanges(max: 9) }
            #expect(error?.code == .storeUnavailable && error?.message.contains("still open") == true)
            // Nothing of the attempt is left.
            #expect(try await database.run("SELECT FROM sojourn.redis_tier").isEmpty)
        }
        #expect(try await stores[1].pendingChanges(max: 9).changes.isEmpty)
        #expect(try await stores[0].images(of: [Self.id(0), Self.id(1)]).map { $0 != nil } == [false, true])
        _ = try await database.run(Self.end(1).statement.sql)
        #expect(try await stores[0].pendingChanges(max: 9).changes.map(\.session) == [Self.id(1)])
    }

    @Test("takes its turn as soon as that transaction is over")
    func takesItsTurn() async throws {
        let (database, stores) = try await scratch(sessions: 1)
        let (locked, signal) = AsyncStream.makeStream(of: Never.self)
        async let reading = {
            for await _ in locked {}
            return try await begun(stores[0])
        }()
        try await database.client.withTransaction { transaction in
            _ = try await transaction.run(Self.end(0))
            signal.finish()
            try await untilSomebodyLocks(in: database, granted: false)
        }
        let era = try await reading.era
        #expect(try await stores[1].pendingChanges(max: 9).era == era)
    }

    @Test("holds nobody up who changes sessions meanwhile, and misses none of it")
    func holdsNobodyUp() async throws {
        let (database, stores) = try await scratch(sessions: 3)
        let (over, signal) = AsyncStream.makeStream(of: Never.self)
        // Found nobody, and is still open.
        async let unwatched: Void = database.client.withTransaction { transaction in
            _ = try await transaction.run(Self.end(0))
            for await _ in over {}
        }
        try await untilSomebodyLocks(in: database)
        // Begins an era, without end to its patience.
        async let beginning: Void = database.client.withTransaction { transaction in
            _ = try await transaction.run(
                PostgresCall(once: "SELECT pg_advisory_xact_lock(hashtext('sojourn'), hashtext('tiering'))"))
        }
        try await untilSomebodyLocks(in: database, granted: false)
        #expect(try await stores[0].end([.trusted(Self.id(1), as: .service)]) == [true])
        #expect(try await stores[1].delete(Self.id(2)))
        signal.finish()
        try await unwatched
        try await beginning
        #expect(Set(try await begun(stores[0]).changes.map(\.session)) == [Self.id(1), Self.id(2)])
    }

    @Test("is not missed by a transaction that reads an older state", arguments: ["REPEATABLE READ", "SERIALIZABLE"])
    func olderSnapshots(_ isolation: String) async throws {
        let (database, stores) = try await scratch(sessions: 1)
        try await database.client.withTransaction { transaction in
            transaction.enqueue(PostgresCall(once: "SET TRANSACTION ISOLATION LEVEL \(isolation)"))
            _ = try await transaction.run(PostgresCall(once: "SELECT FROM sojourn.redis_tier"))
            #expect(try await stores[0].pendingChanges(max: 9).changes.isEmpty)
            _ = try await transaction.run(Self.end(0))
        }
        #expect(try await stores[0].pendingChanges(max: 9).changes.map(\.session) == [Self.id(0)])
    }

    @Test("is not missed by a statement that began before it")
    func olderStatements() async throws {
        let (database, stores) = try await scratch(sessions: 1)
        let (over, signal) = AsyncStream.makeStream(of: Never.self)
        let holding = PostgresCall(once: "SELECT pg_advisory_xact_lock(1)")
        async let holder: Void = database.client.withTransaction { transaction in
            _ = try await transaction.run(holding)
            for await _ in over {}
        }
        try await untilSomebodyLocks(in: database)
        async let ending: Void = database.client.withTransaction { transaction in
            _ = try await transaction.run(
                PostgresCall(
                    once: """
                        UPDATE sojourn.session_master SET session_end = now(), end_reason = 'ended'
                        FROM (SELECT pg_advisory_xact_lock(1) OFFSET 0) AS held
                        """))
        }
        try await untilSomebodyLocks(in: database, granted: false)
        #expect(try await stores[0].pendingChanges(max: 9).changes.isEmpty)
        signal.finish()
        try await holder
        try await ending
        #expect(try await stores[0].pendingChanges(max: 9).changes.map(\.session) == [Self.id(0)])
    }

    @Test("is one for all who begin it at once")
    func beginners() async throws {
        let (_, stores) = try await scratch(sessions: 0)
        let eras = try await withThrowingTaskGroup(of: Int64.self) { group in
            for number in 0..<40 {
                group.addTask { try await stores[number % 2].pendingChanges(max: 9).era }
            }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(eras.count == 1)
    }

    @Test("a reading waits for nobody who renews the watch or writes a change")
    func readingsDoNotWait() async throws {
        let (database, stores) = try await scratch(sessions: 2)
        let era = try await stores[0].pendingChanges(max: 9).era
        try await database.run("UPDATE sojourn.redis_tier SET seen_at = clock_timestamp() - interval '30 seconds'")
        _ = try await stores[0].end([.trusted(Self.id(0), as: .service)])
        let change = try await stores[0].pendingChanges(max: 9).changes
        try await database.run("UPDATE sojourn.redis_tier SET seen_at = clock_timestamp() - interval '30 seconds'")
        try await database.client.withTransaction { transaction in
            _ = try await transaction.run(PostgresCall(once: "SELECT FROM sojourn.redis_tier FOR UPDATE"))
            _ = try await transaction.run(Self.end(1))
            let read = try await stores[0].pendingChanges(max: 9)
            #expect(read.era == era && read.changes == change)
            try await stores[1].settle(change)
        }
        #expect(try await stores[0].pendingChanges(max: 9).changes.map(\.session) == [Self.id(1)])
    }

    @Test("of many who end, read and settle at once, nobody misses a change, and nobody waits in a circle")
    func manyAtOnce() async throws {
        let (database, stores) = try await scratch(sessions: 300)
        let seen = try await withThrowingTaskGroup(of: Set<SessionID>.self) { group in
            for number in 0..<100 {
                let store = stores[number % 2]
                group.addTask {
                    let first = UInt64(number) * 3
                    let own = [first + 2, first, first + 1].map { SessionAccess.trusted(Self.id($0), as: .service) }
                    let before = try await store.pendingChanges(max: 1000)
                    #expect(try await store.end(own) == [true, true, true])
                    let read = try await store.pendingChanges(max: 1000)
                    // Whoever was told of an end finds it, unless somebody has settled it.
                    try await store.settle((before.changes + read.changes).shuffled())
                    return Set((before.changes + read.changes).map(\.session))
                }
            }
            return try await group.reduce(Set()) { $0.union($1) }
        }
        #expect(seen == Set((0..<300).map(Self.id)))
        // Every caller's last reading came after its own ends, and is settled.
        #expect(try await database.run("SELECT FROM sojourn.redis_pending").isEmpty)
        let deadlocks = try await database.run(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        #expect(try deadlocks.first?.int(0) == 0)
    }
}
