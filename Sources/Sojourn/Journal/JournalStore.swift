// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// A store that keeps what happened in sessions (J1–J4). Throws as `SessionStore`.
public protocol JournalStore: SessionStore {
    /// Writes entries of one kind to a live session, all or none, in the order given, and renews as a write, also where there
    /// are none.
    ///
    /// `sequenceConflict` where `expectedTurns` is given and the session has had another number of turns. With a key
    /// that was used within the last 24 h for the same body, writes nothing and returns the first call's entries;
    /// `idempotencyConflict` for another body.
    func append(
        _ entries: [NewEntry], to access: SessionAccess, expectedTurns: Int?, idempotency: IdempotencyKey?
    ) async throws -> [JournalEntry]

    /// Gives a turn of a live session its response, and puts `extra` over its own (a merge patch).
    ///
    /// `noEntry` where the session has no such turn, `alreadyFinished` where it has its response, `sequenceConflict`
    /// where `expectedTurns` is given and the session has had another number of turns.
    func finish(
        _ turn: EntryID, of access: SessionAccess, response: String, extra: JSONDocument, expectedTurns: Int?
    ) async throws -> JournalEntry

    /// An entry of any kind by its id: a session's, read as its history is, or by trust anybody's, where `access` is nil. Nil
    /// where there is none.
    func entry(_ id: EntryID, of access: SessionAccess?) async throws -> JournalEntry?

    /// A page of entries, newest first (by time, then id, downwards). A session's by token while it is live, by trust
    /// also after its end.
    func history(_ kind: JournalKind, of scope: JournalScope, _ query: HistoryQuery, page: PageRequest) async throws
        -> Page<JournalEntry>
}

/// Whose history is read.
public enum JournalScope: Sendable, Hashable {
    /// One session's.
    case session(SessionAccess)
    /// A user's over all sessions: by trust only; empty for an unknown user.
    case user(UserID)
    /// Everybody's: by trust only, and only as a search.
    case everybody
}

/// Which entries of a history are asked for.
public struct HistoryQuery: Sendable, Hashable {
    /// Entries at this moment or later; nil for no bound.
    public var from: Timestamp?
    /// Entries before this moment; nil for no bound.
    public var to: Timestamp?
    /// Turns in whose input or response this text stands, letter case ignored; nil for any.
    public var text: String?

    /// The fewest characters (Unicode scalars) of a search key that stores can look up; a shorter one is sought turn by
    /// turn.
    public static let indexedTextMin = 3

    /// A query; by default for every entry.
    public init(from: Timestamp? = nil, to: Timestamp? = nil, text: String? = nil) {
        self.from = from
        self.to = to
        self.text = text
    }

    /// A text as searches compare it, scalar by scalar: in lower case, with one small sigma, and composed (NFC).
    public static func searchKey(_ text: String) -> String {
        // Lower case first: some letters' lower case is not composed.
        let lower = text.lowercased()
        guard !lower.utf8.allSatisfy({ $0 < 0x80 }) else { return lower }
        return lower.replacing("ς", with: "σ").precomposedStringWithCanonicalMapping
    }

    /// Whether the query lets an entry pass.
    public func matches(_ entry: JournalEntry) -> Bool {
        (from.map { entry.at >= $0 } ?? true) && (to.map { entry.at < $0 } ?? true)
            && (text.map(entry.body.contains) ?? true)
    }
}

/// A client's promise that calls with one key are one call.
public struct IdempotencyKey: Sendable, Hashable {
    /// SHA-256 over the credential's session, the route and the client's key.
    public let scope: [UInt8]
    /// SHA-256 over the request's body.
    public let body: [UInt8]

    /// How long a key is remembered.
    public static let keptFor: Duration = .hours(24)

    /// A key from its two digests.
    public init(scope: [UInt8], body: [UInt8]) {
        self.scope = scope
        self.body = body
    }
}
