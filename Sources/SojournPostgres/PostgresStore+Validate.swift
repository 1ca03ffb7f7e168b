// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

/// Validations of one lane; a validated session is read out of its row by the caller who wants it.
typealias Validations = Fold<Validation, SessionID, PostgresRow?>

/// A validation to be done.
struct Validation: Hashable, Sendable {
    /// The session.
    let id: SessionID
    /// What its token hashes to; nil where the caller is trusted.
    let digest: SecretDigest?
}

extension PostgresStore {
    public func validate(_ access: SessionAccess) async throws -> Session? {
        try await answering {
            let share = try await validations[lane(of: access.id)](Validation(id: access.id, digest: access.digest))
            guard let row = share.answer else { return nil }
            var session = try Session(row)
            // Of several callers in one row, each counted: who came first has the lower number.
            session.requestCount -= share.followers
            return session
        }
    }
}

extension PostgresClient {
    /// The fold of a lane's validations.
    func validations(on lane: Int) -> Validations {
        Fold(patience: answerTimeout, key: \.id) { [self] rows in
            let sorted = rows.indices.sorted { rows[$0].job.id < rows[$1].job.id }
            var arguments = PostgresArguments(capacity: rows.count * 72 + 80)
            arguments.append(uuids: sorted.map { rows[$0].job.id.halves })
            arguments.append(bytes: sorted.map { rows[$0].job.digest?.bytes })
            arguments.append(int4s: sorted.map { Int32(clamping: rows[$0].count) })
            let found = try await query(PostgresCall(Validation.statement, arguments), lane: lane)
            var answers = [PostgresRow?](repeating: nil, count: rows.count)
            for row in found {
                // `place` counts from 1 in the order of the arrays.
                let place = try row.int(Session.columnCount) - 1
                guard sorted.indices.contains(place) else { continue }
                answers[sorted[place]] = row
            }
            return answers
        }
    }
}

extension Validation {
    /// Validates every session of three arrays in one statement: id, digest shown, number of callers. It decides on the
    /// row that it changes alone, so that whatever was committed before it wrote that row counts, and touches no index
    /// unless an expiry moves into another hour. Digests are hashes: how long their comparison takes tells nothing.
    static let statement = PostgresStatement(
        """
        UPDATE sojourn.session_master AS s
        SET request_count = s.request_count + a.callers,
            last_activity = greatest(s.last_activity, t.at),
            expires_at = CASE s.renewal WHEN 'onAccess' THEN sojourn.session_renewed(s, t.at) ELSE s.expires_at END
        FROM (SELECT sojourn.clock() AS at) AS t,
            unnest($1, $2, $3) WITH ORDINALITY AS a (session_id, digest, callers, place)
        WHERE s.session_id = a.session_id
            AND sojourn.session_live(s, t.at)
            AND (sojourn.session_opens(s, a.digest) OR (s.previous_digest = a.digest AND s.previous_until > t.at))
        RETURNING \(Session.columns), a.place
        """, [.uuids, .byteas, .int4s])
}
