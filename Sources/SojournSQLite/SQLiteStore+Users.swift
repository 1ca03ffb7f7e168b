// SPDX-License-Identifier: Apache-2.0

internal import GRDB
public import Sojourn

extension SQLiteStore {
    public func endAll(of user: UserID, by actor: Actor) async throws -> Int {
        try await write { [clock] db in
            let now = clock.now
            return try db.raise(try db.register(user, at: now), of: user, at: now, by: actor).live
        }
    }

    public func endOthers(_ access: SessionAccess) async throws -> Int {
        try await write { [clock] db in
            let now = clock.now
            var row = try db.admitted(access, at: now)
            guard let user = row.record.session.userID else { return 0 }
            let (raised, live) = try db.raise(row.user, of: user, at: now, by: access.actor)
            row.record.epoch = raised.value
            try db.save(row)
            return live - 1
        }
    }

    public func erase(_ user: UserID) async throws -> ErasureReceipt {
        try await write { db in
            let name = Argument.text(user.text)
            var entries: [JournalKind: Int] = [:]
            for kind in JournalKind.allCases {
                let removed = try db.run(
                    """
                    DELETE FROM \(kind.table)
                    WHERE user_id = ?1 OR session_id IN (SELECT session_id FROM session_master WHERE user_id = ?1)
                    """, [name])
                if removed > 0 { entries[kind] = removed }
            }
            let items = try db.run(
                """
                DELETE FROM session_items
                WHERE session_id IN (SELECT session_id FROM session_master WHERE user_id = ?)
                """, [name])
            let sessions = try db.run("DELETE FROM session_master WHERE user_id = ?", [name])
            try db.run("DELETE FROM users WHERE user_id = ?", [name])
            return ErasureReceipt(sessions: sessions, items: items, entries: entries)
        }
    }

    public func sessions(matching filter: SessionFilter, page: PageRequest) async throws -> Page<StoredSession> {
        let after = try page.after?.uuid()
        return try await read { [clock] db in
            let now = clock.now
            var conditions: [String] = []
            var arguments: [Argument] = []
            if let after {
                conditions.append("s.session_id < ?")
                arguments.append(.uuid(after))
            }
            if let user = filter.userID {
                conditions.append("s.user_id = ?")
                arguments.append(.user(user))
            }
            if let type = filter.type {
                conditions.append("s.session_type = ?")
                arguments.append(.text(type.rawValue))
            }
            if let status = filter.status { conditions.append(status.necessaryCondition) }
            let condition = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
            var found: [StoredSession] = []
            try db.each(SessionRow.selecting("\(condition) ORDER BY s.session_id DESC"), arguments) { columns in
                let row = try SessionRow(columns)
                let stored = row.record.stored(at: now, user: row.user)
                if filter.status == nil || filter.status == stored.status { found.append(stored) }
                return found.count <= page.limit
            }
            return Page(fetched: found, limit: page.limit) { PageCursor($0.session.id.uuid) }
        }
    }
}

extension SessionStatus {
    /// What SQLite can rule out by an index before the record's own rule decides.
    fileprivate var necessaryCondition: String {
        switch self {
        case .active: "s.session_end IS NULL"
        case .ended: "(s.session_end IS NULL OR s.end_reason <> 'expired')"
        case .expired: "(s.session_end IS NULL OR s.end_reason = 'expired')"
        }
    }
}

extension Database {
    /// The user's epoch. A user that is not known is registered.
    func register(_ user: UserID, at now: Timestamp) throws -> UserEpoch {
        let known = try first(
            "SELECT epoch, epoch_raised_at, epoch_raised_by FROM users WHERE user_id = ?", [.user(user)]
        ) { columns in
            UserEpoch(
                value: try columns.count(0), raisedAt: columns.optionalTime(1),
                raisedBy: columns.isNull(2) ? nil : try columns.name(2, "an actor"))
        }
        if let known { return known }
        try run("INSERT INTO users (user_id, created_at) VALUES (?, ?)", [.user(user), .time(now)])
        return .first
    }

    /// Raises a user's epoch: all of the user's sessions with the old one are ended from now on. `live` is how many
    /// were live until now.
    ///
    /// A user keeps the last raise only, so the ends that the raise before it brought are written first, where no sweep
    /// has.
    func raise(_ epoch: UserEpoch, of user: UserID, at now: Timestamp, by actor: Actor) throws -> (
        epoch: UserEpoch, live: Int
    ) {
        var live = 0
        for row in try unmarkedSessions(of: user) {
            let end = row.record.unmarkedEnd(at: now, user: epoch)
            if let end, end.reason == .revoked { try mark(end, of: row) }
            if end == nil { live += 1 }
        }
        let raised = epoch.raised(at: now, by: actor)
        try run(
            "UPDATE users SET epoch = ?, epoch_raised_at = ?, epoch_raised_by = ? WHERE user_id = ?",
            [.integer(raised.value), .time(raised.raisedAt), .text(raised.raisedBy?.rawValue), .user(user)])
        return (raised, live)
    }

    /// The user's sessions whose end nobody has written, oldest first.
    private func unmarkedSessions(of user: UserID) throws -> [SessionRow] {
        let sql = SessionRow.selecting(
            "WHERE s.user_id = ? AND s.session_end IS NULL ORDER BY s.session_start, s.session_id")
        return try all(sql, [.user(user)], SessionRow.init)
    }

    /// Ends the oldest other live sessions of a session's user until no more than `max` are left with this one.
    func keepCap(_ max: Int?, for session: Session, user: UserEpoch, at now: Timestamp) throws {
        guard let max, let userID = session.userID else { return }
        let others = try unmarkedSessions(of: userID).filter { row in
            row.id != session.id && row.record.isLive(at: now, user: row.user)
        }
        for row in others.dropLast(Swift.max(0, max - 1)) {
            try end(row, at: now, reason: .cap, noting: .ended, by: .cap)
        }
    }
}
