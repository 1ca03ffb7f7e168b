// SPDX-License-Identifier: Apache-2.0

internal import GRDB
public import Sojourn

/// Changes are written down by triggers, for whoever writes to the file. Writers take turns, and each sees what was
/// committed before its own turn, so nobody can begin to watch beside one who looked and found no watcher.
extension SQLiteStore: TruthStore {
    /// A read beside the writer, but for one write every ten seconds.
    public func pendingChanges(max: Int) async throws -> PendingChanges {
        let seen = try await read { [clock] db in try db.isWatchNew() ? try db.pendingChanges(max, at: clock.now) : nil
        }
        if let seen { return seen }
        return try await write { [clock] db in
            try db.run(TierStatements.watch)
            return try db.pendingChanges(max, at: clock.now)
        }
    }

    public func announce(_ ids: [SessionID]) async throws -> [PendingChange] {
        try await write { db in
            try ids.map { id in
                try db.run(TierStatements.announcing, [.id(id)])
                return PendingChange(session: id, serial: db.lastInsertedRowID, isAnnouncement: true)
            }
        }
    }

    public func settle(_ changes: [PendingChange]) async throws {
        guard !changes.isEmpty else { return }
        try await write { db in
            for change in changes {
                try db.run(TierStatements.settling, [.integer(change.serial), .id(change.session)])
            }
        }
    }

    public func images(of ids: [SessionID]) async throws -> [SessionImage?] {
        try await read { [clock] db in
            let now = clock.now
            return try ids.map { id in
                guard let row = try db.row(id), row.record.isLive(at: now, user: row.user) else { return nil }
                return SessionImage(record: row.record, at: now)
            }
        }
    }

    public func add(_ touches: [SessionTouch]) async throws {
        guard !touches.isEmpty else { return }
        try await write { db in
            for touch in touches {
                try db.run(
                    TierStatements.touching, [.integer(touch.count), .time(touch.last), .id(touch.session)])
            }
        }
    }
}

extension Database {
    /// Whether somebody watches and has said so lately.
    fileprivate func isWatchNew() throws -> Bool {
        try first(TierStatements.newWatch) { _ in true } ?? false
    }

    fileprivate func pendingChanges(_ max: Int, at now: Timestamp) throws -> PendingChanges {
        let found = try all(TierStatements.pending, [.integer(Int64(Int32(clamping: max)) + 1)]) { columns in
            PendingChange(
                session: SessionID(try columns.uuid(1)), serial: columns.integer(0),
                isAnnouncement: columns.integer(2) != 0)
        }
        return PendingChanges(
            era: try first(TierStatements.era) { $0.integer(0) } ?? 0, at: now, changes: Array(found.prefix(max)),
            isWhole: found.count <= max)
    }

    /// Forgets, of the oldest so many, changes that nobody settled for `PendingChanges.keptFor`, and ends the era in
    /// which copies of them may be left. Returns how many it forgot.
    func forgetChanges(_ most: Int) throws -> Int {
        let forgotten = try run(TierStatements.forgetting, [.integer(most)])
        if forgotten > 0 { try run(TierStatements.ending) }
        return forgotten
    }
}

/// Statements about changes that a cache must hear of.
enum TierStatements {
    static let newWatch = "SELECT 1 FROM redis_tier WHERE seen_at > unixepoch() - 10"

    /// Begins an era where nobody watched for a minute. Its number is made of the time, so that it was not given out
    /// before, whatever file is put in this one's place.
    static let watch = """
        INSERT INTO redis_tier (one, era, seen_at) VALUES (1, unixepoch() * 1000, unixepoch())
        ON CONFLICT (one) DO UPDATE
        SET era = CASE WHEN seen_at < unixepoch() - 60 THEN max(era + 1, excluded.era) ELSE era END,
            seen_at = excluded.seen_at
        """

    static let era = "SELECT era FROM redis_tier"

    static let pending = "SELECT serial, session_id, announced FROM redis_pending ORDER BY serial LIMIT ?"

    static let announcing = "INSERT INTO redis_pending (session_id, announced) VALUES (?, 1)"

    static let settling = "DELETE FROM redis_pending WHERE serial = ? AND session_id = ?"

    static let touching = """
        UPDATE session_master SET request_count = request_count + ?, last_activity = max(last_activity, ?)
        WHERE session_id = ?
        """

    static let forgetting = """
        DELETE FROM redis_pending
        WHERE serial IN (
            SELECT serial FROM (SELECT serial, noted_at FROM redis_pending ORDER BY serial LIMIT ?)
            WHERE noted_at <= unixepoch() - 3600)
        """

    static let ending = "UPDATE redis_tier SET era = max(era + 1, unixepoch() * 1000)"
}
