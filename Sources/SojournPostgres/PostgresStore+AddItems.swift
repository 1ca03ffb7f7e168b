// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

/// Items added to sessions of one lane.
typealias Additions = Fold<Addition, SessionID, AdditionOutcome>

/// Items to be added to a session.
struct Addition: Hashable, Sendable {
    /// The session.
    let id: SessionID
    /// What its token hashes to; nil where the caller is trusted.
    let digest: SecretDigest?
    /// The items, each once.
    let items: [ItemID]
    /// The most that the session may hold.
    let holdMax: Int
}

/// What the database decided about an addition.
struct AdditionOutcome: Sendable {
    /// Whether the session was live for the caller.
    var isAdmitted = false
    /// Whether it was done.
    var isDone = false
    /// Items that the catalogue lacks.
    var unknown: Set<ItemID> = []
    /// Items that the session did not hold before.
    var added: Set<ItemID> = []
}

extension PostgresStore {
    public func add(_ ids: [ItemID], to access: SessionAccess, holdMax: Int) async throws -> ItemsAdded {
        var seen: Set<ItemID> = []
        let ids = ids.filter { seen.insert($0).inserted }
        return try await answering {
            let share = try await additions[lane(of: access.id)](
                Addition(id: access.id, digest: access.digest, items: ids, holdMax: holdMax))
            let outcome = share.answer
            guard outcome.isAdmitted else { throw SojournError.noSession() }
            guard outcome.unknown.isEmpty else { throw SojournError.unknownItems(ids.filter(outcome.unknown.contains)) }
            guard outcome.isDone else { throw SojournError.heldItemsLimit(holdMax) }
            // Of several equal calls in one row, the first added them.
            let added = share.leaders == 0 ? outcome.added : []
            return ItemsAdded(added: ids.filter(added.contains), alreadyPresent: ids.filter { !added.contains($0) })
        }
    }
}

extension PostgresClient {
    /// The fold of a lane's additions.
    func additions(on lane: Int) -> Additions {
        Fold(rowsMax: 64, patience: answerTimeout, key: \.id) { [self] rows in
            let sorted = rows.indices.sorted { rows[$0].job.id < rows[$1].job.id }
            var ids = PostgresArguments()
            ids.append(uuids: sorted.map { rows[$0].job.id.halves })
            var arguments = ids
            arguments.append(bytes: sorted.map { rows[$0].job.digest?.bytes })
            arguments.append(int8s: sorted.map { Int64(rows[$0].job.holdMax) })
            let wanted = sorted.enumerated().flatMap { place, row in
                rows[row].job.items.map { (place: Int64(place + 1), item: $0) }
            }
            arguments.append(int8s: wanted.map(\.place))
            arguments.append(int8s: wanted.map(\.item))
            let results = try await send(
                [PostgresCall(SessionRow.locking, ids), PostgresCall(Addition.adding, arguments)], lane: lane)
            var outcomes = [AdditionOutcome](repeating: AdditionOutcome(), count: rows.count)
            for row in results[1] {
                let place = try row.int(0) - 1
                guard sorted.indices.contains(place) else { continue }
                try outcomes[sorted[place]].note(row)
            }
            return outcomes
        }
    }
}

extension AdditionOutcome {
    /// Takes in a row of `Addition.adding`.
    fileprivate mutating func note(_ row: PostgresRow) throws {
        switch try row.text(1) {
        case "admitted": isAdmitted = true
        case "done": isDone = true
        case "unknown": unknown.insert(Int64(try row.int(2)))
        default: added.insert(Int64(try row.int(2)))
        }
    }
}

extension Addition {
    /// Adds items to the locked sessions of three arrays (id, digest shown, most items held), the items in two (which
    /// session, by its place from 1; which item), each session's all or none, and renews as a write does. Returns what
    /// came of it, by the session's place.
    fileprivate static let adding = PostgresStatement(
        """
        WITH t AS MATERIALIZED (
            SELECT sojourn.clock() AS at
        ), admitted AS MATERIALIZED (
            SELECT a.place, a.session_id, a.hold_max
            FROM t
            CROSS JOIN unnest($1, $2, $3) WITH ORDINALITY AS a (session_id, digest, hold_max, place)
            JOIN sojourn.session_master AS s ON s.session_id = a.session_id
            WHERE sojourn.session_live(s, t.at) AND sojourn.session_opens(s, a.digest)
        ), wanted AS MATERIALIZED (
            SELECT a.place, a.session_id, w.item_id
            FROM unnest($4, $5) AS w (place, item_id)
            JOIN admitted AS a ON a.place = w.place
        ), unknown AS MATERIALIZED (
            SELECT place, item_id FROM wanted AS w
            WHERE NOT EXISTS (SELECT 1 FROM sojourn.items AS i WHERE i.item_id = w.item_id)
        ), fresh AS MATERIALIZED (
            SELECT place, session_id, item_id FROM wanted AS w
            WHERE NOT EXISTS (
                SELECT 1 FROM sojourn.session_items AS h
                WHERE h.session_id = w.session_id AND h.item_id = w.item_id)
        ), done AS MATERIALIZED (
            SELECT place, session_id FROM admitted AS a
            WHERE NOT EXISTS (SELECT 1 FROM unknown AS u WHERE u.place = a.place)
                AND (SELECT count(*) FROM sojourn.session_items AS h WHERE h.session_id = a.session_id)
                    + (SELECT count(*) FROM fresh AS f WHERE f.place = a.place) <= a.hold_max
        ), added AS (
            INSERT INTO sojourn.session_items (session_id, item_id, added_at)
            SELECT f.session_id, f.item_id, t.at
            FROM fresh AS f
            JOIN done AS d ON d.place = f.place
            CROSS JOIN t
            ON CONFLICT (session_id, item_id) DO NOTHING
            RETURNING session_id, item_id
        ), renewed AS (
            UPDATE sojourn.session_master AS s
            SET last_activity = greatest(s.last_activity, t.at),
                expires_at = CASE s.renewal WHEN 'fixed' THEN s.expires_at ELSE sojourn.session_renewed(s, t.at) END
            FROM t, done AS d
            WHERE s.session_id = d.session_id
        )
        SELECT place, 'admitted', NULL::bigint FROM admitted
        UNION ALL
        SELECT place, 'unknown', item_id FROM unknown
        UNION ALL
        SELECT place, 'done', NULL FROM done
        UNION ALL
        SELECT d.place, 'added', a.item_id FROM added AS a JOIN done AS d ON d.session_id = a.session_id
        """, [.uuids, .byteas, .int8s, .int8s, .int8s])
}
