// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
internal import Sojourn

// Entries that came through a queue (K4) are inserted as plain SQL inserts are (J6): the trigger `place_entry` numbers them in
// their session, whether that is live or not, gives them its user, and renews it where it is live.

/// What became of the entries of one call.
enum QueuedOutcome: Sendable, Hashable {
    /// They are there now.
    case written
    /// They were there.
    case present
    /// There is no such session any more.
    case gone
}

extension PostgresTransaction {
    /// Writes entries of several calls, in their order; those that are there, by their id and time, once. A round trip that
    /// locks the sessions, and one for all kinds.
    func write(_ calls: [QueuedEntries]) async throws -> [QueuedOutcome] {
        guard !calls.isEmpty else { return [] }
        var byKind: [JournalKind: [(call: Int, entry: QueuedEntries.Entry)]] = [:]
        for (place, call) in calls.enumerated() {
            for entry in call.entries { byKind[entry.body.kind, default: []].append((place, entry)) }
        }
        var sessions = PostgresArguments()
        sessions.append(uuids: Set(calls.map(\.sessionID)).sorted().map(\.halves))
        let inserts = byKind.map { kind, entries in
            var arguments = PostgresArguments(capacity: entries.count * 300 + 100)
            arguments.append(int4s: entries.map { Int32(clamping: $0.call) })
            arguments.append(uuids: entries.map(\.entry.id.halves))
            arguments.append(uuids: entries.map { calls[$0.call].sessionID.halves })
            arguments.append(microseconds: entries.map(\.entry.at.microseconds))
            arguments.append(own: entries.map(\.entry.body), of: kind)
            return PostgresCall(kind.queuedInsert, arguments)
        }
        let results = try await run([PostgresCall(SessionRow.locking, sessions)] + inserts)
        var outcomes = [QueuedOutcome](repeating: .present, count: calls.count)
        for row in results.dropFirst().joined() {
            outcomes[try row.int(0)] = try row.bool(1) ? .written : .gone
        }
        return outcomes
    }
}

extension JournalKind {
    /// Inserts entries by call, id, session and time into locked sessions, and returns the calls of which it wrote some, and
    /// those whose session is gone.
    fileprivate var queuedInsert: PostgresStatement {
        let own = ownColumns(of: "")
        let sameTime = self == .conversations ? " AND c.\(timeField) = e.own_time" : ""
        return PostgresStatement(
            """
            WITH e AS MATERIALIZED (
                SELECT a.*, s.session_id IS NULL AS is_gone
                FROM unnest($1, $2, $3, $4, \((5..<5 + ownColumns.count).map { "$\($0)" }.joined(separator: ", ")))
                    WITH ORDINALITY AS a (call, id, session_id, own_time, \(own), place)
                LEFT JOIN sojourn.session_master AS s ON s.session_id = a.session_id
            ), written AS (
                INSERT INTO sojourn.\(table) (id, session_id, \(timeField), \(own))
                SELECT n.id, n.session_id, n.own_time, \(ownColumns(of: "n."))
                FROM (
                    SELECT DISTINCT ON (e.id, e.session_id, e.own_time) e.* FROM e
                    WHERE NOT e.is_gone AND NOT EXISTS (
                        SELECT FROM sojourn.\(table) AS c
                        WHERE c.id = e.id AND c.session_id = e.session_id\(sameTime))
                    ORDER BY e.id, e.session_id, e.own_time, e.place
                ) AS n
                ORDER BY n.place
                RETURNING id
            )
            SELECT DISTINCT e.call, NOT e.is_gone
            FROM e LEFT JOIN written AS w USING (id)
            WHERE e.is_gone OR w.id IS NOT NULL
            """, [.int4s, .uuids, .uuids, .timestamptzs] + ownColumns.map(\.type))
    }
}
