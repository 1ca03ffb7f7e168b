// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

extension PostgresStore {
    /// One step in one transaction, by the functions of `V003_sweep.sql`. Of several nodes one sweeps: a step that finds
    /// another under way does nothing, and says so by having no more to do. A dry run only reads.
    public func sweep(_ order: SweepOrder) async throws -> SweepOutcome {
        guard !order.dryRun else { return try await dryRun(order) }
        return try await transaction { transaction in
            guard try await transaction.run(PostgresCall(Self.leading)).first?.bool(0) == true else {
                return SweepOutcome()
            }
            let results = try await transaction.run([
                PostgresCall(Self.runOut, rows: order.batchMax), order.lapCall, order.retentionCall,
                PostgresCall(Self.graces, rows: order.batchMax), PostgresCall(Self.keys, rows: order.batchMax),
                PostgresCall(Self.changes, rows: order.batchMax),
            ])
            guard let marked = results[0].first, let lap = results[1].first, let retired = results[2].first,
                let graces = results[3].first, let keys = results[4].first, let changes = results[5].first
            else { throw PostgresError(.unexpectedResult, "A step of the sweep answered without a row.") }
            let surprising = try marked.int(2)
            if let fuse = order.fuse, surprising > fuse {
                throw SojournError.fuse(surprising: surprising, fuse: fuse)
            }
            var outcome = SweepOutcome()
            outcome.expired = try marked.int(0)
            outcome.revoked = try marked.int(1)
            outcome.inactive = try lap.int(0)
            outcome.lapNext = try lap.isNull(1) ? nil : lap.sessionID(1)
            outcome.deleted = try retired.int(0)
            outcome.more =
                try marked.bool(3) || retired.bool(1) || graces.int(0) == order.batchMax
                || keys.int(0) == order.batchMax || changes.int(0) == order.batchMax
            return outcome
        }
    }

    private func dryRun(_ order: SweepOrder) async throws -> SweepOutcome {
        try await answering {
            let row = try await readWhole(order.countingCall).first
            guard let row else { throw PostgresError(.unexpectedResult, "A dry run answered without a row.") }
            let surprising = try row.int(4)
            if let fuse = order.fuse, surprising > fuse {
                throw SojournError.fuse(surprising: surprising, fuse: fuse)
            }
            var outcome = SweepOutcome()
            outcome.expired = try row.int(0)
            outcome.revoked = try row.int(1)
            outcome.inactive = try row.int(2)
            outcome.deleted = min(try row.int(3), order.batchMax)
            outcome.more = try row.int(3) > order.batchMax || row.bool(5)
            return outcome
        }
    }

    static let waiting = PostgresStatement(
        """
        SELECT count(*), coalesce(max((extract(epoch FROM now - over) * 1000000)::bigint), 0)
        FROM (
            SELECT t.at AS now, least(s.expires_at, s.absolute_expires_at) AS over
            FROM (SELECT sojourn.clock() AS at) AS t
            CROSS JOIN sojourn.session_master AS s
            WHERE s.session_end IS NULL AND s.expiry_hour <= floor(extract(epoch FROM t.at) / 3600)::integer
                AND least(s.expires_at, s.absolute_expires_at) <= t.at
            ORDER BY s.expiry_hour, s.session_id
            LIMIT $1) AS waiting
        """, [.int4])
    static let leading = PostgresStatement("SELECT sojourn.lead_sweep()")
    static let runOut = PostgresStatement(
        "SELECT expired, revoked, surprising, more FROM sojourn.mark_run_out($1)", [.int4])
    static let lap = PostgresStatement("SELECT inactive, next FROM sojourn.mark_inactive($1, $2)", [.uuid, .int4])
    static let retired = PostgresStatement(
        """
        SELECT deleted, more
        FROM sojourn.delete_retired($1, ARRAY(SELECT k * interval '1 microsecond' FROM unnest($2) AS k), $3)
        """, [.texts, .int8s, .int4])
    static let graces = PostgresStatement("SELECT sojourn.erase_graces($1)", [.int4])
    static let keys = PostgresStatement("SELECT sojourn.forget_keys($1)", [.int4])
    static let changes = PostgresStatement("SELECT sojourn.forget_changes($1)", [.int4])
    static let noLap = PostgresStatement("SELECT 0, NULL::uuid")

