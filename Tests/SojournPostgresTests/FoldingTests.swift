// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournPostgres
import SojournTesting
import Testing

/// What many callers get from statements that they share.
@Suite("Folding", .onPostgres)
struct FoldingTests {
    private let digest = SecretDigest(bytes: [UInt8](repeating: 5, count: 32))

    private func draft(_ n: Int, user: String? = nil, agent: String? = nil, cap: Int? = nil) -> NewSession {
        NewSession(
            id: SessionID(UUIDBytes(high: 7, low: UInt64(n))), digest: digest, userID: user.map(UserID.init(stored:)),
            userAgent: agent, sessionsPerUserMax: cap)
    }

    private func access(_ n: Int) -> SessionAccess {
        .digest(SessionID(UUIDBytes(high: 7, low: UInt64(n))), digest)
    }

    /// Calls `body` so many times at once.
    private func atOnce<Value: Sendable>(
        _ count: Int, _ body: @escaping @Sendable (Int) async throws -> Value
    ) async throws -> [Value] {
        try await withThrowingTaskGroup(of: Value.self) { group in
            for n in 0..<count { group.addTask { try await body(n) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    @Test("many callers share few transactions, and each counts")
    func sharing() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        _ = try await store.create((0..<100).map { draft($0) })
        let before = try await commits(database)
        let counts = try await atOnce(2000) { n in try await store.validate(access(n % 100))?.requestCount ?? 0 }
        let taken = try await commits(database) - before
        // Every session was validated twenty times, and no two callers were told the same number.
        #expect(counts.sorted() == (1...20).flatMap { Array(repeating: $0, count: 100) })
        #expect(taken < 1000, "\(taken) transactions for 2,000 validations")
    }

    @Test("one session's callers are counted in one row, wrong secrets beside it refused")
    func oneSession() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        _ = try await store.create([draft(1)])
        let wrong = SecretDigest(bytes: [UInt8](repeating: 6, count: 32))
        let counts = try await atOnce(900) { n -> Int in
            let access = n.isMultiple(of: 3) ? SessionAccess.digest(access(1).id, wrong) : access(1)
            return try await store.validate(access)?.requestCount ?? 0
        }
        #expect(counts.filter { $0 > 0 }.sorted() == Array(1...600))
    }

    @Test("a value that PostgreSQL refuses fails its own call alone")
    func culprits() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        let results = try await atOnce(200) { n in
            try await store.create([draft(n, agent: n.isMultiple(of: 50) ? "a\u{0}b" : "fine")])[0]
        }
        let failures = results.compactMap { result -> SojournError? in
            if case .failure(let error) = result { error } else { nil }
        }
        #expect(failures.count == 4)
        #expect(failures.allSatisfy { $0.code == .invalidInput })
        #expect(try await store.statistics().active == 196)
    }

    @Test("of 40 logins at once where 3 are allowed, 3 sessions are live")
    func cap() async throws {
        let database = try await ScratchDatabase()
        let stores = try [database.store(), database.store()]
        defer { for store in stores { store.close() } }
        _ = try await atOnce(40) { n in
            try await stores[n % 2].create([draft(n, user: "alice", cap: 3)])[0].get()
        }
        #expect(try await stores[0].statistics().active == 3)
    }

    @Test("two nodes that change the same sessions in any order never wait in a circle")
    func noDeadlock() async throws {
        let database = try await ScratchDatabase()
        let stores = try [database.store(), database.store()]
        defer { for store in stores { store.close() } }
        _ = try await stores[0].create((0..<50).map { draft($0, user: "user-\($0 % 5)") })
        _ = try await stores[0].put([Item(id: 1, name: "one", category: nil)])
        _ = try await atOnce(3000) { n in
            let store = stores[n % 2]
            do {
                switch n % 7 {
                case 0: _ = try await store.add([1], to: access(n % 50), holdMax: 10)
                case 1: _ = try await store.extend(access(n % 50), by: nil)
                case 2: _ = try await store.end([access(n % 50), access((n * 31) % 50)])
                case 3: _ = try await store.endOthers(access(n % 50))
                case 4: _ = try await store.create([draft(1000 + n, user: "user-\(n % 5)", cap: 5)])
                default: _ = try await store.validate(access(n % 50))
                }
            } catch let error as SojournError where error.code == .noSession {
                // Ended by another caller.
            }
        }
        let deadlocks = try await database.run(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        #expect(try deadlocks.first?.int(0) == 0)
    }

    @Test("validations within the hour stay on their pages, whatever renews the session", arguments: Renewal.allCases)
    func hot(_ renewal: Renewal) async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        let policy = SessionPolicy(renewal: renewal)
        for start in stride(from: 0, to: 20_000, by: 1000) {
            _ = try await store.create(
                (start..<start + 1000).map {
                    NewSession(id: access($0).id, digest: digest, policy: policy)
                })
        }
        // An ANALYZE of its own accord would keep old versions of rows from being cleared away meanwhile.
        try await database.run("ALTER TABLE sojourn.session_master SET (autovacuum_enabled = false)")
        _ = try await database.client.runAlone(PostgresCall(once: "VACUUM ANALYZE sojourn.session_master"))
        // Autovacuum of other tables keeps old versions as well; then it is not the statement's doing, and another round
        // tells. What is indexed that a validation changes shows in every round.
        var rounds: [Round] = []
        repeat {
            rounds.append(try await round(store, database))
        } while rounds.last?.isHot == false && rounds.count < 5
        #expect(rounds.last?.isHot == true, "\(rounds)")
    }

    /// What 40,000 validations of 20,000 sessions did.
    private struct Round {
        let updates: Int
        let hotUpdates: Int
        let indexGrowth: Int

        var isHot: Bool { Double(hotUpdates) >= 0.99 * Double(updates) && indexGrowth == 0 }
    }

    /// Validates every session twice, in an order that jumps from page to page.
    private func round(_ store: PostgresStore, _ database: ScratchDatabase) async throws -> Round {
        func figures() async throws -> (updates: Int, hot: Int, indexes: Int) {
            try await database.run("SELECT pg_stat_force_next_flush()")
            let row = try #require(try await database.run(Self.updates).first)
            return (try row.int(0), try row.int(1), try row.int(2))
        }
        let before = try await figures()
        let validated = try await atOnce(64) { caller in
            var count = 0
            for n in 0..<625 where try await store.validate(access((caller * 625 + n) * 7919 % 20_000)) != nil {
                count += 1
            }
            return count
        }
        #expect(validated.reduce(0, +) == 40_000)
        let after = try await figures()
        return Round(
            updates: after.updates - before.updates, hotUpdates: after.hot - before.hot,
            indexGrowth: after.indexes - before.indexes)
    }

    private static let updates = """
        SELECT n_tup_upd, n_tup_hot_upd, pg_indexes_size(relid) FROM pg_stat_user_tables WHERE relid = 'sojourn.session_master'::regclass
        """

    /// Transactions committed in the database, as far as its sessions have told.
    private func commits(_ database: ScratchDatabase) async throws -> Int {
        try await database.run("SELECT pg_stat_force_next_flush()")
        return try await database.run(
            "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
        ).first?.int(0) ?? 0
    }
}
