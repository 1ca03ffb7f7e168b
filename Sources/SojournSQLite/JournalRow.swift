// SPDX-License-Identifier: Apache-2.0

internal import GRDB
internal import Sojourn

/// Where each kind of journal entry stands, and how its row is read.
extension JournalKind {
    /// Its table.
    var table: String {
        switch self {
        case .conversations: "conversations"
        case .interactions: "user_interactions"
        case .recommendations: "recommendations_log"
        case .feedback: "user_feedback"
        }
    }

    /// The columns that `read` and `insert` go by: the four that all kinds have, then its own.
    var columns: String { "id, session_id, user_id, \(timeField), \(ownColumns.joined(separator: ", "))" }

    private var ownColumns: [String] {
        switch self {
        case .conversations: ["seq", "input_text", "response_text", "extra"]
        case .interactions: ["interaction_type", "data"]
        case .recommendations: ["shop_id", "recommendations", "recommendation_count"]
        case .feedback: ["feedback_type", "feedback_target_type", "feedback_target_id", "rating", "comment"]
        }
    }

    /// The statement that inserts a row of `columns`.
    fileprivate var insert: String {
        let places = Array(repeating: "?", count: 4 + ownColumns.count).joined(separator: ", ")
        return "INSERT INTO \(table) (\(columns)) VALUES (\(places))"
    }

    /// Reads the current row of a statement over `columns`.
    func read(_ columns: Columns) throws -> JournalEntry {
        JournalEntry(
            id: EntryID(try columns.uuid(0)), sessionID: SessionID(try columns.uuid(1)),
            userID: columns.optionalText(2).map(UserID.init(stored:)), at: columns.time(3),
            seq: self == .conversations ? try columns.count(4) : nil, body: try body(columns))
    }

    private func body(_ columns: Columns) throws -> JournalBody {
        switch self {
        case .conversations:
            .conversation(
                input: columns.text(5), response: columns.optionalText(6), extra: JSONDocument(stored: columns.text(7)))
        case .interactions:
            .interaction(type: columns.text(4), data: JSONDocument(stored: columns.text(5)))
        case .recommendations:
            .recommendations(
                shopID: columns.optionalText(4), recommendations: try JSONValue(parsing: columns.text(5).utf8),
                count: try columns.count(6))
        case .feedback:
            .feedback(
                type: columns.text(4), targetType: columns.optionalText(5), targetID: columns.optionalText(6),
                rating: columns.optionalReal(7), comment: columns.optionalText(8))
        }
    }
}

extension Database {
    /// Inserts an entry.
    func insert(_ entry: JournalEntry) throws {
        let own: [Argument] =
            switch entry.body {
            case .conversation(let input, let response, let extra):
                [.integer(entry.seq ?? 0), .text(input), .text(response), .text(extra.text)]
            case .interaction(let type, let data):
                [.text(type), .text(data.text)]
            case .recommendations(let shopID, let recommendations, let count):
                [.text(shopID), .text(recommendations.text), .integer(count)]
            case .feedback(let type, let targetType, let targetID, let rating, let comment):
                [.text(type), .text(targetType), .text(targetID), .real(rating), .text(comment)]
            }
        try run(
            entry.body.kind.insert,
            [.uuid(entry.id.uuid), .id(entry.sessionID), .user(entry.userID), .time(entry.at)] + own)
    }
}
