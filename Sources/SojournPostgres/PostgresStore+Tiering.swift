// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

/// Images of one lane's sessions; each is read out of its row by the caller who wants it.
typealias Copyings = Fold<SessionID, SessionID, PostgresRow?>

/// Validations of one lane's sessions that a cache answered.
typealias Touches = Fold<SessionTouch, SessionID, Void>

extension PostgresStore: TruthStore {
    /// One round trip, which writes every ten seconds, for all nodes together. Where an era is to begin there are three,
    /// the second on a connection of its own, since it may have to wait for others.
    public func pendingChanges(max: Int) async throws -> PendingChanges {
        try await answering {
            if let changes = try await watch(max: max) { return changes }
            do {
                _ = try await client.runAlone(PostgresCall(Self.beginning))
            } catch let error as PostgresError where error.isLockBusy {
                // Others who begin one are waited for as well, and may have done so.
                if let changes = try await watch(max: max) { return changes }
                throw SojournError(
                    .storeUnavailable,
                    """
                    A transaction that changed sessions while no cache was in use is still open, so none can be used. \
                    pg_stat_activity shows the oldest (ORDER BY xact_start): end it, or wait.
                    """, underlying: error)
            }
            guard let changes = try await watch(max: max) else {
                throw SojournError(.storeUnavailable, "The database took a minute to answer. Look at its load.")
            }
            return changes
        }
    }

    public func announce(_ ids: [SessionID]) async throws -> [PendingChange] {
        guard !ids.isEmpty else { return [] }
        var arguments = PostgresArguments(capacity: ids.count * 20 + 20)
        arguments.append(uuids: ids.map(\.halves))
        return try await answering {
            try await client.query(PostgresCall(Self.announcing, arguments), retry: .ifInterrupted).map { row in
                PendingChange(session: try row.sessionID(1), serial: Int64(try row.int(0)), isAnnouncement: true)
            }
        }
    }

    public func settle(_ changes: [PendingChange]) async throws {
        guard !changes.isEmpty else { return }
        // In one order, so that no two who settle the same changes wait for each other.
        let sorted = changes.sorted { $0.serial < $1.serial }
        var arguments = PostgresArguments(capacity: sorted.count * 32 + 60)
        arguments.append(int8s: sorted.map(\.serial))
        arguments.append(uuids: sorted.map(\.session.halves))
        try await answering {
            _ = try await client.query(PostgresCall(Self.settling, arguments), retry: .ifInterrupted)
        }
    }

    public func images(of ids: [SessionID]) async throws -> [SessionImage?] {
        try await answering {
            try await Copyings.all(ids.map { (copyings[lane(of: $0)], $0) }).map { share in
                guard let row = try share.get().answer else { return nil }
                return SessionImage(record: try SessionRecord(row), at: try row.time(SessionRecord.columnCount))
            }
        }
    }

    public func add(_ touches: [SessionTouch]) async throws {
        // A fold takes a session's touches one after the other, so they are put together before.
        let merged = Dictionary(touches.map { ($0.session, $0) }) { one, other in
            SessionTouch(session: one.session, count: one.count + other.count, last: Swift.max(one.last, other.last))
        }
        try await answering {
            let shares = await Touches.all(merged.values.map { (self.touches[lane(of: $0.session)], $0) })
            for share in shares { _ = try share.get() }
        }
    }

    /// The pending changes of the era; nil where it is over.
    private func watch(max: Int) async throws -> PendingChanges? {
        var arguments = PostgresArguments()
        // One more than asked for tells whether these are all.
        arguments.append(int8: Int64(Int32(clamping: max)) + 1)
        let rows = try await read(PostgresCall(Self.watching, arguments))
        guard let first = rows.first else { return nil }
        // An era without changes is one row without a change.
        let found = try rows.filter { !$0.isNull(2) }.map { row in
            PendingChange(
                session: try row.sessionID(2), serial: Int64(try row.int(3)), isAnnouncement: try row.bool(4))
        }
        return PendingChanges(
            era: Int64(try first.int(0)), at: try first.time(1), changes: Array(found.prefix(max)),
            isWhole: found.count <= max)
    }

