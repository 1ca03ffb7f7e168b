// SPDX-License-Identifier: Apache-2.0

/// Entries of a session's journal on their way through a queue (K4): those of one call.
public struct QueuedEntries: Sendable, Hashable {
    /// The session.
    public let sessionID: SessionID
    /// The entries, in their order, each with a time of its own.
    public let entries: [Entry]

    /// An entry. It is known again by its id and time.
    public struct Entry: Sendable, Hashable {
        /// Its id.
        public let id: EntryID
        /// When it happened.
        public let at: Timestamp
        /// What it says.
        public let body: JournalBody

        /// An entry.
        public init(id: EntryID, at: Timestamp, body: JournalBody) {
            self.id = id
            self.at = at
            self.body = body
        }
    }

    /// Entries of a session.
    public init(sessionID: SessionID, entries: [Entry]) {
        self.sessionID = sessionID
        self.entries = entries
    }
}

// MARK: - As a message

extension QueuedEntries {
    /// The most bytes of a message's content: more than a request's body may have, so that what was taken can be read.
    public static let messageBytesMax = 64 << 20

    /// The message's content: JSON in UTF-8, with times in microseconds since 1970.
    public var message: [UInt8] {
        let entries = entries.map { entry in
            var members = entry.body.members
            members["id"] = .string(entry.id.description)
            members["kind"] = .string(entry.body.kind.rawValue)
            members["at_us"] = .integer(entry.at.microseconds)
            return JSONValue.object(members)
        }
        return Array(
            JSONValue.object(["session_id": .string(sessionID.description), "entries": .array(entries)]).text.utf8)
    }

    /// Reads entries from a message, which may be anybody's: strictly, and held to bounds that no table and no month of ours
    /// suffers from.
    ///
    /// - Throws: `malformedJSON`, `tooLarge`, or `invalidInput` naming the field that is missing or wrong.
    public init(_ message: StreamMessage) throws {
        try self.init(members: message.members(bytesMax: Self.messageBytesMax), now: SystemWallClock().now)
    }

    init(members: [String: JSONValue], now: Timestamp) throws {
        var fields = JSONFields(members, place: "")
        sessionID = try fields.required("session_id") { try $0.parsed($1, "a UUID") { SessionID($0) } }
        let elements = try fields.required("entries") { try $0.array($1) }
        try fields.finish()
        guard !elements.isEmpty else {
            throw SojournError(.invalidInput, "Must hold at least one entry.", field: "entries")
        }
        let limits = Limits.ofQueues
        entries = try elements.enumerated().map { index, element in
            guard case .object(let members) = element else {
                throw SojournError(.invalidInput, "Must be an object.", field: "entries[\(index)]")
            }
            return try Entry(members, place: "entries[\(index)].", limits, now: now)
        }
    }
}

extension QueuedEntries.Entry {
    fileprivate init(_ members: [String: JSONValue], place: String, _ limits: Limits, now: Timestamp) throws {
        var fields = JSONFields(members, place: place)
        id = try fields.required("id") { try $0.parsed($1, "a UUID") { EntryID($0) } }
        let kind = try fields.required("kind") {
            try $0.parsed($1, "a kind of entry") { JournalKind(rawValue: $0) }
        }
        at = Timestamp(microseconds: Int64(try fields.required("at_us") { try $0.number($1) }))
        body = try JournalBody(kind, &fields)
        try fields.finish()
        try limits.check(body, at: at, now: now, place: place)
    }
}

extension Limits {
    /// Those of entries out of a queue: of sizes, those of the message alone, since whoever took them may have been set up
    /// otherwise; of times, with room for how long a message waited, and for clocks that differ.
    fileprivate static let ofQueues: Limits = {
        var limits = Limits()
        limits.turnBytesMax = QueuedEntries.messageBytesMax
        limits.documentBytesMax = QueuedEntries.messageBytesMax
        limits.entryAgeMax += .days(366)
        limits.entryAheadMax += .days(1)
        return limits
    }()
}

extension JournalBody {
    /// The members of its own, named as its columns.
    fileprivate var members: [String: JSONValue] {
        switch self {
        case .conversation(let input, let response, let extra):
            [
                "input_text": .string(input), "response_text": .optional(response), "extra": .object(extra.members),
            ]
        case .interaction(let type, let data):
            ["interaction_type": .string(type), "data": .object(data.members)]
        case .recommendations(let shopID, let recommendations, let count):
            [
                "shop_id": .optional(shopID), "recommendations": recommendations,
                "recommendation_count": .integer(Int64(count)),
            ]
        case .feedback(let type, let targetType, let targetID, let rating, let comment):
            [
                "feedback_type": .string(type), "feedback_target_type": .optional(targetType),
                "feedback_target_id": .optional(targetID), "rating": rating.map { .number($0) } ?? .null,
                "comment": .optional(comment),
            ]
        }
    }

    /// Reads what `members` gives.
    fileprivate init(_ kind: JournalKind, _ fields: inout JSONFields) throws {
        switch kind {
        case .conversations:
            self = .conversation(
                input: try fields.required("input_text") { try $0.text($1) },
                response: try fields.text("response_text"), extra: JSONDocument(try fields.object("extra") ?? [:]))
        case .interactions:
            self = .interaction(
                type: try fields.required("interaction_type") { try $0.text($1) },
                data: JSONDocument(try fields.object("data") ?? [:]))
        case .recommendations:
            let list = try fields.required("recommendations") { try $0.array($1) }
            self = .recommendations(
                shopID: try fields.text("shop_id"), recommendations: .array(list),
                count: try fields.number("recommendation_count") ?? list.count)
        case .feedback:
            self = .feedback(
                type: try fields.required("feedback_type") { try $0.text($1) },
                targetType: try fields.text("feedback_target_type"), targetID: try fields.text("feedback_target_id"),
                rating: try fields.double("rating"), comment: try fields.text("comment"))
        }
    }
}
