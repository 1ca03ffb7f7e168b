// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

/// Ends of one lane; whether there was a live session to end.
typealias Ends = Fold<SessionAccess, SessionID, Bool>

extension PostgresStore {
    public func end(_ accesses: [SessionAccess]) async throws -> [Bool] {
        try await answering {
            try await Ends.all(accesses.map { (ends[lane(of: $0.id)], $0) }).map { share in
                // Of several equal calls in one row, the first ended the session.
                let share = try share.get()
                return share.answer && share.leaders == 0
            }
        }
    }

    public func delete(_ id: SessionID) async throws -> Bool {
        try await answering {
            try await client.query(PostgresCall(Self.deletion, id), lane: lane(of: id)).affected > 0
        }
    }

    private static let deletion = PostgresStatement(
        """
        DELETE FROM sojourn.session_master
        WHERE session_id = $1
        """, [.uuid])
}

extension PostgresClient {
    /// The fold of a lane's ends.
    func ends(on lane: Int) -> Ends {
        Fold(patience: answerTimeout, key: \.id) { [self] rows in
            let sorted = rows.map(\.job).sorted { $0.id < $1.id }
            var arguments = PostgresArguments(capacity: rows.count * 80 + 80)
            arguments.append(uuids: sorted.map(\.id.halves))
            arguments.append(bytes: sorted.map { $0.digest?.bytes })
            arguments.append(texts: sorted.map(\.endReason.rawValue))
            arguments.append(texts: sorted.map(\.actor.rawValue))
            var ended: Set<SessionID> = []
            for row in try await query(PostgresCall(SessionAccess.ending, arguments), lane: lane) {
                ended.insert(try row.sessionID(0))
            }
            return rows.map { ended.contains($0.job.id) }
        }
    }
}

extension SessionAccess {
    /// Why a session ends that this caller ends.
    fileprivate var endReason: EndReason { actor == .token ? .logout : .ended }

    /// Ends every session of four arrays: id, digest shown, reason, actor; returns the ids of those that were live.
    fileprivate static let ending = PostgresStatement(
        """
        WITH ended AS (
            UPDATE sojourn.session_master AS s
            SET session_end = t.at, end_reason = a.reason,
                previous_digest = NULL, previous_until = NULL, successor_sealed = NULL,
                fact_count = s.fact_count + 1
            FROM (SELECT sojourn.clock() AS at) AS t,
                unnest($1, $2, $3, $4) AS a (session_id, digest, reason, actor)
            WHERE s.session_id = a.session_id
                AND sojourn.session_live(s, t.at)
                AND sojourn.session_opens(s, a.digest)
            RETURNING s.session_id, s.fact_count, s.session_end, a.reason, a.actor
        ), noted AS (
            INSERT INTO sojourn.session_facts (session_id, n, at, kind, actor, detail)
            SELECT session_id, fact_count, session_end, 'ended', actor, reason FROM ended
        )
        SELECT session_id FROM ended
        """, [.uuids, .byteas, .texts, .texts])
}
