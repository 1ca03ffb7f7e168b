// SPDX-License-Identifier: Apache-2.0

internal import Crypto

/// An entry that a caller wants written.
public struct EntryDraft: Sendable, Hashable {
    /// When it happened; nil for now. Ten years back to one month ahead.
    public var at: Timestamp?
    /// What it says.
    public var body: JournalBody

    /// An entry that says `body`, now unless another time is given.
    public init(_ body: JournalBody, at: Timestamp? = nil) {
        self.body = body
        self.at = at
    }
}

extension Sessions {
    /// Writes entries of one kind to a session's journal, all or none, in the order given (J4).
    ///
    /// - Parameters:
    ///   - expectedTurns: for conversations: how many turns the caller believes the session has had.
    ///   - idempotency: makes a repeat of the call return the first call's entries and write nothing.
    /// - Throws: `invalidInput` or `tooLarge` naming the field, `sequenceConflict`, `idempotencyConflict`;
    ///   `notAvailable` where the store keeps no journal, as every call here.
    public func append(
        _ drafts: [EntryDraft], to access: SessionAccess, expectedTurns: Int? = nil,
        idempotency: IdempotencyKey? = nil
    ) async throws -> [JournalEntry] {
        let store = try journalStore
        let entries = try new(drafts, at: clock.now)
        return try await store.append(entries, to: access, expectedTurns: expectedTurns, idempotency: idempotency)
    }

    /// An entry of any kind by its id: a session's, or by trust anybody's where `access` is nil. Nil where there is none, or
    /// where it was left in the queue and is not written yet (J4, K4).
    public func entry(_ id: EntryID, of access: SessionAccess?) async throws -> JournalEntry? {
        try await journalStore.entry(id, of: access)
    }

    /// Whether there is a queue for entries.
    public var queuesJournal: Bool { journalQueue != nil }

    /// Leaves entries of one kind to be written to a live session's journal later, in the order given (K4): they are kept
    /// when this returns, and `entry` finds them once they are written. The session is renewed as by a write. One that is gone
    /// by then takes them with it.
    ///
    /// Where the queue cannot take them now, they are written at once, before those that it holds.
    ///
    /// - Returns: what will be written, each with the time that it will have.
    /// - Throws: as `append`; `notAvailable` where there is no queue.
    public func enqueue(_ drafts: [EntryDraft], to access: SessionAccess) async throws -> [QueuedEntries.Entry] {
        let store = try journalStore
        guard let journalQueue else {
            throw SojournError(.notAvailable, "There is no queue for entries here: append writes them at once.")
        }
        let now = clock.now
        let entries = try new(drafts, at: now).map { QueuedEntries.Entry(id: $0.id, at: $0.at ?? now, body: $0.body) }
        // Admits the caller, and renews.
        _ = try await store.append([], to: access, expectedTurns: nil, idempotency: nil)
        guard !entries.isEmpty else { return [] }
        if await journalQueue.keeps(QueuedEntries(sessionID: access.id, entries: entries)) { return entries }
        do {
            let new = entries.map { NewEntry(id: $0.id, at: $0.at, body: $0.body) }
            _ = try await store.append(new, to: access, expectedTurns: nil, idempotency: nil)
        } catch {
            // What the queue did not confirm may have come through it meanwhile.
            guard try await store.entry(entries[0].id, of: nil) != nil else { throw error }
        }
        return entries
    }

    /// Entries of drafts that are within the limits, with ids.
    private func new(_ drafts: [EntryDraft], at now: Timestamp) throws -> [NewEntry] {
        try limits.check(count: drafts.count, field: "entries")
        guard Set(drafts.map(\.body.kind)).count <= 1 else {
            throw SojournError(.invalidInput, "Must all be of one kind.", field: "entries")
        }
        for (index, draft) in drafts.enumerated() {
            try limits.check(draft.body, at: draft.at, now: now, place: drafts.count == 1 ? "" : "[\(index)].")
        }
        let ids = ids(at: drafts.map { $0.at ?? now })
        return zip(drafts, ids).map { NewEntry(id: $1, at: $0.at, body: $0.body) }
    }

    /// Gives a turn its response, and puts `extra` over the turn's own as a merge patch (J4).
    ///
    /// - Throws: `noEntry`, `alreadyFinished`, `sequenceConflict`, `tooLarge`.
    public func finish(
        _ turn: EntryID, of access: SessionAccess, response: String, extra: [String: JSONValue] = [:],
        expectedTurns: Int? = nil
    ) async throws -> JournalEntry {
        let store = try journalStore
        try limits.check(text: response, field: "response_text")
        let extra = try limits.document(extra, field: "extra")
        do {
            return try await store.finish(
                turn, of: access, response: response, extra: extra, expectedTurns: expectedTurns)
        } catch let error as SojournError where error.code == .noEntry && queuesJournal {
            throw SojournError(
                .noEntry, "The session has no such turn, or it waits to be written: try again in a moment.")
        }
    }

