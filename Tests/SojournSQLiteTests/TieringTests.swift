// SPDX-License-Identifier: Apache-2.0

import GRDB
import Sojourn
import Testing

@testable import SojournSQLite

/// What a cache before a file hears of: whoever writes to it, and for as long as somebody listens.
@Suite struct TieringTests {
    /// Statements that others run on a session of ann's, each of which makes copies of it dangerous.
    static let statements = [
        "UPDATE session_master SET session_end = last_activity, end_reason = 'ended'",
        "UPDATE session_master SET expires_at = expires_at - 1",
        "UPDATE session_master SET absolute_expires_at = expires_at",
        "UPDATE session_master SET session_claims = '{}', session_metadata = '{\"a\":1}'",
        "UPDATE session_master SET user_id = NULL",
        "UPDATE session_master SET user_agent = 'another'",
        "DELETE FROM session_master",
        "UPDATE users SET epoch = epoch + 1",
        "DELETE FROM users",
    ]

    @Test(arguments: statements) func `A statement of somebody else's is written down`(_ sql: String) async throws {
        try await withStore { store in
            let access = try await store.begin("ann")
            #expect(try await store.pendingChanges(max: 9).changes.isEmpty)
            let others = try DatabaseQueue(path: store.path)
            try await others.write { try $0.execute(sql: sql) }
            let changes = try await store.pendingChanges(max: 9).changes
            #expect(changes.map(\.session) == [access.id])
            try await store.settle(changes)
            #expect(try await store.pendingChanges(max: 9).changes.isEmpty)
        }
    }

    @Test func `What a cache needs not hear of is not written down`() async throws {
        try await withStore { store in
            _ = try await store.begin("ann")
            _ = try await store.pendingChanges(max: 9)
            let others = try DatabaseQueue(path: store.path)
            try await others.write { db in
                try db.execute(
                    sql: """
                        UPDATE session_master SET last_activity = 0, request_count = 9, turn_count = 9,
                            expires_at = expires_at + 1;
                        UPDATE session_master SET session_end = session_end, user_id = user_id, expires_at = expires_at;
                        UPDATE users SET epoch = epoch, created_at = 0;
                        """)
            }
            #expect(try await store.pendingChanges(max: 9).changes.isEmpty)
        }
    }

    @Test func `Nothing is written down while nobody watches, and then another era begins`() async throws {
        try await withStore { store in
            _ = try await store.delete(store.begin().id)
            #expect(try await store.changesNoted() == 0)
            let first = try await store.pendingChanges(max: 9).era
            _ = try await store.delete(store.begin().id)
            #expect(try await store.changesNoted() == 1)

            // Somebody watched half a minute ago: the era goes on, and so does the watch.
            try await store.wasSeen(secondsAgo: 30)
            #expect(try await store.pendingChanges(max: 9).era == first)
            #expect(try await store.secondsSinceSeen() < 30)

            // A minute ago: it is over, though changes are still written down.
            try await store.wasSeen(secondsAgo: 70)
            _ = try await store.delete(store.begin().id)
            #expect(try await store.changesNoted() == 2)
            let second = try await store.pendingChanges(max: 9).era
            #expect(second > first)

            try await store.wasSeen(secondsAgo: 1000)
            _ = try await store.delete(store.begin().id)
            _ = try await store.begin("ann")
            _ = try await store.endAll(of: UserID(stored: "ann"), by: .service)
            #expect(try await store.changesNoted() == 2)
            #expect(try await store.pendingChanges(max: 9).era > second)
        }
    }

    @Test func `Changes that nobody settled for an hour are forgotten with their era`() async throws {
        try await withStore { store in
            let era = try await store.pendingChanges(max: 9).era
            for _ in 0..<3 { _ = try await store.delete(store.begin().id) }
            #expect(try await store.sweep(SweepOrder()) == SweepOutcome())
            #expect(try await store.pendingChanges(max: 9).era == era)
            _ = try await store.write { db in
                try db.run("UPDATE redis_pending SET noted_at = noted_at - 3600 WHERE serial < 3")
            }
            var order = SweepOrder(batchMax: 1)
            #expect(try await store.sweep(order).more)
            order.batchMax = 100
            #expect(try await !store.sweep(order).more)
            let left = try await store.pendingChanges(max: 9)
            #expect(left.changes.map(\.serial) == [3] && left.era > era)
        }
    }
}

extension SQLiteStore {
    /// How many changes are written down.
    fileprivate func changesNoted() async throws -> Int {
        try await read { db in try db.first("SELECT count(*) FROM redis_pending") { try $0.count(0) } ?? -1 }
    }

    /// Makes it so that somebody was seen to watch so long ago.
    fileprivate func wasSeen(secondsAgo: Int) async throws {
        _ = try await write { db in
            try db.run("UPDATE redis_tier SET seen_at = unixepoch() - ?", [.integer(secondsAgo)])
        }
    }

    fileprivate func secondsSinceSeen() async throws -> Int {
        try await read { db in
            try db.first("SELECT unixepoch() - seen_at FROM redis_tier") { try $0.count(0) } ?? -1
        }
    }
}
