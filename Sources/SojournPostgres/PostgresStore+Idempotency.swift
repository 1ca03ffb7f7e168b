// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
internal import Sojourn

extension PostgresStore {
    /// What the first call with a key was answered, out of what was kept of it. An entry that was erased since is left out.
    func answer(of kept: AppendOutcome.Kept) async throws -> [JournalEntry] {
        let entries = try KeptEntry.parse(kept.text)
        guard let kind = entries.first?.kind else { return [] }
        let ids = entries.compactMap(\.entryID)
        var arguments = PostgresArguments()
        arguments.append(uuids: ids.map(\.halves))
        arguments.append(microseconds: entries.map { ($0.ownTime ?? kept.at).microseconds })
        let found = try await read(PostgresCall(Self.entries(kind), arguments)).map { try kind.read($0) }
        let byID = Dictionary(found.map { ($0.id, $0) }) { first, _ in first }
        return zip(ids, entries).compactMap { id, kept in byID[id].map(kept.asWritten) }
    }

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
