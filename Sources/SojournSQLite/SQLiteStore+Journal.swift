// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
public import Sojourn

extension SQLiteStore: JournalStore {
    public func append(
        _ entries: [NewEntry], to access: SessionAccess, expectedTurns: Int?, idempotency: IdempotencyKey?
    ) async throws -> [JournalEntry] {
        try await write { [clock] db in
            let now = clock.now
            var row = try db.admitted(access, at: now)
            if let key = idempotency, let first = try db.firstAnswer(to: key, entries, at: now) { return first }
            try row.expectTurns(expectedTurns)
            let expiry = row.record.session.expiresAt
            let written = try entries.map { new in
                let entry = row.place(new, at: now)
                try db.insert(entry)
                return entry
            }
            row.record.noteWrite(at: now)
            try db.saveActivity(row, was: expiry)
            if let key = idempotency { try db.remember(written, of: row, for: key, at: now) }
            return written
        }
    }

    public func finish(
        _ turn: EntryID, of access: SessionAccess, response: String, extra: JSONDocument, expectedTurns: Int?
    ) async throws -> JournalEntry {
        try await write { [clock] db in
            let now = clock.now
            var row = try db.admitted(access, at: now)
            let kind = JournalKind.conversations
            let stored = try db.first(
                "SELECT \(kind.columns) FROM \(kind.table) WHERE id = ? AND session_id = ?",
                [.uuid(turn.uuid), .id(row.id)], kind.read)
            guard var entry = stored, case .conversation(let input, let answered, let before) = entry.body else {
                throw SojournError.noEntry()
            }
            guard answered == nil else { throw SojournError.alreadyFinished() }
            try row.expectTurns(expectedTurns)
            let merged = before.merging(extra)
            try db.run(
                "UPDATE conversations SET response_text = ?, extra = ? WHERE id = ?",
                [.text(response), .text(merged.text), .uuid(turn.uuid)])
            let expiry = row.record.session.expiresAt
            row.record.noteWrite(at: now)
            try db.saveActivity(row, was: expiry)
            entry.body = .conversation(input: input, response: response, extra: merged)
            return entry
        }
    }

    public func history(
        _ kind: JournalKind, of scope: JournalScope, _ query: HistoryQuery, page: PageRequest
    ) async throws -> Page<JournalEntry> {
        let after = try page.after?.timeAndUUID()
        return try await read { [clock] db in
            var conditions: [String]
            var arguments: [Argument]
            switch scope {
            case .session(let access):
                guard let row = try db.row(access.id), row.mayBeRead(access, at: clock.now) else {
                    throw SojournError.noSession()
                }
                (conditions, arguments) = (["session_id = ?"], [.id(access.id)])
            case .user(let user):
                (conditions, arguments) = (["user_id = ?"], [.user(user)])
            }
            if let from = query.from {
                conditions.append("\(kind.timeField) >= ?")
                arguments.append(.time(from))
            }
            if let to = query.to {
                conditions.append("\(kind.timeField) < ?")
                arguments.append(.time(to))
            }
            if let after {
                conditions.append("(\(kind.timeField), id) < (?, ?)")
                arguments += [.time(after.0), .uuid(after.1)]
            }
            let sql = """
                SELECT \(kind.columns) FROM \(kind.table)
                WHERE \(conditions.joined(separator: " AND "))
                ORDER BY \(kind.timeField) DESC, id DESC
                """
            var found: [JournalEntry] = []
            try db.each(sql, arguments) { columns in
                let entry = try kind.read(columns)
                // The text is sought here: SQLite ignores letter case in ASCII only.
                if query.text == nil || query.matches(entry) { found.append(entry) }
                return found.count <= page.limit
            }
            return Page(fetched: found, limit: page.limit) { PageCursor($0.at, $0.id.uuid) }
        }
    }
}

extension SessionRow {
    /// Throws `sequenceConflict` where the caller believes in another number of turns; nil is no belief.
    fileprivate func expectTurns(_ expected: Int?) throws {
        let current = record.session.turnCount
        guard let expected, expected != current else { return }
        throw SojournError.sequenceConflict(current: current)
    }

    /// The entry at its place in this session, which has one turn more where it is a turn.
    fileprivate mutating func place(_ new: NewEntry, at now: Timestamp) -> JournalEntry {
        var seq: Int?
        if new.body.kind == .conversations {
            record.session.turnCount += 1
            seq = record.session.turnCount
        }
        return JournalEntry(
            id: new.id, sessionID: id, userID: record.session.userID, at: new.at ?? now, seq: seq, body: new.body)
    }
}

// MARK: - Idempotency

/// What is kept of an entry to answer its key again; the rest stands in the repeated request.
private struct KeptEntry: Codable {
    let id: String
    let at: Int64
    let seq: Int?
}

extension Database {
    /// What the first call with this key was answered; nil where there was none within 24 h.
    ///
    /// The body's digest is the first call's, so its entries say the same: only what the store gave them is kept, and
    /// the answer stays the first one though a turn was finished since.
    fileprivate func firstAnswer(
        to key: IdempotencyKey, _ entries: [NewEntry], at now: Timestamp
    ) throws -> [JournalEntry]? {
        let kept = try first(
            """
            SELECT body_digest, session_id, user_id, answer FROM idempotency_keys WHERE scope = ? AND created_at > ?
            """, [.blob(key.scope), .time(now - IdempotencyKey.keptFor)]
        ) { columns in
            (
                body: columns.optionalBytes(0), session: SessionID(try columns.uuid(1)),
                user: columns.optionalText(2).map(UserID.init(stored:)), answer: columns.text(3)
            )
        }
        guard let kept else { return nil }
        guard kept.body == key.body,
            let answer = try? JSONDecoder().decode([KeptEntry].self, from: Data(kept.answer.utf8)),
            answer.count == entries.count
        else {
            throw SojournError.idempotencyConflict()
        }
        return try zip(answer, entries).map { place, new in
            guard let id = EntryID(place.id) else {
                throw SojournError(.storeDamaged, "An idempotency key's answer could not be read.")
            }
            return JournalEntry(
                id: id, sessionID: kept.session, userID: kept.user, at: Timestamp(microseconds: place.at),
                seq: place.seq, body: new.body)
        }
    }

    /// Keeps the answer to a key; one that is past its 24 h gives way.
    fileprivate func remember(
        _ entries: [JournalEntry], of row: SessionRow, for key: IdempotencyKey, at now: Timestamp
    ) throws {
        let kept = entries.map { KeptEntry(id: $0.id.description, at: $0.at.microseconds, seq: $0.seq) }
        let answer = String(decoding: try JSONEncoder().encode(kept), as: UTF8.self)
        try run(
            """
            INSERT OR REPLACE INTO idempotency_keys (scope, body_digest, session_id, user_id, created_at, answer)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            [
                .blob(key.scope), .blob(key.body), .id(row.id), .user(row.record.session.userID), .time(now),
                .text(answer),
            ])
    }
}