    /// Reads what is pending, and renews the watch where that was last done ten seconds ago; passes over one who does so
    /// at this moment. Nothing where nobody watched for a minute. It waits for nobody.
    static let watching = PostgresStatement(
        """
        WITH t AS MATERIALIZED (
            SELECT clock_timestamp() AS real, sojourn.clock() AS at
        ), due AS (
            SELECT r.one
            FROM t
            JOIN sojourn.redis_tier AS r ON r.one
            WHERE r.seen_at < t.real - interval '10 seconds' AND r.seen_at >= t.real - interval '60 seconds'
            FOR NO KEY UPDATE OF r SKIP LOCKED
        ), renewed AS (
            UPDATE sojourn.redis_tier AS r
            SET seen_at = t.real
            FROM t, due
            WHERE r.one = due.one
        )
        SELECT r.era, t.at, p.session_id, p.serial, p.announced
        FROM t
        JOIN sojourn.redis_tier AS r ON r.one AND r.seen_at >= t.real - interval '60 seconds'
        LEFT JOIN (
            SELECT session_id, serial, announced FROM sojourn.redis_pending ORDER BY serial LIMIT $1
        ) AS p ON true
        ORDER BY p.serial
        """, [.int8])

    private static let beginning = PostgresStatement("SELECT sojourn.begin_era()")

    private static let announcing = PostgresStatement(
        """
        INSERT INTO sojourn.redis_pending (session_id, announced) SELECT id, true FROM unnest($1) AS a (id)
        RETURNING serial, session_id
        """, [.uuids])

    static let settling = PostgresStatement(
        """
        DELETE FROM sojourn.redis_pending AS p
        USING unnest($1, $2) AS a (serial, session_id)
        WHERE p.serial = a.serial AND p.session_id = a.session_id
        """, [.int8s, .uuids])

    static let copying = PostgresStatement(
        """
        SELECT \(SessionRecord.columns), t.at
        FROM (SELECT sojourn.clock() AS at) AS t
        CROSS JOIN sojourn.session_master AS s
        WHERE s.session_id = ANY ($1) AND sojourn.session_live(s, t.at)
        """, [.uuids])

    /// Adds what three arrays say: session, how many, when the last was. It sets nothing that a trigger looks at.
    static let touching = PostgresStatement(
        """
        UPDATE sojourn.session_master AS s
        SET request_count = s.request_count + a.touches, last_activity = greatest(s.last_activity, a.last)
        FROM unnest($1, $2, $3) AS a (session_id, touches, last)
        WHERE s.session_id = a.session_id
        """, [.uuids, .int8s, .timestamptzs])
}

extension PostgresClient {
    /// The fold of a lane's images.
    func copyings(on lane: Int) -> Copyings {
        Fold(patience: answerTimeout, key: \.self) { [self] rows in
            var arguments = PostgresArguments(capacity: rows.count * 20 + 20)
            arguments.append(uuids: rows.map(\.job).sorted().map(\.halves))
            var found: [SessionID: PostgresRow] = [:]
            let call = PostgresCall(PostgresStore.copying, arguments)
            for row in try await query(call, lane: lane, retry: .ifInterrupted) { found[try row.sessionID(0)] = row }
            return rows.map { found[$0.job] }
        }
    }

    /// The fold of a lane's touches.
    func touches(on lane: Int) -> Touches {
        Fold(patience: answerTimeout, key: \.session) { [self] rows in
            let sorted = rows.sorted { $0.job.session < $1.job.session }
            var arguments = PostgresArguments(capacity: rows.count * 44 + 80)
            arguments.append(uuids: sorted.map(\.job.session.halves))
            // Equal touches of several callers are one row.
            arguments.append(int8s: sorted.map { Int64($0.job.count) * Int64($0.count) })
            arguments.append(microseconds: sorted.map(\.job.last.microseconds))
            _ = try await query(PostgresCall(PostgresStore.touching, arguments), lane: lane)
            return rows.map { _ in () }
        }
    }
}
