// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

extension PostgresStore {
    public func facts(of id: SessionID) async throws -> SessionFacts? {
        try await answering {
            let rows = try await read(PostgresCall(Self.facts, id))
            guard let newest = rows.first else { return nil }
            // A session to which nothing has happened yet is one row without a fact.
            var facts = try rows.filter { !$0.isNull(3) }.map { row in
                SessionFact(
                    at: try row.time(3), kind: try row.name(4), actor: try row.name(5), detail: try row.optionalText(6))
            }
            let noted = try newest.int(0)
            if noted <= SessionFacts.keptMax {
                facts.append(SessionFact(at: try newest.time(1), kind: .created, actor: try newest.name(2)))
            }
            return SessionFacts(facts: facts, folded: noted - facts.count)
        }
    }

    private static let facts = PostgresStatement(
        """
        SELECT s.fact_count, s.session_start, s.created_by, f.at, f.kind, f.actor, f.detail
        FROM sojourn.session_master AS s
        LEFT JOIN sojourn.session_facts AS f ON f.session_id = s.session_id
        WHERE s.session_id = $1
        ORDER BY f.n DESC
        """, [.uuid])
}
