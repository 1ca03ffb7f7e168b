// SPDX-License-Identifier: Apache-2.0

internal import GRDB
public import Sojourn

extension SQLiteStore {
    /// One step in one short transaction: ends that came by themselves are written down (`expired`, `revoked`), one
    /// stretch of the lap for inactive sessions is looked at, and retention deletes. A dry run only reads, beside the
    /// writer: it may look at every session there is, and nobody shall wait for that.
    public func sweep(_ order: SweepOrder) async throws -> SweepOutcome {
        let step = SweepStep(order: order, now: clock.now)
        guard order.dryRun else { return try await write { db in try step.run(db) } }
        return try await read { db in try step.count(db) }
    }
}

extension Database {
    /// Writes down an end that has come by itself, with its fact.
    func mark(_ end: SessionEnd, of row: SessionRow) throws {
        if end.reason == .expired {
            try self.end(row, at: end.at, reason: .expired, noting: .expired, by: .sweep)
        } else {
            try self.end(row, at: end.at, reason: end.reason, noting: .ended, by: row.user.raisedBy ?? .sweep)
        }
    }
}

/// What one sweep does to the tables.
struct SweepStep {
    let order: SweepOrder
    let now: Timestamp

    func run(_ db: Database) throws -> SweepOutcome {
        var outcome = SweepOutcome()
        var surprising = 0
        for row in try endedRows(db, &outcome) {
            guard let end = row.record.unmarkedEnd(at: now, user: row.user) else { continue }
            if row.record.isSurprising(end, at: now) { surprising += 1 }
            if end.reason == .expired { outcome.expired += 1 } else { outcome.revoked += 1 }
            try db.mark(end, of: row)
        }
        try db.run(Self.caughtUp, [.integer(order.batchMax)])
        for row in try lapRows(db, &outcome) {
            guard row.record.isLive(at: now, user: row.user), row.record.isInactive(at: now) else { continue }
            outcome.inactive += 1
            try db.end(row, at: now, reason: .inactive, noting: .swept, by: .sweep)
        }
        if let fuse = order.fuse, surprising > fuse {
            throw SojournError.fuse(surprising: surprising, fuse: fuse)
        }
        try deleteRetired(db, &outcome)
        try db.run(Self.oldKeys, [.time(now - IdempotencyKey.keptFor), .integer(order.batchMax)])
        let graces = try db.run(Self.graces, [.time(now), .integer(order.batchMax)])
        let changes = try db.forgetChanges(order.batchMax)
        if max(graces, changes) == order.batchMax { outcome.more = true }
        return outcome
    }

    /// What `run` would do, by the same rules; each count stops at the batch.
    func count(_ db: Database) throws -> SweepOutcome {
        var outcome = SweepOutcome()
        var surprising = 0
        var looked = 0
        var last: SessionID?
        for (type, retention) in order.retention {
            guard case .after(let kept) = retention else { continue }
            let arguments: [Argument] = [.text(type.rawValue), .time(now - kept), .integer(order.batchMax + 1)]
            outcome.deleted += try db.first(Self.retiredCount, arguments) { try $0.count(0) } ?? 0
        }
        try db.each(Self.unmarked) { columns in
            let row = try SessionRow(columns)
            if let end = row.record.unmarkedEnd(at: now, user: row.user) {
                guard outcome.expired + outcome.revoked < order.batchMax else {
                    outcome.more = true
                    return true
                }
                if row.record.isSurprising(end, at: now) { surprising += 1 }
                if end.reason == .expired { outcome.expired += 1 } else { outcome.revoked += 1 }
                if isRetired(row.record.session.type, endedAt: end.at) { outcome.deleted += 1 }
            } else if isInLap(row.id), outcome.lapNext == nil {
                guard looked < order.batchMax else {
                    outcome.lapNext = last
                    return true
                }
                (looked, last) = (looked + 1, row.id)
                guard row.record.isInactive(at: now) else { return true }
                outcome.inactive += 1
                if isRetired(row.record.session.type, endedAt: now) { outcome.deleted += 1 }
            }
            return true
        }
        if let fuse = order.fuse, surprising > fuse {
            throw SojournError.fuse(surprising: surprising, fuse: fuse)
        }
        if outcome.deleted > order.batchMax { (outcome.deleted, outcome.more) = (order.batchMax, true) }
        return outcome
    }

    private func isRetired(_ type: SessionType, endedAt end: Timestamp) -> Bool {
        guard case .after(let kept)? = order.retention[type] else { return false }
        return end <= now - kept
    }