    /// A page of a session's, a user's or everybody's entries of one kind, newest first (J4).
    ///
    /// Everybody's are there to be searched: `query.text` must have three characters or more, for which stores have an
    /// index. A shorter text is sought by looking at every turn, so in a user's history it needs `query.from`.
    ///
    /// - Throws: `invalidInput` naming the field, `noSession`.
    public func history(
        _ kind: JournalKind, of scope: JournalScope, _ query: HistoryQuery = HistoryQuery(),
        page: PageRequest = PageRequest()
    ) async throws -> Page<JournalEntry> {
        let store = try journalStore
        try limits.check(page)
        try limits.check(text: query.text, field: "q", bytesMax: 800)
        try check(query, of: scope)
        return try await store.history(kind, of: scope, query, page: page)
    }

    /// New ids for entries of these times. Histories go by time, then id: entries of one time stay in the order given.
    private func ids(at times: [Timestamp]) -> [EntryID] {
        var ids = times.map { EntryID(UUIDBytes(version7At: $0, random: random)) }
        let order = times.indices.sorted { (times[$0], $0) < (times[$1], $1) }
        for (place, id) in zip(order, ids.sorted { $0.uuid < $1.uuid }) { ids[place] = id }
        return ids
    }

    private var journalStore: any JournalStore {
        get throws {
            guard let store = store as? any JournalStore, store.capabilities.contains(.journal) else {
                throw SojournError(.notAvailable, "This store keeps no journal.")
            }
            return store
        }
    }

    private func check(_ query: HistoryQuery, of scope: JournalScope) throws {
        // By the key: 김치 decomposed has five characters, and two that can be looked up.
        let key = query.text.map(HistoryQuery.searchKey)
        let isIndexed = key.map { $0.unicodeScalars.count >= HistoryQuery.indexedTextMin } ?? false
        switch scope {
        case .session: return
        case .user:
            guard query.text != nil, !isIndexed, query.from == nil else { return }
            throw SojournError(
                .invalidInput, "A search for fewer than three characters needs to be told from when on.", field: "from")
        case .everybody:
            guard !isIndexed else { return }
            throw SojournError(.invalidInput, "A search through all sessions needs three characters.", field: "q")
        }
    }
}

extension Limits {
    /// Checks an entry and its own time; each failure names the field after `place`.
    func check(_ body: JournalBody, at: Timestamp?, now: Timestamp, place: String) throws {
        if let at, at < now - entryAgeMax || at > now + entryAheadMax {
            throw SojournError(
                .invalidInput, "Must lie between ten years back and one month ahead.",
                field: place + body.kind.timeField)
        }
        switch body {
        case .conversation(let input, let response, let extra):
            try check(text: input, field: place + "input_text")
            try check(text: response, field: place + "response_text")
            _ = try document(extra.members, field: place + "extra")
        case .interaction(let type, let data):
            try check(name: type, field: place + "interaction_type")
            _ = try document(data.members, field: place + "data")
        case .recommendations(let shop, let list, let count):
            try check(name: shop, field: place + "shop_id")
            _ = try document(["recommendations": list], field: place + "recommendations")
            guard (0...1_000_000).contains(count) else {
                throw SojournError(
                    .invalidInput, "Must be 0 to 1,000,000.", field: place + "recommendation_count")
            }
        case .feedback(let type, let targetType, let targetID, let rating, let comment):
            try check(name: type, field: place + "feedback_type")
            try check(name: targetType, field: place + "feedback_target_type")
            try check(name: targetID, field: place + "feedback_target_id")
            try check(text: comment, field: place + "comment")
            guard rating.map({ $0.isFinite && abs($0) <= 1_000_000 }) ?? true else {
                throw SojournError(.invalidInput, "Must lie between -1,000,000 and 1,000,000.", field: place + "rating")
            }
        }
    }
}

extension JournalKind {
    /// What the HTTP contract and the tables call an entry's own time.
    public var timeField: String { self == .conversations ? "conversation_time" : "created_at" }
}

extension IdempotencyKey {
    /// The key that a client sent with a call: in force for one kind of caller, one session and one route.
    public init(_ key: String, access: SessionAccess, route: String, body: some Sequence<UInt8>) {
        var scope = SHA256()
        for part in [access.actor.rawValue, access.id.description, route, key] {
            scope.update(data: Array(part.utf8))
            scope.update(data: [0])
        }
        self.init(scope: Array(scope.finalize()), body: Array(SHA256.hash(data: Array(body))))
    }
}
