// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
internal import Sojourn

// Entries that came through a queue (K4) are numbered in their session, whether that is live or not, and get its user.

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
        let inserts = zip(JournalKind.allCases, JournalKind.queuedInserts).compactMap {
            kind, statement -> PostgresCall? in
            guard let entries = byKind[kind] else { return nil }
            var arguments = PostgresArguments(capacity: entries.count * 300 + 100)
            arguments.append(microseconds: entries.map(\.entry.at.microseconds).min())
            arguments.append(microseconds: entries.map(\.entry.at.microseconds).max())
            arguments.append(int4s: entries.map { Int32(clamping: $0.call) })
            arguments.append(uuids: entries.map(\.entry.id.halves))
            arguments.append(uuids: entries.map { calls[$0.call].sessionID.halves })
            arguments.append(microseconds: entries.map(\.entry.at.microseconds))
            arguments.append(own: entries.map(\.entry.body), of: kind)
            return PostgresCall(statement, arguments)
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
    /// `queuedInsert` of each kind.
    fileprivate static let queuedInserts = allCases.map(\.queuedInsert)

    /// Inserts entries by call, id, session and time into locked sessions, within the times from `$1` to `$2`, and returns the
    /// calls of which it wrote some, and those whose session is gone. The sessions' lives stay as they are: they were renewed
    /// when the entries were taken.
    private var queuedInsert: PostgresStatement {
        let own = ownColumns(of: "")
        // A turn's id is one within its month, so the months are named.
        let sameTime =
            self == .conversations
            ? "\n                    AND c.\(timeField) = e.own_time AND c.\(timeField) BETWEEN $1 AND $2" : ""
        let span =
            self == .conversations
            ? ", first_at = least(s.first_at, p.earliest), last_at = greatest(s.last_at, p.latest)" : ""
        return PostgresStatement(
            """
            WITH e AS MATERIALIZED (
                SELECT a.*
                FROM unnest($3, $4, $5, $6, \((7..<7 + ownColumns.count).map { "$\($0)" }.joined(separator: ", ")))
                    WITH ORDINALITY AS a (call, id, session_id, own_time, \(own), place)
            ), fresh AS MATERIALIZED (
                SELECT DISTINCT ON (e.id, e.session_id, e.own_time) e.*, s.user_id, s.\(counter) AS before
                FROM e
                JOIN sojourn.session_master AS s ON s.session_id = e.session_id
                WHERE NOT EXISTS (
                    SELECT FROM sojourn.\(table) AS c
                    WHERE c.id = e.id AND c.session_id = e.session_id\(sameTime))
                ORDER BY e.id, e.session_id, e.own_time, e.place
            ), written AS (
                INSERT INTO sojourn.\(table) (id, session_id, user_id, \(timeField), seq, \(own))
                SELECT f.id, f.session_id, f.user_id, f.own_time,
                    f.before + row_number() OVER (PARTITION BY f.session_id ORDER BY f.place), \(ownColumns(of: "f."))
                FROM fresh AS f
            ), counted AS (
                UPDATE sojourn.session_master AS s
                SET \(counter) = s.\(counter) + p.entries\(span)
                FROM (
                    SELECT session_id, count(*) AS entries, min(own_time) AS earliest, max(own_time) AS latest
                    FROM fresh
                    GROUP BY session_id) AS p
                WHERE s.session_id = p.session_id
            )
            SELECT call, true FROM fresh GROUP BY call
            UNION ALL
            SELECT e.call, false
            FROM e
            LEFT JOIN sojourn.session_master AS s ON s.session_id = e.session_id
            WHERE s.session_id IS NULL
            GROUP BY e.call
            """, [.timestamptz, .timestamptz, .int4s, .uuids, .uuids, .timestamptzs] + ownColumns.map(\.type))
    }
}
