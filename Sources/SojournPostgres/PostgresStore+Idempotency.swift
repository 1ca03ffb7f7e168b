// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import PostgresDriver
internal import Sojourn

/// What is kept of an entry to answer its key again; the rest stands in its row, which only `finish` changes.
struct KeptEntry: Codable {
    /// The entry's id.
    let id: String
    /// Its kind.
    let kind: JournalKind
    /// Its own time in microseconds; nil for when the key was used.
    let at: Int64?
    /// For a turn that was written without a response: what its extra was then.
    let openExtra: String?

    private init(_ entry: NewEntry) {
        id = entry.id.description
        kind = entry.body.kind
        at = entry.at?.microseconds
        if case .conversation(_, nil, let extra) = entry.body { openExtra = extra.text } else { openExtra = nil }
    }

    /// What is kept of several, as JSON.
    static func text(_ entries: [NewEntry]) throws -> String {
        String(decoding: try JSONEncoder().encode(entries.map(Self.init)), as: UTF8.self)
    }
}

extension PostgresStore {
    /// What the first call with this key was answered, though a turn was finished since. An entry that was erased since
    /// is left out.
    func firstAnswer(to key: IdempotencyKey) async throws -> [JournalEntry] {
        var scope = PostgresArguments()
        scope.append(bytes: key.scope)
        guard let row = try await read(PostgresCall(Self.answerByKey, scope)).first else { return [] }
        let usedAt = try row.time(1)
        guard let kept = try? JSONDecoder().decode([KeptEntry].self, from: Data(try row.json(0).utf8)),
            let kind = kept.first?.kind
        else { throw SojournError(.storeDamaged, "The answer to an idempotency key could not be read.") }
        let ids = kept.compactMap { EntryID($0.id) }
        var arguments = PostgresArguments()
        arguments.append(uuids: ids.map(\.halves))
        arguments.append(microseconds: kept.map { $0.at ?? usedAt.microseconds })
        let found = try await read(PostgresCall(Self.entries(kind), arguments)).map { try kind.read($0) }
        let byID = Dictionary(found.map { ($0.id, $0) }) { first, _ in first }
        return zip(ids, kept).compactMap { id, kept in
            guard var entry = byID[id] else { return nil }
            if let extra = kept.openExtra, case .conversation(let input, _, _) = entry.body {
                entry.body = .conversation(input: input, response: nil, extra: JSONDocument(stored: extra))
            }
            return entry
        }
    }

    private static let answerByKey = PostgresStatement(
        "SELECT answer, created_at FROM sojourn.idempotency_keys WHERE scope = $1", [.bytea])

    /// Entries by their ids and times.
    private static func entries(_ kind: JournalKind) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT \(kind.columns)
            FROM unnest($1, $2) AS a (id, at)
            JOIN sojourn.\(kind.table) AS c ON c.id = a.id AND c.\(kind.timeField) = a.at
            """, [.uuids, .timestamptzs])
    }
}