    /// What a sweep would do, counted by the same rules over all sessions; each count stops at the batch.
    static let counting = PostgresStatement(
        """
        WITH t AS MATERIALIZED (
            SELECT sojourn.clock() AS at
        ), kept AS (
            SELECT * FROM unnest($1, $2) AS k (session_type, microseconds)
        ), ending AS (
            SELECT s.session_id, s.session_type,
                CASE sojourn.session_status(s, u.epoch_raised_at, t.at)
                    WHEN 'ended' THEN coalesce(u.epoch_raised_at, t.at)
                    ELSE least(s.expires_at, s.absolute_expires_at) END AS at,
                sojourn.session_status(s, u.epoch_raised_at, t.at) AS status,
                s.ttl_seconds > 3600 AND s.last_activity > t.at - interval '1 hour' AS was_in_use
            FROM t
            CROSS JOIN sojourn.session_master AS s
            LEFT JOIN sojourn.users AS u ON u.user_id = s.user_id
            WHERE s.session_end IS NULL AND NOT sojourn.session_live(s, t.at)
            ORDER BY s.session_id
            LIMIT $3 + 1
        ), marked AS (
            SELECT * FROM ending LIMIT $3
        ), unused AS (
            SELECT s.session_type, t.at
            FROM t
            CROSS JOIN sojourn.session_master AS s
            WHERE $4 AND s.session_id > coalesce($5, '00000000-0000-0000-0000-000000000000')
                AND sojourn.session_live(s, t.at)
                AND t.at - s.last_activity >= greatest(interval '24 hours', s.ttl_seconds * interval '1 second')
            LIMIT $3
        ), retired AS (
            SELECT 1
            FROM t
            CROSS JOIN kept AS k
            JOIN (
                SELECT session_type, session_end AS at FROM sojourn.session_master WHERE session_end IS NOT NULL
                UNION ALL SELECT session_type, at FROM marked
                UNION ALL SELECT session_type, at FROM unused) AS e ON e.session_type = k.session_type
            WHERE e.at <= t.at - k.microseconds * interval '1 microsecond'
            LIMIT $3 + 1
        )
        SELECT (SELECT count(*) FROM marked WHERE status = 'expired'),
            (SELECT count(*) FROM marked WHERE status = 'ended'),
            (SELECT count(*) FROM unused),
            (SELECT count(*) FROM retired),
            (SELECT count(*) FROM marked WHERE status = 'expired' AND was_in_use),
            (SELECT count(*) FROM ending) > $3
        """, [.texts, .int8s, .int4, .bool, .uuid])
}

extension PostgresStore: BacklogStore {
    public func sweepBacklog() async throws -> SweepBacklog {
        try await answering {
            guard let row = try await read(PostgresCall(Self.waiting, rows: SweepBacklog.countMax)).first else {
                throw PostgresError(.unexpectedResult, "The backlog was counted without a row.")
            }
            return SweepBacklog(count: try row.int(0), oldest: .microseconds(try row.int(1)))
        }
    }
}

extension SweepOrder {
    /// Where the lap goes on; nil for its beginning.
    private var lapAfter: SessionID? {
        if case .after(let id) = lap { id } else { nil }
    }

    fileprivate var lapCall: PostgresCall {
        guard lap != .off else { return PostgresCall(PostgresStore.noLap) }
        var arguments = PostgresArguments()
        arguments.append(uuid: lapAfter?.halves)
        arguments.append(int4: Int32(clamping: batchMax))
        return PostgresCall(PostgresStore.lap, arguments)
    }

    fileprivate var retentionCall: PostgresCall {
        var arguments = retentionArguments
        arguments.append(int4: Int32(clamping: batchMax))
        return PostgresCall(PostgresStore.retired, arguments)
    }

    fileprivate var countingCall: PostgresCall {
        var arguments = retentionArguments
        arguments.append(int4: Int32(clamping: batchMax))
        arguments.append(bool: lap != .off)
        arguments.append(uuid: lapAfter?.halves)
        return PostgresCall(PostgresStore.counting, arguments)
    }

    /// Types and how long each is kept, in microseconds; those kept for ever are left out.
    private var retentionArguments: PostgresArguments {
        let kept = retention.compactMap { type, retention -> (type: String, for: Int64)? in
            guard case .after(let kept) = retention else { return nil }
            return (type.rawValue, kept.microseconds)
        }.sorted { $0.type < $1.type }
        var arguments = PostgresArguments()
        arguments.append(texts: kept.map(\.type))
        arguments.append(int8s: kept.map(\.for))
        return arguments
    }
}

extension PostgresCall {
    /// A step over at most so many rows.
    fileprivate init(_ statement: PostgresStatement, rows: Int) {
        var arguments = PostgresArguments()
        arguments.append(int4: Int32(clamping: rows))
        self.init(statement, arguments)
    }
}
