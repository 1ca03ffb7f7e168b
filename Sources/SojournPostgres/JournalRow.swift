// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
internal import Sojourn

/// Where each kind of journal entry stands, and how its row is written and read.
extension JournalKind {
    /// Its table, without the schema.
    var table: String {
        switch self {
        case .conversations: "conversations"
        case .interactions: "user_interactions"
        case .recommendations: "recommendations_log"
        case .feedback: "user_feedback"
        }
    }

    /// The column of the session that counts its entries.
    var counter: String {
        switch self {
        case .conversations: "turn_count"
        case .interactions: "interaction_count"
        case .recommendations: "recommendation_count"
        case .feedback: "feedback_count"
        }
    }

    /// The columns that only this kind has, with their types as arrays.
    var ownColumns: [(name: String, type: PostgresType)] {
        switch self {
        case .conversations: [("input_text", .texts), ("response_text", .texts), ("extra", .jsonbs)]
        case .interactions: [("interaction_type", .texts), ("data", .jsonbs)]
        case .recommendations: [("shop_id", .texts), ("recommendations", .jsonbs), ("recommendation_count", .int4s)]
        case .feedback:
            [
                ("feedback_type", .texts), ("feedback_target_type", .texts), ("feedback_target_id", .texts),
                ("rating", .float8s), ("comment", .texts),
            ]
        }
    }

    /// The names of `ownColumns`, each after `prefix`.
    func ownColumns(of prefix: String) -> String { ownColumns.map { prefix + $0.name }.joined(separator: ", ") }

    /// The columns that `read` takes, in its order, of the table as `c`.
    var columns: String { "c.id, c.session_id, c.user_id, c.\(timeField), c.seq, \(ownColumns(of: "c."))" }

    /// Reads a row of a result that has `columns` from `first` on.
    func read(_ row: PostgresRow, from first: Int = 0) throws -> JournalEntry {
        JournalEntry(
            id: try row.entryID(first), sessionID: try row.sessionID(first + 1),
            userID: try row.optionalText(first + 2).map(UserID.init(stored:)), at: try row.time(first + 3),
            seq: self == .conversations ? try row.int(first + 4) : nil, body: try body(row, from: first + 5))
    }

    private func body(_ row: PostgresRow, from first: Int) throws -> JournalBody {
        switch self {
        case .conversations:
            .conversation(
                input: try row.text(first), response: try row.optionalText(first + 1),
                extra: try row.document(first + 2))
        case .interactions:
            .interaction(type: try row.text(first), data: try row.document(first + 1))
        case .recommendations:
            .recommendations(
                shopID: try row.optionalText(first),
                recommendations: try row.jsonValue(first + 1), count: try row.int(first + 2))
        case .feedback:
            .feedback(
                type: try row.text(first), targetType: try row.optionalText(first + 1),
                targetID: try row.optionalText(first + 2), rating: try row.optionalDouble(first + 3),
                comment: try row.optionalText(first + 4))
        }
    }
}

/// Folds of the journal, one for each kind in each lane.
struct FoldsByKind<Fold: Sendable>: Sendable {
    private let folds: [JournalKind: [Fold]]

    /// The folds that `make` makes.
    init(_ lanes: Range<Int>, _ make: (JournalKind, Int) -> Fold) {
        folds = Dictionary(
            uniqueKeysWithValues: JournalKind.allCases.map { kind in (kind, lanes.map { make(kind, $0) }) })
    }

    /// The fold of a kind in a lane.
    subscript(kind: JournalKind, on lane: Int) -> Fold {
        guard let folds = folds[kind] else { preconditionFailure("every kind has its folds") }
        return folds[lane]
    }
}

/// The own columns of entries of one kind, as arrays.
extension PostgresArguments {
    mutating func append(own bodies: [JournalBody], of kind: JournalKind) {
        switch kind {
        case .conversations:
            append(texts: bodies.map { if case .conversation(let input, _, _) = $0 { input } else { nil } })
            append(texts: bodies.map { if case .conversation(_, let response, _) = $0 { response } else { nil } })
            append(jsons: bodies.map { if case .conversation(_, _, let extra) = $0 { extra.text } else { nil } })
        case .interactions:
            append(texts: bodies.map { if case .interaction(let type, _) = $0 { type } else { nil } })
            append(jsons: bodies.map { if case .interaction(_, let data) = $0 { data.text } else { nil } })
        case .recommendations:
            append(texts: bodies.map { if case .recommendations(let shop, _, _) = $0 { shop } else { nil } })
            append(jsons: bodies.map { if case .recommendations(_, let list, _) = $0 { list.text } else { nil } })
            append(
                int4s: bodies.map {
                    if case .recommendations(_, _, let count) = $0 { Int32(clamping: count) } else { nil }
                })
        case .feedback:
            append(texts: bodies.map { if case .feedback(let type, _, _, _, _) = $0 { type } else { nil } })
            append(texts: bodies.map { if case .feedback(_, let type, _, _, _) = $0 { type } else { nil } })
            append(texts: bodies.map { if case .feedback(_, _, let id, _, _) = $0 { id } else { nil } })
            append(float8s: bodies.map { if case .feedback(_, _, _, let rating, _) = $0 { rating } else { nil } })
            append(texts: bodies.map { if case .feedback(_, _, _, _, let comment) = $0 { comment } else { nil } })
        }
    }
}

extension EntryID {
    /// The id as the driver takes it.
    var halves: (UInt64, UInt64) { (uuid.high, uuid.low) }
}

extension PostgresRow {
    /// An entry's id.
    func entryID(_ column: Int) throws -> EntryID {
        let (high, low) = try uuid(column)
        return EntryID(UUIDBytes(high: high, low: low))
    }

    /// JSON that somebody may have written in SQL, where numbers have no limit.
    fileprivate func jsonValue(_ column: Int) throws -> JSONValue {
        let text = try json(column)
        do {
            return try JSONValue(parsing: text.utf8)
        } catch {
            throw SojournError(.storeDamaged, "Stored JSON cannot be read.", underlying: error)
        }
    }
}
