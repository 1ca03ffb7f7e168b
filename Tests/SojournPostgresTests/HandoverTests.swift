// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournPostgres
import SojournTesting
import Testing

/// Calls for a session whose user changes under them, each held at the moment that matters by a lock of the test's.
@Suite("A session that changes hands", .onPostgres, .timeLimit(.minutes(5)))
struct HandoverTests {
    private static let alice = UserID(stored: "alice")
    private static let bob = UserID(stored: "bob")

    private static func draft(_ number: UInt64, _ user: UserID?) -> NewSession {
        NewSession(
            id: SessionID(UUIDBytes(high: 0x7000, low: 1 << 63 | number)), digest: TestSecrets.digest(number),
            userID: user)
    }

    /// Makes `change` in the database, and commits it once `call` waits for a row that this locked.
    private func whileHeld<Value: Sendable>(
        _ database: ScratchDatabase, _ change: [String], _ call: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        let (locked, signal) = AsyncStream.makeStream(of: Never.self)
        async let value = {
            for await _ in locked {}
            return try await call()
        }()
        try await database.client.withTransaction { transaction in
            for statement in change { _ = try await transaction.run(PostgresCall(once: statement)) }
            signal.finish()
            while try await !isSomebodyWaiting(database) {}
        }
        return try await value
    }

    /// Whether a statement in the database waits for a lock.
    private func isSomebodyWaiting(_ database: ScratchDatabase) async throws -> Bool {
        let waiting = try await database.run(
            """
            SELECT count(*) > 0 FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'
            """)
        return try waiting.first?.bool(0) == true
    }

    @Test("ends its new user's others where it was bound meanwhile")
    func boundMeanwhile() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        let (mine, other) = (Self.draft(1, nil), Self.draft(2, Self.alice))
        _ = try await store.create([mine, other])
        let bind = "UPDATE sojourn.session_master SET user_id = 'alice' WHERE session_id = '\(mine.id)'"
        let ended = try await whileHeld(database, [bind]) {
            try await store.endOthers(.trusted(mine.id, as: .service))
        }
        #expect(ended == 1)
        let found = try await store.find([mine, other].map { .trusted($0.id, as: .service) })
        #expect(found.map { $0?.status } == [.active, .ended])
    }

    @Test("ends nobody's sessions but its own user's where it was made anew for another meanwhile")
    func madeAnewMeanwhile() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        let (mine, former, later) = (Self.draft(1, Self.alice), Self.draft(2, Self.alice), Self.draft(3, Self.bob))
        _ = try await store.create([mine, former, later])
        let handOver = [
            // Where the call waits: it has read whose the session was, and wants to lock that user.
            "SELECT 1 FROM sojourn.users WHERE user_id = 'alice' FOR UPDATE",
            "UPDATE sojourn.session_master SET user_id = 'bob' WHERE session_id = '\(mine.id)'",
        ]
        let ended = try await whileHeld(database, handOver) {
            try await store.endOthers(.trusted(mine.id, as: .service))
        }
        #expect(ended == 1)
        let found = try await store.find([mine, former, later].map { .trusted($0.id, as: .service) })
        #expect(found.map { $0?.status } == [.active, .active, .ended])
    }
}
