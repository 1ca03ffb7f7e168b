// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

extension JSONWriter {
    /// The one element of a call that brought one, or all of them as `items`.
    mutating func oneOrItems<Element>(_ elements: [Element], _ areItems: Bool, _ write: (inout Self, Element) -> Void) {
        if let only = elements.first, !areItems {
            write(&self, only)
        } else {
            object { $0.member("items", elements, write) }
        }
    }

    /// An entry that is kept to be written.
    mutating func queued(_ entry: QueuedEntries.Entry, of session: SessionID) {
        object { json in
            json.member("id", entry.id.description)
            json.member("session_id", session.description)
            json.member("kind", entry.body.kind.rawValue)
            json.member("at", entry.at)
        }
    }

    /// A journal entry, with the members of its kind.
    mutating func entry(_ entry: JournalEntry) {
        object { json in
            json.member("id", entry.id.description)
            json.member("session_id", entry.sessionID.description)
            json.member("user_id", entry.userID?.text)
            switch entry.body {
            case .conversation(let input, let response, let extra):
                json.member("conversation_time", entry.at)
                json.member("seq", entry.seq)
                json.member("input_text", input)
                json.member("response_text", response)
                json.member("extra", extra)
            case .interaction(let type, let data):
                json.member("created_at", entry.at)
                json.member("interaction_type", type)
                json.member("data", data)
            case .recommendations(let shop, let list, let count):
                json.member("created_at", entry.at)
                json.member("shop_id", shop)
                json.member("recommendations", list)
                json.member("recommendation_count", count)
            case .feedback(let type, let targetType, let targetID, let rating, let comment):
                json.member("created_at", entry.at)
                json.member("feedback_type", type)
                json.member("feedback_target_type", targetType)
                json.member("feedback_target_id", targetID)
                json.member("rating", rating.map { JSONValue.number($0) } ?? .null)
                json.member("comment", comment)
            }
        }
    }
}

/// An entry as a client sent it.
struct SentEntry {
    /// What it says, and when.
    var draft: EntryDraft
    /// How many turns the client believes the session to have had before it; nil for no matter.
    var expectedTurns: Int64?

    /// Reads an entry of a kind from a client's object.
    ///
    /// - Parameter mayAnswer: whether the caller may write responses and recommendations.
    /// - Throws: `Problem` 403 naming what is not the caller's to write; 422 naming what is wrong.
    init(_ kind: JournalKind, _ fields: inout Fields, isService: Bool, mayAnswer: Bool) throws {
        let time = try fields.timestamp(kind.timeField)
        if kind == .conversations { expectedTurns = try fields.integer("expected_seq") }
        draft = EntryDraft(try Self.body(kind, &fields), at: time)
        try fields.finish()
        if time != nil, !isService {
            throw Problem.forbidden("Only a service key may give this.", field: fields.path(kind.timeField))
        }
        if case .conversation(_, .some, _) = draft.body, !mayAnswer {
            throw Problem.forbidden("Responses are a service key's to write.", field: fields.path("response_text"))
        }
    }

    private static func body(_ kind: JournalKind, _ fields: inout Fields) throws -> JournalBody {
        switch kind {
        case .conversations:
            return .conversation(
                input: try fields.requiredString("input_text"), response: try fields.string("response_text"),
                extra: JSONDocument(try fields.object("extra") ?? [:]))
        case .interactions:
            return .interaction(
                type: try fields.requiredString("interaction_type"),
                data: JSONDocument(try fields.object("data") ?? [:]))
        case .recommendations:
            let shop = try fields.string("shop_id")
            guard let list = try fields.array("recommendations") else { throw fields.missing("recommendations") }
            let count = try fields.integer("recommendation_count")
            return .recommendations(
                shopID: shop, recommendations: .array(list), count: Int(count ?? Int64(list.count)))
        case .feedback:
            return .feedback(
                type: try fields.requiredString("feedback_type"),
                targetType: try fields.string("feedback_target_type"),
                targetID: try fields.string("feedback_target_id"), rating: try fields.number("rating"),
                comment: try fields.string("comment"))
        }
    }
}

extension Schema {
    private static let name = string(1...100, pattern: noControl)
    private static let longText = string(0...65536, pattern: noNUL)
    private static let rating = number(-1_000_000...1_000_000)

    /// What every entry's answer has.
    private static let entryMembers: [String: Schema] = [
        "id": .uuid, "session_id": .uuid, "user_id": Schema.userID.orNull,
    ]

    /// The schemas of one kind's entries, as sent and as answered.
    static func entry(_ kind: JournalKind) -> Schema { .ref(entryName(kind)) }
    /// See `entry`.
    static func newEntry(_ kind: JournalKind) -> Schema { .ref("New" + entryName(kind)) }

    private static func entryName(_ kind: JournalKind) -> String {
        switch kind {
        case .conversations: "Conversation"
        case .interactions: "Interaction"
        case .recommendations: "Recommendation"
        case .feedback: "Feedback"
        }
    }

    /// What an entry of a kind has of its own, as sent.
    private static func sent(_ kind: JournalKind) -> [String: Schema] {
        switch kind {
        case .conversations:
            ["conversation_time": .time, "input_text": longText, "response_text": longText, "extra": .freeObject]
        case .interactions:
            ["created_at": .time, "interaction_type": name, "data": .freeObject]
        case .recommendations:
            [
                "created_at": .time, "shop_id": name, "recommendations": .array(of: .freeValue),
                "recommendation_count": .integer(0...1_000_000),
            ]
        case .feedback:
            [
                "created_at": .time, "feedback_type": name, "feedback_target_type": name, "feedback_target_id": name,
                "rating": rating, "comment": longText,
            ]
        }
    }

    private static let neverNull: [JournalKind: Set<String>] = [
        .conversations: ["conversation_time", "input_text", "extra"],
        .interactions: ["created_at", "interaction_type", "data"],
        .recommendations: ["created_at", "recommendations", "recommendation_count"],
        .feedback: ["created_at", "feedback_type"],
    ]

    /// The named schemas of the journal.
    static let journalComponents: [String: Schema] = {
        var components: [String: Schema] = [:]
        for kind in JournalKind.allCases {
            let own = sent(kind)
            let solid = neverNull[kind] ?? []
            var answered = entryMembers
            for (name, schema) in own { answered[name] = solid.contains(name) ? schema : schema.orNull }
            if kind == .conversations { answered["seq"] = .integer(1...Int64.max) }
            components[entryName(kind)] = .object(answered)
            var given = own
            if kind == .conversations { given["expected_seq"] = .integer(0...1_000_000_000) }
            components["New" + entryName(kind)] = .input(
                given, required: solid.subtracting([kind.timeField, "extra", "data", "recommendation_count"]))
        }
        let kind = Schema.oneOf(JournalKind.allCases.map(\.rawValue))
        components["QueuedEntry"] = .object(["id": .uuid, "session_id": .uuid, "kind": kind, "at": .time])
        components["EntryOfKind"] = .object([
            "kind": kind,
            "entry": .either(
                .either(.entry(.conversations), .entry(.interactions)),
                .either(.entry(.recommendations), .entry(.feedback))),
        ])
        components["FinishedTurn"] = .input(
            ["response_text": longText, "extra": .freeObject, "expected_seq": .integer(0...1_000_000_000)],
            required: ["response_text"])
        return components
    }()
}
