// SPDX-License-Identifier: Apache-2.0
import PostgresDriver

/// A lock in the server, to keep statements from finishing for as long as a test wants.
struct AdvisoryLock: Sendable {
    /// The key, which no other test has.
    private let key = Int64.random(in: 1 ... .max)

    /// A statement that ends once nobody holds the lock.
    var wait: PostgresCall { PostgresCall(once: "SELECT pg_advisory_xact_lock(\(key))") }

    /// Holds the lock while `body` runs.
    func hold(_ body: () async throws -> Void) async throws {
        try await TestServer.withClient { owner in
            try await owner.withTransaction { transaction in
                _ = try await transaction.run(wait)
                try await body()
            }
        }
    }

    /// Returns once `count` sessions wait for the lock.
    func untilWaiting(_ count: Int) async throws {
        try await untilWaiting { $0 >= count }
    }

    /// Returns once no more than `count` sessions wait for the lock.
    func untilWaiting(atMost count: Int) async throws {
        try await untilWaiting { $0 <= count }
    }

    private func untilWaiting(_ isReached: (Int) -> Bool) async throws {
        let waiting = PostgresStatement(
            """
            SELECT count(*)
            FROM pg_locks
            WHERE locktype = 'advisory'
                AND NOT granted
                AND (classid::bigint << 32) + objid::bigint = \(key)
            """)
        try await TestServer.withClient { client in
            while try await !isReached(client.query(PostgresCall(waiting))[0].int(0)) { await Task.yield() }
        }
    }
}
