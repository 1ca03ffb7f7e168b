// SPDX-License-Identifier: Apache-2.0

internal import GRDB
public import Sojourn

extension SQLiteStore: JournalStore {
    public func append(
        _ entries: [NewEntry], to access: SessionAccess, expectedTurns: Int?, idempotency: IdempotencyKey?
    ) async throws -> [JournalEntry] {
        try await write { [clock] db in
            let now = clock.now
            var row = try db.admitted(access, at: now)
            if let key = idempotency, let first = try db.firstAnswer(to: key, at: now) { return first }
            try row.expectTurns(expectedTurns)
            let expiry = row.record.session.expiresAt
            let written = try entries.map { new in
                let entry = row.place(new, at: now)
                try db.insert(entry)
                return entry
            }
            row.record.session.noteWrite(at: now)
            try db.saveActivity(row, was: expiry)
            if let key = idempotency { try db.remember(entries, of: row.id, for: key, at: now) }
            return written
        }
    }

    public func finish(
        _ turn: EntryID, of access: SessionAccess, response: String, extra: JSONDocument, expectedTurns: Int?
    ) async throws -> JournalEntry {
        try await write { [clock] db in
            let now = clock.now
            var row = try db.admitted(access, at: now)
            let stored = try db.entry(turn, .conversations)
            guard var entry = stored, entry.sessionID == row.id,
                case .conversation(let input, let answered, let before) = entry.body
            else {
                throw SojournError.noEntry()
            }
            guard answered == nil else { throw SojournError.alreadyFinished() }
            try row.expectTurns(expectedTurns)
            let merged = before.merging(extra)
            try db.run(
                "UPDATE conversations SET response_text = ?, extra = ? WHERE id = ?",
                [.text(response), .text(merged.text), .uuid(turn.uuid)])
            let expiry = row.record.session.expiresAt
            row.record.session.noteWrite(at: now)
            try db.saveActivity(row, was: expiry)
            entry.body = .conversation(input: input, response: response, extra: merged)
            return entry
        }
    }

    public func entry(_ id: EntryID, of access: SessionAccess?) async throws -> JournalEntry? {
        try await read { [clock] db in
            if let access {
                guard let row = try db.row(access.id), row.mayBeRead(access, at: clock.now) else {
                    throw SojournError.noSession()
                }
            }
            for kind in JournalKind.allCases {
                if let entry = try db.entry(id, kind) {
                    return access.map { $0.id == entry.sessionID } ?? true ? entry : nil
                }
            }
            return nil
        }
    }

    public func history(
        _ kind: JournalKind, of scope: JournalScope, _ query: HistoryQuery, page: PageRequest
    ) async throws -> Page<JournalEntry> {
        let after = try page.after?.timeAndUUID()
        return try await read { [clock] db in
            var listing = Listing(kind, query, after: after)
            switch scope {
            case .session(let access):
                guard let row = try db.row(access.id), row.mayBeRead(access, at: clock.now) else {
                    throw SojournError.noSession()
                }
                listing.add("session_id = ?", [.id(access.id)])
            case .user(let user):
                listing.add("user_id = ?", [.user(user)])
            case .everybody:
                if let match = query.text.flatMap(SearchIndex.match), kind == .conversations {
                    let found = try db.search(listing, match, query, after: after?.0, limit: page.limit)
                    return Page(fetched: found, limit: page.limit) { PageCursor($0.at, $0.id.uuid) }
                }
            }
            var found: [JournalEntry] = []
            try db.each(listing.sql(from: kind.table, order: "\(kind.timeField) DESC, id DESC"), listing.arguments) {
                let entry = try kind.read($0)
                // The text is sought here: SQLite ignores letter case in ASCII only.
                if query.text == nil || query.matches(entry) { found.append(entry) }
                return found.count <= page.limit
            }
            return Page(fetched: found, limit: page.limit) { PageCursor($0.at, $0.id.uuid) }
        }
    }
}

/// A statement over entries of a kind, within the bounds of a query and of a page.
private struct Listing {
    let kind: JournalKind
    private var conditions = ["TRUE"]
    private(set) var arguments: [Argument] = []

