// SPDX-License-Identifier: Apache-2.0

/// The four things that a journal records (J2, J3).
public enum JournalKind: String, Sendable, Hashable, CaseIterable, Codable {
    /// A turn of a conversation: what was said, and what was answered.
    case conversations
    /// Something that the visitor did.
    case interactions
    /// Something that was recommended to the visitor.
    case recommendations
    /// What the visitor thought of something.
    case feedback
}

/// The name of a journal entry: a UUID version 7 made at the entry's own time.
public struct EntryID: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The UUID's bytes, as stores keep them.
    public let uuid: UUIDBytes

    /// The id with these bytes.
    public init(_ uuid: UUIDBytes) {
        self.uuid = uuid
    }

    /// The id that a UUID's text names; nil for any other text.
    public init?(_ text: some StringProtocol) {
        guard let uuid = UUIDBytes(text) else { return nil }
        self.init(uuid)
    }

    public static func < (left: Self, right: Self) -> Bool { left.uuid < right.uuid }

    /// The UUID in lower case.
    public var description: String { uuid.text }
}

/// What an entry says, by kind.
public enum JournalBody: Sendable, Hashable {
    /// A turn; `response` is nil until it is finished.
    case conversation(input: String, response: String?, extra: JSONDocument)
    /// An interaction of an application's own type.
    case interaction(type: String, data: JSONDocument)
    /// Recommendations shown: a JSON array, and how many it holds.
    case recommendations(shopID: String?, recommendations: JSONValue, count: Int)
    /// Feedback on a target.
    case feedback(type: String, targetType: String?, targetID: String?, rating: Double?, comment: String?)

    /// The kind that it belongs to.
    public var kind: JournalKind {
        switch self {
        case .conversation: .conversations
        case .interaction: .interactions
        case .recommendations: .recommendations
        case .feedback: .feedback
        }
    }

    /// Whether `text` stands in a turn's input or response, compared by `HistoryQuery.searchKey`. False for other kinds.
    public func contains(_ text: String) -> Bool {
        guard case .conversation(let input, let response, _) = self else { return false }
        let sought = Array(HistoryQuery.searchKey(text).utf8)
        return [input, response ?? ""].contains { Array(HistoryQuery.searchKey($0).utf8).contains(sought) }
    }
}

/// An entry to be written. The store gives it its place: session, user and, for a turn, its number.
public struct NewEntry: Sendable, Hashable {
    /// Its id, minted by us at `at`.
    public let id: EntryID
    /// When it happened; nil for the store's now.
    public let at: Timestamp?
    /// What it says.
    public let body: JournalBody

    /// An entry to be.
    public init(id: EntryID, at: Timestamp?, body: JournalBody) {
        self.id = id
        self.at = at
        self.body = body
    }
}

/// An entry of a session's journal.
public struct JournalEntry: Sendable, Hashable {
    /// Its name.
    public let id: EntryID
    /// The session that it happened in.
    public let sessionID: SessionID
    /// The session's user when it was written; nil for an anonymous visitor.
    public let userID: UserID?
    /// When it happened.
    public let at: Timestamp
    /// A turn's number in its session, from 1; nil for other kinds.
    public let seq: Int?
    /// What it says.
    public var body: JournalBody

    /// An entry: for stores.
    public init(id: EntryID, sessionID: SessionID, userID: UserID?, at: Timestamp, seq: Int?, body: JournalBody) {
        self.id = id
        self.sessionID = sessionID
        self.userID = userID
        self.at = at
        self.seq = seq
        self.body = body
    }
}