    private func isInLap(_ id: SessionID) -> Bool {
        switch order.lap {
        case .off: false
        case .begin: true
        case .after(let last): id > last
        }
    }

    /// Sessions that ended by themselves: whose time ran out, the earliest hour first, then those whose user's epoch
    /// was raised since the last sweep.
    private func endedRows(_ db: Database, _ outcome: inout SweepOutcome) throws -> [SessionRow] {
        // One row more than may be marked tells whether there is more to do.
        let limit = order.batchMax + 1
        let hour = now.microseconds / 3_600_000_000
        var rows = try db.all(Self.expired, [.integer(hour), .time(now), .integer(limit)], SessionRow.init)
        if rows.count < limit {
            let known = Set(rows.map(\.number))
            rows += try db.all(Self.revoked, [.integer(limit)], SessionRow.init).filter { !known.contains($0.number) }
        }
        outcome.more = rows.count > order.batchMax
        return Array(rows.prefix(order.batchMax))
    }

    /// The lap's next stretch of sessions that nobody has ended.
    private func lapRows(_ db: Database, _ outcome: inout SweepOutcome) throws -> [SessionRow] {
        let after: [UInt8]
        switch order.lap {
        case .off: return []
        case .begin: after = []
        case .after(let id): after = id.uuid.bytes
        }
        let rows = try db.all(Self.lap, [.blob(after), .integer(order.batchMax + 1)], SessionRow.init)
        let looked = Array(rows.prefix(order.batchMax))
        outcome.lapNext = rows.count > looked.count ? looked.last?.id : nil
        return looked
    }

    /// Deletes what was kept long enough, the longest ended first within each type.
    private func deleteRetired(_ db: Database, _ outcome: inout SweepOutcome) throws {
        for (type, retention) in order.retention.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            guard case .after(let kept) = retention else { continue }
            let left = order.batchMax - outcome.deleted
            let arguments: [Argument] = [.text(type.rawValue), .time(now - kept)]
            let retired = try db.all(Self.retired, arguments + [.integer(left + 1)]) { $0.integer(0) }
            for number in retired.prefix(left) {
                try db.run("DELETE FROM session_master WHERE rowid = ?", [.integer(number)])
            }
            outcome.deleted += min(left, retired.count)
            if retired.count > left { outcome.more = true }
        }
    }
}

extension SweepStep {
    /// The hour is indexed; the exact moment decides.
    static let expired = SessionRow.selecting(
        """
        WHERE s.session_end IS NULL AND s.expiry_hour <= ? AND s.expires_at <= ?
        ORDER BY s.expiry_hour LIMIT ?
        """)

    static let revoked = """
        SELECT \(SessionRow.columns)
        FROM users AS u CROSS JOIN session_master AS s ON s.user_id = u.user_id
        WHERE u.epoch_swept < u.epoch AND s.session_end IS NULL AND s.epoch <> u.epoch
        LIMIT ?
        """

    static let caughtUp = """
        UPDATE users SET epoch_swept = epoch
        WHERE user_id IN (
            SELECT u.user_id FROM users AS u
            WHERE u.epoch_swept < u.epoch AND NOT EXISTS (
                SELECT 1 FROM session_master AS s
                WHERE s.user_id = u.user_id AND s.session_end IS NULL AND s.epoch <> u.epoch)
            LIMIT ?)
        """

    static let lap = SessionRow.selecting(
        "WHERE s.session_end IS NULL AND s.session_id > ? ORDER BY s.session_id LIMIT ?")

    static let retired = """
        SELECT rowid FROM session_master
        WHERE session_type = ? AND session_end IS NOT NULL AND session_end <= ?
        ORDER BY session_end LIMIT ?
        """

    static let retiredCount = """
        SELECT count(*) FROM (
            SELECT 1 FROM session_master
            WHERE session_type = ? AND session_end IS NOT NULL AND session_end <= ? LIMIT ?)
        """

    static let unmarked = SessionRow.selecting("WHERE s.session_end IS NULL ORDER BY s.session_id")

    /// What a rotation left behind for its grace: past that, nothing shall tell the successor.
    static let graces = """
        UPDATE session_master SET previous_digest = NULL, previous_until = NULL, successor_sealed = NULL
        WHERE rowid IN (
            SELECT rowid FROM session_master
            WHERE previous_until IS NOT NULL AND previous_until <= ? ORDER BY previous_until LIMIT ?)
        """

    static let oldKeys = """
        DELETE FROM idempotency_keys
        WHERE scope IN (SELECT scope FROM idempotency_keys WHERE created_at <= ? ORDER BY created_at LIMIT ?)
        """
}
