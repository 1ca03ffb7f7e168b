// SPDX-License-Identifier: Apache-2.0

// The verbs of `JournalStore`; their comments stand there.
extension MemoryModel {
    public mutating func append(
        _ new: [NewEntry], to access: SessionAccess, expectedTurns: Int?, idempotency: IdempotencyKey?,
        at now: Timestamp
    ) throws -> [JournalEntry] {
        var entry = try entry(for: access, at: now)
        if let key = idempotency, let first = answered[key.scope], now - first.at < IdempotencyKey.keptFor {
            guard first.body == key.body else { throw SojournError.idempotencyConflict() }
            return first.entries
        }
        try expect(expectedTurns, of: entry.record)
        let written = new.map { new in
            let isTurn = new.body.kind == .conversations
            if isTurn { entry.record.session.turnCount += 1 }
            return JournalEntry(
                id: new.id, sessionID: access.id, userID: entry.record.session.userID, at: new.at ?? now,
                seq: isTurn ? entry.record.session.turnCount : nil, body: new.body)
        }
        for written in written { entry.journal[written.id] = written }
        entry.record.session.noteWrite(at: now)
        sessions[access.id] = entry
        if let key = idempotency {
            answered[key.scope] = Answered(body: key.body, at: now, session: access.id, entries: written)
        }
        return written
    }

    public mutating func finish(
        _ turn: EntryID, of access: SessionAccess, response: String, extra: JSONDocument, expectedTurns: Int?,
        at now: Timestamp
    ) throws -> JournalEntry {
        var entry = try entry(for: access, at: now)
        guard var finished = entry.journal[turn], case .conversation(let input, let old, let oldExtra) = finished.body
        else { throw SojournError.noEntry() }
        guard old == nil else { throw SojournError.alreadyFinished() }
        try expect(expectedTurns, of: entry.record)
        finished.body = .conversation(input: input, response: response, extra: oldExtra.merging(extra))
        entry.journal[turn] = finished
        entry.record.session.noteWrite(at: now)
        sessions[access.id] = entry
        return finished
    }

    public func entry(_ id: EntryID, of access: SessionAccess?, at now: Timestamp) throws -> JournalEntry? {
        guard let access else { return sessions.values.lazy.compactMap { $0.journal[id] }.first }
        guard let entry = readable(by: access, at: now) else { throw SojournError.noSession() }
        return entry.journal[id]
    }

    public func history(
        _ kind: JournalKind, of scope: JournalScope, _ query: HistoryQuery, page: PageRequest, at now: Timestamp
    ) throws -> Page<JournalEntry> {
        let all: [JournalEntry]
        switch scope {
        case .session(let access):
            guard let entry = readable(by: access, at: now) else { throw SojournError.noSession() }
            all = Array(entry.journal.values)
        case .user(let user):
            all = sessions.values.flatMap(\.journal.values).filter { $0.userID == user }
        case .everybody:
            all = sessions.values.flatMap(\.journal.values)
        }
        let after = try page.after?.timeAndUUID()
        let found = all.filter { entry in
            entry.body.kind == kind && query.matches(entry)
                && (after.map { (entry.at, entry.id.uuid) < $0 } ?? true)
        }
        .sorted { ($0.at, $0.id) > ($1.at, $1.id) }
        return Page(fetched: found, limit: page.limit) { PageCursor($0.at, $0.id.uuid) }
    }

    private func expect(_ turns: Int?, of record: SessionRecord) throws {
        guard let turns, turns != record.session.turnCount else { return }
        throw SojournError.sequenceConflict(current: record.session.turnCount)
    }
}
