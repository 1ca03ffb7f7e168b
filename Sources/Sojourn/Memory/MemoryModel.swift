// SPDX-License-Identifier: Apache-2.0

/// What every store must do, said in the plainest way: the executable specification.
///
/// A value whose verbs take the moment as a parameter, so that the explorer can copy it, step it and compare. No
/// cleverness: dictionaries, walked from end to end where that is simplest. Each verb first decides, then changes,
/// so that one that throws has changed nothing.
public struct MemoryModel: Sendable, Hashable {
    /// A session and what hangs on it.
    struct Entry: Sendable, Hashable {
        var record: SessionRecord
        var facts: [SessionFact] = []
        var factsFolded = 0
        var held: [ItemID: Timestamp] = [:]
        var journal: [EntryID: JournalEntry] = [:]

        /// Keeps a fact, and folds the oldest away past the limit.
        mutating func note(_ kind: SessionFactKind, at now: Timestamp, by actor: Actor, _ detail: String? = nil) {
            facts.append(SessionFact(at: now, kind: kind, actor: actor, detail: detail))
            if facts.count > SessionFacts.keptMax {
                facts.removeFirst()
                factsFolded += 1
            }
        }

        /// The end, with its fact.
        mutating func end(at moment: Timestamp, reason: EndReason, by actor: Actor) {
            record.end(at: moment, reason: reason)
            note(.ended, at: moment, by: actor, reason.rawValue)
        }
    }

    /// What a call with an idempotency key answered.
    struct Answered: Sendable, Hashable {
        let body: [UInt8]
        let at: Timestamp
        let session: SessionID
        let entries: [JournalEntry]
    }

    var sessions: [SessionID: Entry] = [:]
    var users: [UserID: UserEpoch] = [:]
    var catalogue: [ItemID: Item] = [:]
    var answered: [[UInt8]: Answered] = [:]
    var tier = Tier()

    /// A store with nothing in it.
    public init() {}

    /// A session's record as it stands, past every rule: for doubles that break one on purpose.
    package subscript(record id: SessionID) -> SessionRecord? {
        get { sessions[id]?.record }
        set {
            guard let newValue else { return sessions[id] = nil }
            sessions[id, default: Entry(record: newValue)].record = newValue
        }
    }

    /// The sessions in which this state differs from another.
    package func sessions(changedSince other: MemoryModel) -> [SessionID] {
        Set(sessions.keys).union(other.sessions.keys).filter { sessions[$0] != other.sessions[$0] }.sorted()
    }

    /// Puts a session, with what hangs on it, back to how another state has it.
    package mutating func restore(_ id: SessionID, from other: MemoryModel) {
        sessions[id] = other.sessions[id]
    }

    /// The epoch that counts for a session.
    func epoch(of record: SessionRecord) -> UserEpoch {
        record.session.userID.flatMap { users[$0] } ?? .first
    }

    /// The session that `access` may change; throws `noSession` where it may not.
    func entry(for access: SessionAccess, at now: Timestamp) throws -> Entry {
        guard let entry = sessions[access.id],
            entry.record.admission(access, at: now, user: epoch(of: entry.record)) == .full
        else { throw SojournError.noSession() }
        return entry
    }

    /// The session that `access` may read: by trust an ended one too.
    func readable(by access: SessionAccess, at now: Timestamp) -> Entry? {
        if access.digest == nil { return sessions[access.id] }
        return try? entry(for: access, at: now)
    }

    /// The user's epoch, registering an unknown user.
    mutating func register(_ user: UserID?) -> UserEpoch {
        guard let user else { return .first }
        let known = users[user] ?? .first
        users[user] = known
        return known
    }

    /// The live sessions of a user, oldest first.
    func live(of user: UserID, at now: Timestamp) -> [SessionRecord] {
        sessions.values.map(\.record)
            .filter { $0.session.userID == user && $0.isLive(at: now, user: epoch(of: $0)) }
            .sorted { ($0.session.createdAt, $0.session.id) < ($1.session.createdAt, $1.session.id) }
    }

    /// Ends the user's oldest live sessions but `newest` until no more than `max` are left.
    mutating func keepCap(_ max: Int?, of user: UserID?, sparing newest: SessionID, at now: Timestamp) {
        guard let max, let user else { return }
        let live = live(of: user, at: now)
        for record in live.filter({ $0.session.id != newest }).prefix(Swift.max(0, live.count - max)) {
            sessions[record.session.id]?.end(at: now, reason: .cap, by: .cap)
        }
    }
}
