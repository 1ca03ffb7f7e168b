// SPDX-License-Identifier: Apache-2.0

internal import GRDB
public import Sojourn

extension SQLiteStore {
    public func facts(of id: SessionID) async throws -> SessionFacts? {
        try await read { db in
            guard try db.row(id) != nil else { return nil }
            var lowest = 1
            let facts = try db.all(
                "SELECT n, at, kind, actor, detail FROM session_facts WHERE session_id = ? ORDER BY n DESC", [.id(id)]
            ) { columns in
                lowest = try columns.count(0)
                return SessionFact(
                    at: columns.time(1), kind: try columns.name(2, "a fact's kind"),
                    actor: try columns.name(3, "an actor"), detail: columns.optionalText(4))
            }
            return SessionFacts(facts: facts, folded: lowest - 1)
        }
    }
}

extension Database {
    /// Writes down what happened to a session, and drops its oldest fact where there are more than are kept.
    func note(
        _ kind: SessionFactKind, of id: SessionID, at: Timestamp, by actor: Actor, detail: String? = nil
    ) throws {
        let last = try first("SELECT n FROM session_facts WHERE session_id = ? ORDER BY n DESC LIMIT 1", [.id(id)]) {
            try $0.count(0)
        }
        let n = (last ?? 0) + 1
        try run(
            "INSERT INTO session_facts (session_id, n, at, kind, actor, detail) VALUES (?, ?, ?, ?, ?, ?)",
            [.id(id), .integer(n), .time(at), .text(kind.rawValue), .text(actor.rawValue), .text(detail)])
        if n > SessionFacts.keptMax {
            try run(
                "DELETE FROM session_facts WHERE session_id = ? AND n <= ?",
                [.id(id), .integer(n - SessionFacts.keptMax)])
        }
    }
}
