// SPDX-License-Identifier: Apache-2.0

internal import GRDB
public import Sojourn

extension SQLiteStore {
    public func create(_ sessions: [NewSession]) async throws -> [Result<Session, SojournError>] {
        try await write { [clock] db in
            try sessions.map { new in
                let now = clock.now
                if try db.row(new.id) != nil {
                    return .failure(.duplicateID())
                }
                let user = try new.userID.map { try db.register($0, at: now) } ?? .first
                let record = SessionRecord(new, at: now, user: user)
                try db.insert(record)
                try db.note(.created, of: new.id, at: now, by: new.actor)
                try db.keepCap(new.sessionsPerUserMax, for: record.session, user: user, at: now)
                return .success(record.session)
            }
        }
    }

    public func validate(_ access: SessionAccess) async throws -> Session? {
        try await write(.singleStatement) { [clock] db in
            let now = clock.now
            guard var row = try db.row(access.id), row.admission(access, at: now) != .refused else { return nil }
            let expiry = row.record.session.expiresAt
            row.record.session.touch(at: now)
            try db.saveActivity(row, was: expiry)
            return row.record.session
        }
    }

    public func find(_ accesses: [SessionAccess]) async throws -> [StoredSession?] {
        try await read { [clock] db in
            let now = clock.now
            return try accesses.map { access in
                guard let row = try db.row(access.id), row.mayBeRead(access, at: now) else { return nil }
                return row.record.stored(at: now, user: row.user)
            }
        }
    }

    public func extend(_ access: SessionAccess, by life: Duration?) async throws -> Session {
        try await change(access, noting: .extended) { row, now in row.record.session.extend(by: life, at: now) }
    }

    public func rotate(_ access: SessionAccess, to rotation: Rotation) async throws -> RotationOutcome {
        try await write { [clock] db in
            let now = clock.now
            guard var row = try db.row(access.id) else { throw SojournError.noSession() }
            switch row.admission(access, at: now) {
            case .refused: throw SojournError.noSession()
            case .previous:
                let sealed = row.record.previous?.successorSealed ?? []
                return .repeated(row.record.session, successorSealed: sealed)
            case .full:
                row.record.rotate(to: rotation, at: now)
                try db.save(row)
                try db.note(.rotated, of: row.id, at: now, by: access.actor)
                return .rotated(row.record.session)
            }
        }
    }

    public func bind(
        _ access: SessionAccess, to user: UserID, digest: SecretDigest, sessionsPerUserMax: Int?
    ) async throws -> Session {
        try await write { [clock] db in
            let now = clock.now
            var row = try db.admitted(access, at: now)
            guard row.record.session.userID == nil || row.record.session.userID == user else {
                throw SojournError.userConflict()
            }
            let epoch = try db.register(user, at: now)
            row.record.bind(to: user, digest: digest, epoch: epoch)
            try db.save(row)
            try db.note(.bound, of: row.id, at: now, by: access.actor, detail: user.text)
            try db.keepCap(sessionsPerUserMax, for: row.record.session, user: epoch, at: now)
            return row.record.session
        }
    }

    public func issueSecret(_ access: SessionAccess, digest: SecretDigest) async throws -> Session {
        try await change(access, noting: .rotated) { row, _ in try row.record.issue(digest) }
    }

    public func replace(
        _ field: SessionField, of access: SessionAccess, with document: JSONDocument, ifVersion version: Int
    ) async throws -> Session {
        try await change(access) { row, _ in try row.record.replace(field, with: document, ifVersion: version) }
    }

    public func end(_ accesses: [SessionAccess]) async throws -> [Bool] {
        try await write { [clock] db in
            try accesses.map { access in
                let now = clock.now
                guard let row = try db.row(access.id), row.admission(access, at: now) == .full else { return false }
                let reason: EndReason = access.actor == .token ? .logout : .ended
                try db.end(row, at: now, reason: reason, noting: .ended, by: access.actor)
                return true
            }
        }
    }

    public func delete(_ id: SessionID) async throws -> Bool {
        try await write(.singleStatement) { db in
            try db.run("DELETE FROM session_master WHERE session_id = ?", [.id(id)]) > 0
        }
    }

    /// Lets `body` change the live session that `access` admits to, stores it and notes the fact, if any.
    private func change(
        _ access: SessionAccess, noting fact: SessionFactKind? = nil,
        _ body: @escaping @Sendable (inout SessionRow, Timestamp) throws -> Void
    ) async throws -> Session {
        try await write { [clock] db in
            let now = clock.now
            var row = try db.admitted(access, at: now)
            try body(&row, now)
            try db.save(row)
            if let fact { try db.note(fact, of: row.id, at: now, by: access.actor) }
            return row.record.session
        }
    }
}

extension Database {
    /// Writes a session's end and the fact of it.
    func end(
        _ row: SessionRow, at: Timestamp, reason: EndReason, noting kind: SessionFactKind, by actor: Actor
    ) throws {
        var row = row
        row.record.end(at: at, reason: reason)
        try save(row)
        try note(kind, of: row.id, at: at, by: actor, detail: kind == .expired ? nil : reason.rawValue)
    }
}
