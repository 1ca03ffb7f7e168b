// SPDX-License-Identifier: Apache-2.0

// The verbs of `SessionStore` on one session; their comments stand there.
extension MemoryModel {
    public mutating func create(_ new: [NewSession], at now: Timestamp) -> [Result<Session, SojournError>] {
        new.map { new in
            guard sessions[new.id] == nil else {
                return .failure(.duplicateID())
            }
            let record = SessionRecord(new, at: now, user: register(new.userID))
            var entry = Entry(record: record)
            entry.note(.created, at: now, by: new.actor)
            sessions[new.id] = entry
            keepCap(new.sessionsPerUserMax, of: new.userID, sparing: new.id, at: now)
            return .success(record.session)
        }
    }

    public mutating func validate(_ access: SessionAccess, at now: Timestamp) -> Session? {
        guard var entry = sessions[access.id],
            entry.record.admission(access, at: now, user: epoch(of: entry.record)) != .refused
        else { return nil }
        entry.record.session.touch(at: now)
        sessions[access.id] = entry
        return entry.record.session
    }

    public func find(_ accesses: [SessionAccess], at now: Timestamp) -> [StoredSession?] {
        accesses.map { access in
            readable(by: access, at: now).map { $0.record.stored(at: now, user: epoch(of: $0.record)) }
        }
    }

    public mutating func extend(_ access: SessionAccess, by life: Duration?, at now: Timestamp) throws -> Session {
        var entry = try entry(for: access, at: now)
        entry.record.session.extend(by: life, at: now)
        entry.note(.extended, at: now, by: access.actor)
        sessions[access.id] = entry
        return entry.record.session
    }

    public mutating func rotate(_ access: SessionAccess, to rotation: Rotation, at now: Timestamp) throws
        -> RotationOutcome
    {
        guard var entry = sessions[access.id] else { throw SojournError.noSession() }
        switch entry.record.admission(access, at: now, user: epoch(of: entry.record)) {
        case .full:
            entry.record.rotate(to: rotation, at: now)
            entry.note(.rotated, at: now, by: access.actor)
            sessions[access.id] = entry
            return .rotated(entry.record.session)
        case .previous:
            return .repeated(entry.record.session, successorSealed: entry.record.previous?.successorSealed ?? [])
        case .refused:
            throw SojournError.noSession()
        }
    }

    public mutating func bind(
        _ access: SessionAccess, to user: UserID, digest: SecretDigest, sessionsPerUserMax: Int?, at now: Timestamp
    ) throws -> Session {
        var entry = try entry(for: access, at: now)
        guard entry.record.session.userID == nil || entry.record.session.userID == user else {
            throw SojournError.userConflict()
        }
        entry.record.bind(to: user, digest: digest, epoch: register(user))
        entry.note(.bound, at: now, by: access.actor, user.text)
        sessions[access.id] = entry
        keepCap(sessionsPerUserMax, of: user, sparing: access.id, at: now)
        return entry.record.session
    }

    public mutating func issueSecret(_ access: SessionAccess, digest: SecretDigest, at now: Timestamp) throws
        -> Session
    {
        var entry = try entry(for: access, at: now)
        try entry.record.issue(digest)
        entry.note(.rotated, at: now, by: access.actor)
        sessions[access.id] = entry
        return entry.record.session
    }

    public mutating func replace(
        _ field: SessionField, of access: SessionAccess, with document: JSONDocument, ifVersion version: Int,
        at now: Timestamp
    ) throws -> Session {
        var entry = try entry(for: access, at: now)
        try entry.record.replace(field, with: document, ifVersion: version)
        sessions[access.id] = entry
        return entry.record.session
    }

    public mutating func end(_ accesses: [SessionAccess], at now: Timestamp) -> [Bool] {
        accesses.map { access in
            guard var entry = try? entry(for: access, at: now) else { return false }
            entry.end(at: now, reason: access.actor == .token ? .logout : .ended, by: access.actor)
            sessions[access.id] = entry
            return true
        }
    }

    public mutating func delete(_ id: SessionID) -> Bool {
        answered = answered.filter { $0.value.session != id }
        return sessions.removeValue(forKey: id) != nil
    }

    public func facts(of id: SessionID) -> SessionFacts? {
        sessions[id].map { SessionFacts(facts: $0.facts.reversed(), folded: $0.factsFolded) }
    }
}
