// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import PostgresDriver
public import Sojourn

/// Appends of one kind in one lane.
typealias Appends = Fold<Append, SessionID, AppendOutcome?>

/// Entries to be written to a session's journal.
struct Append: Hashable, Sendable {
    /// The session.
    let id: SessionID
    /// What its token hashes to; nil where the caller is trusted.
    let digest: SecretDigest?
    /// What to write: entries of one kind.
    let entries: [NewEntry]
    /// How many turns the caller believes the session to have had.
    let expectedTurns: Int?
    /// What makes a repeat of the call the same call.
    let idempotency: IdempotencyKey?
}

/// What the database decided about an append to a session that it knows.
struct AppendOutcome: Sendable {
    enum Verdict: String {
        /// The session is not live for the caller.
        case refused
        /// The key was used for this body.
        case repeated
        /// The key was used for another body.
        case conflict
        /// The session has had another number of turns.
        case miscounted
        /// The entries are there.
        case written
    }

    /// What was done.
    let verdict: Verdict
    /// When.
    let at: Timestamp
    /// The session's user.
    let userID: UserID?
    /// How many turns it had before.
    let turns: Int
    /// For `repeated`: what the first call with the key wrote.
    let kept: Kept?

    /// What was kept of a call by its key.
    struct Kept {
        /// `KeptEntry`s.
        let text: String
        /// When the call was.
        let at: Timestamp
    }
}

extension PostgresStore {
    /// One statement for all who wait, after one that locks their sessions. Where a month is missing, it is made and the
    /// append done again: nobody is refused for want of a partition (J5).
    public func append(
        _ entries: [NewEntry], to access: SessionAccess, expectedTurns: Int?, idempotency: IdempotencyKey?
    ) async throws -> [JournalEntry] {
        let kind = entries.first?.body.kind ?? .conversations
        let append = Append(
            id: access.id, digest: access.digest, entries: entries, expectedTurns: expectedTurns,
            idempotency: idempotency)
        return try await answering {
            let fold = appends[kind, on: lane(of: access.id)]
            let share = try await makingMonths(for: entries.map(\.at)) { try await fold(append) }
            return try await written(append, share)
        }
    }

    private func written(_ append: Append, _ share: Appends.Share) async throws -> [JournalEntry] {
        guard let outcome = share.answer else { throw SojournError.noSession() }
        switch outcome.verdict {
        case .refused: throw SojournError.noSession()
        case .conflict: throw SojournError.idempotencyConflict()
        case .miscounted: throw SojournError.sequenceConflict(current: outcome.turns)
        case .repeated:
            guard let kept = outcome.kept else { return [] }
            return try await answer(of: kept)
        case .written:
            // Of several equal calls in one row the first wrote; without a key the others bring ids that are taken.
            guard share.leaders == 0 || append.idempotency != nil else {
                throw SojournError(.invalidInput, "An entry with this id was written already.")
            }
            return append.entries.enumerated().map { place, new in
                JournalEntry(
                    id: new.id, sessionID: append.id, userID: outcome.userID, at: new.at ?? outcome.at,
                    seq: new.body.kind == .conversations ? outcome.turns + place + 1 : nil, body: new.body)
            }
        }
    }
}

extension PostgresClient {
    /// The fold of a lane's appends of one kind.
    func appends(of kind: JournalKind, on lane: Int) -> Appends {
        let statements = (plain: Append.writing(kind, keyed: false), keyed: Append.writing(kind, keyed: true))
        return Fold(rowsMax: 128, patience: answerTimeout, key: \.id) { [self] rows in
            let sorted = rows.indices.sorted { rows[$0].job.id < rows[$1].job.id }
            var ids = PostgresArguments()
            ids.append(uuids: sorted.map { rows[$0].job.id.halves })
            let jobs = sorted.map { rows[$0].job }
            let isKeyed = jobs.contains { $0.idempotency != nil }
            let results = try await send(
                [
                    PostgresCall(SessionRow.locking, ids),
                    PostgresCall(
                        isKeyed ? statements.keyed : statements.plain,
                        try Append.arguments(jobs, of: kind, keyed: isKeyed)),
                ], lane: lane)
            var outcomes = [AppendOutcome?](repeating: nil, count: rows.count)
            for row in results[1] {
                let place = try row.int(0) - 1
                guard sorted.indices.contains(place) else { continue }
                outcomes[sorted[place]] = AppendOutcome(
                    verdict: try row.name(1), at: try row.time(2),
                    userID: try row.optionalText(3).map(UserID.init(stored:)), turns: try row.int(4),
                    kept: isKeyed && !row.isNull(5)
                        ? AppendOutcome.Kept(text: try row.json(5), at: try row.time(6)) : nil)
            }
            return outcomes
        }
    }
}