    init(_ kind: JournalKind, _ query: HistoryQuery, after: (Timestamp, UUIDBytes)?) {
        self.kind = kind
        if let from = query.from { add("\(kind.timeField) >= ?", [.time(from)]) }
        if let to = query.to { add("\(kind.timeField) < ?", [.time(to)]) }
        if let after { add("(\(kind.timeField), id) < (?, ?)", [.time(after.0), .uuid(after.1)]) }
    }

    mutating func add(_ condition: String, _ values: [Argument]) {
        conditions.append(condition)
        arguments += values
    }

    func sql(from tables: String, order: String) -> String {
        "SELECT \(kind.columns) FROM \(tables) WHERE \(conditions.joined(separator: " AND ")) ORDER BY \(order)"
    }
}

extension Database {
    /// An entry of a kind.
    fileprivate func entry(_ id: EntryID, _ kind: JournalKind) throws -> JournalEntry? {
        try first("SELECT \(kind.columns) FROM \(kind.table) WHERE id = ?", [.uuid(id.uuid)], kind.read)
    }

    /// Everybody's turns in which a query's text stands, newest first: `limit` of them and at least one more where there
    /// is one.
    fileprivate func search(
        _ listing: Listing, _ match: String, _ query: HistoryQuery, after: Timestamp?, limit: Int
    ) throws -> [JournalEntry] {
        var listing = listing
        let latest = [query.to, after].compactMap(\.self).min()
        listing.add(
            "conversation_search MATCH ? AND s.rowid BETWEEN ? AND ?",
            [
                .text(match), .integer(query.from.map { SearchIndex.rows(at: $0).lowerBound } ?? 0),
                .integer(latest.map { SearchIndex.rows(at: $0).upperBound } ?? .max),
            ])
        var found: [JournalEntry] = []
        var quarter = 0...Int64.max
        try each(listing.sql(from: SearchIndex.turns, order: "s.rowid DESC"), listing.arguments) { columns in
            let entry = try listing.kind.read(columns)
            // Rows follow each other by the quarter of an hour; within one, the entries' own order counts.
            let its = SearchIndex.rows(at: entry.at)
            guard its == quarter || found.count <= limit else { return false }
            quarter = its
            guard query.matches(entry) else { return true }
            found.append(entry)
            if found.count > 10 * (limit + 1) {
                found.sort { ($0.at, $0.id) > ($1.at, $1.id) }
                found.removeLast(found.count - limit - 1)
            }
            return true
        }
        return found.sorted { ($0.at, $0.id) > ($1.at, $1.id) }
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

extension Database {
    /// What the first call with this key was answered, though a turn was finished since; nil where there was no call
    /// within 24 h.
    fileprivate func firstAnswer(to key: IdempotencyKey, at now: Timestamp) throws -> [JournalEntry]? {
        let kept = try first(
            "SELECT body_digest, answer FROM idempotency_keys WHERE scope = ? AND created_at > ?",
            [.blob(key.scope), .time(now - IdempotencyKey.keptFor)]
        ) { (body: $0.optionalBytes(0), answer: $0.text(1)) }
        guard let kept else { return nil }
        guard kept.body == key.body else { throw SojournError.idempotencyConflict() }
        // An entry that was erased since is left out.
        return try KeptEntry.parse(kept.answer).compactMap { kept in
            guard let id = kept.entryID else { return nil }
            let kind = kept.kind
            return try entry(id, kind).map(kept.asWritten)
        }
    }

    /// Keeps the answer to a key; one that is past its 24 h gives way.
    fileprivate func remember(
        _ entries: [NewEntry], of session: SessionID, for key: IdempotencyKey, at now: Timestamp
    ) throws {
        try run(
            """
            INSERT OR REPLACE INTO idempotency_keys (scope, body_digest, session_id, created_at, answer)
            VALUES (?, ?, ?, ?, ?)
            """, [.blob(key.scope), .blob(key.body), .id(session), .time(now), .text(try KeptEntry.text(entries))])
    }
}