extension Append {
    /// The arguments of `writing`: the calls, then their entries.
    fileprivate static func arguments(_ jobs: [Append], of kind: JournalKind, keyed: Bool) throws -> PostgresArguments {
        var arguments = PostgresArguments(capacity: jobs.count * 400 + 400)
        arguments.append(uuids: jobs.map(\.id.halves))
        arguments.append(bytes: jobs.map { $0.digest?.bytes })
        arguments.append(int8s: jobs.map { $0.expectedTurns.map(Int64.init) })
        arguments.append(int4s: jobs.map { Int32(clamping: $0.entries.count) })
        // The span of the entries' own times; those without one happen at the database's now.
        arguments.append(microseconds: jobs.map { $0.entries.compactMap(\.at).min()?.microseconds })
        arguments.append(microseconds: jobs.map { $0.entries.compactMap(\.at).max()?.microseconds })
        arguments.append(bools: jobs.map { $0.entries.contains { $0.at == nil } })
        let entries = jobs.enumerated().flatMap { place, job in
            job.entries.enumerated().map { (place: place + 1, n: $0 + 1, entry: $1) }
        }
        arguments.append(int4s: entries.map { Int32(clamping: $0.place) })
        arguments.append(int4s: entries.map { Int32(clamping: $0.n) })
        arguments.append(uuids: entries.map(\.entry.id.halves))
        arguments.append(microseconds: entries.map { $0.entry.at?.microseconds })
        arguments.append(own: entries.map(\.entry.body), of: kind)
        if keyed {
            arguments.append(bytes: jobs.map { $0.idempotency?.scope })
            arguments.append(bytes: jobs.map { $0.idempotency?.body })
            arguments.append(jsons: try jobs.map { $0.idempotency == nil ? nil : try KeptEntry.text($0.entries) })
        }
        return arguments
    }

    /// Writes entries of one kind to locked sessions, and returns by the call's place what came of it. Every call is
    /// decided by one reading of the clock, on rows that nobody else can change meanwhile.
    fileprivate static func writing(_ kind: JournalKind, keyed: Bool) -> PostgresStatement {
        let own = kind.ownColumns.map(\.name).joined(separator: ", ")
        let ownTypes = kind.ownColumns.map(\.type)
        let ownPlaces = (12..<12 + ownTypes.count).map { "$\($0)" }.joined(separator: ", ")
        let next = 12 + ownTypes.count
        let span =
            kind == .conversations
            ? """
            ,
                    first_at = least(s.first_at, a.earliest, CASE WHEN a.is_now THEN a.at END),
                    last_at = greatest(s.last_at, a.latest, CASE WHEN a.is_now THEN a.at END)
            """ : ""
        let sql = """
            WITH t AS MATERIALIZED (
                SELECT sojourn.clock() AS at
            ), asked AS MATERIALIZED (
                SELECT a.*, t.at, s.user_id, s.turn_count, s.\(kind.counter) AS before,
                    CASE
                        WHEN (sojourn.session_live(s, t.at) AND sojourn.session_opens(s, a.digest)) IS NOT TRUE THEN 'refused'
                        \(keyed ? keyedVerdicts : "")
                        WHEN a.expected <> s.turn_count THEN 'miscounted'
                        ELSE 'written'
                    END AS verdict\(keyed ? ", k.answer AS kept, k.created_at AS kept_at" : "")
                FROM t
                CROSS JOIN unnest($1, $2, $3, $4, $5, $6, $7\(keyed ? ", $\(next), $\(next + 1), $\(next + 2)" : ""))
                    WITH ORDINALITY AS a (
                        session_id, digest, expected, entries, earliest, latest, is_now
                        \(keyed ? ", scope, body, answer" : ""), place)
                JOIN sojourn.session_master AS s ON s.session_id = a.session_id
                \(keyed ? keyedJoin : "")
            ), written AS (
                INSERT INTO sojourn.\(kind.table) (id, session_id, user_id, \(kind.timeField), seq, \(own))
                SELECT e.id, a.session_id, a.user_id, coalesce(e.own_time, a.at), a.before + e.n, \(kind.ownColumns(of: "e."))
                FROM unnest($8, $9, $10, $11, \(ownPlaces)) AS e (place, n, id, own_time, \(own))
                JOIN asked AS a ON a.place = e.place
                WHERE a.verdict = 'written'
            ), renewed AS (
                UPDATE sojourn.session_master AS s
                SET \(kind.counter) = s.\(kind.counter) + a.entries,
                    last_activity = greatest(s.last_activity, a.at),
                    expires_at = CASE s.renewal
                        WHEN 'fixed' THEN s.expires_at ELSE sojourn.session_renewed(s, a.at) END\(span)
                FROM asked AS a
                WHERE s.session_id = a.session_id AND a.verdict = 'written'
            )\(keyed ? remembering : "")
            SELECT place, verdict, at, user_id, turn_count\(keyed ? ", kept, kept_at" : "") FROM asked
            """
        return PostgresStatement(
            sql,
            [
                .uuids, .byteas, .int8s, .int4s, .timestamptzs, .timestamptzs, .bools, .int4s, .int4s, .uuids,
                .timestamptzs,
            ]
                + ownTypes + (keyed ? [.byteas, .byteas, .jsonbs] : []))
    }

    private static let keyedVerdicts = """
        WHEN k.body_digest = a.body THEN 'repeated'
        WHEN k.scope IS NOT NULL THEN 'conflict'
        """
    private static let keyedJoin = """
        LEFT JOIN sojourn.idempotency_keys AS k
            ON k.scope = a.scope AND k.created_at > t.at - interval '24 hours'
        """
    /// A key past its 24 h gives way.
    private static let remembering = """
        , remembered AS (
            INSERT INTO sojourn.idempotency_keys AS k (scope, body_digest, session_id, created_at, answer)
            SELECT scope, body, session_id, at, answer FROM asked
            WHERE verdict = 'written' AND scope IS NOT NULL
            ON CONFLICT (scope) DO UPDATE
            SET body_digest = excluded.body_digest, session_id = excluded.session_id,
                created_at = excluded.created_at, answer = excluded.answer
        )
        """
}
