// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

/// The months, changed by the functions of `V006_partitions.sql`, each in a transaction of its own with a lock timeout.
///
/// Detaching is the exception: PostgreSQL does it in two transactions, between which it waits, without a lock, for everybody
/// who still reads the month. Where that takes too long the second one is left over, and the next attempt finishes it.
extension PostgresStore: PartitionStore {
    public func partitions() async throws -> PartitionStatus {
        try await answering {
            let rows = try await read(PostgresCall(Self.partitions))
            guard let now = try rows.first?.time(0) else {
                throw PostgresError(.unexpectedResult, "The database did not tell the time.")
            }
            // Where there is no partition at all, the time stands alone; one that was dropped meanwhile has no size.
            return PartitionStatus(now: now, partitions: try rows.filter { !$0.isNull(6) }.map { try Partition($0) })
        }
    }

    public func perform(_ step: PartitionStep) async throws -> PartitionOutcome {
        try await answering {
            do {
                switch step {
                case .create(let month), .attach(let month): return try await change(month, by: Self.addition)
                case .detach(let month): return try await detach(month)
                case .finish(let month): return try await change(month, by: Self.finish)
                case .empty(let month): return try await change(month, by: Self.emptying)
                case .drop(let month): return try await change(month, by: Self.drop)
                }
            } catch let error as PostgresError where error.isBusyMonth {
                return .busy
            }
        }
    }

    public func tidyPartitions() async throws {
        let chores = [
            (Self.refresh, "recent_conversations was not brought up to date"),
            (Self.cleaning, "the search indexes were not brought up to date"),
        ]
        var failure: SojournError?
        for (chore, failing) in chores {
            do {
                try await keeping.withTransaction(patience: .seconds(600)) { _ = try await $0.run(PostgresCall(chore)) }
            } catch {
                let reason = PostgresFailure.map(error)
                failure = failure ?? SojournError(reason.code, "\(failing). \(reason.message)", underlying: error)
            }
        }
        if let failure { throw failure }
    }

    public func leadingPartitions(_ body: @Sendable () async throws -> Void) async throws -> Bool {
        try await answering {
            try await keeping.withTransaction { transaction in
                // A query's portal keeps its snapshot until the next statement's takes its place, and a detaching waits for every
                // snapshot older than its own. This one takes none; and nobody ends a leader for being idle.
                let isLeading = try await transaction.run([PostgresCall(Self.lead), PostgresCall(Self.idling)])[0]
                guard try isLeading.first?.bool(0) == true else { return false }
                try await body()
                return true
            }
        }
    }

    /// Runs one of the functions that change a month and tell whether they did.
    private func change(
        _ month: PartitionMonth, by statement: PostgresStatement, patience: Duration? = nil
    ) async throws -> PartitionOutcome {
        let call = PostgresCall(statement, month)
        let isDone = try await keeping.withTransaction(patience: patience) { try await $0.run(call).first?.bool(0) }
        return isDone == true ? .done : .unneeded
    }

    /// Detaches a month that is attached, or finishes what an earlier attempt began.
    private func detach(_ month: PartitionMonth) async throws -> PartitionOutcome {
        let state = try await keeping.query(PostgresCall(Self.state, month), retry: .ifInterrupted).first?.optionalText(
            0)
        guard state != "detaching" else { return try await change(month, by: Self.finish) }
        guard state == "attached" else { return .unneeded }
        guard try await !keeping.isTransactionPooled else {
            throw SojournError(
                .storeUnavailable,
                "A month cannot be detached through a transaction pooler: name a way around it in SOJOURN_PG_DIRECT_URL."
            )
        }
        _ = try await change(month, by: Self.securing)
        _ = try await change(month, by: Self.checking, patience: .seconds(3600))
        // A month's name is made of digits: nothing is spliced that could be anything else.
        _ = try await keeping.runAlone(
            PostgresCall(
                once: "ALTER TABLE sojourn.conversations DETACH PARTITION sojourn.\(month.table) CONCURRENTLY"),
            patience: .seconds(60))
        return .done
    }

    private static let partitions = PostgresStatement(
        """
        SELECT t.at, p.name, p.state, p.lower, p.upper, p.rows, p.bytes
        FROM (SELECT sojourn.clock() AS at) AS t
        LEFT JOIN (
            SELECT c.relname::text AS name,
                CASE WHEN i.inhrelid IS NULL THEN 'kept' WHEN i.inhdetachpending THEN 'detaching' ELSE 'attached' END AS state,
                b.span[1]::timestamptz AS lower, b.span[2]::timestamptz AS upper,
                c.reltuples::bigint AS rows, pg_total_relation_size(c.oid) AS bytes
            FROM pg_class AS c
            LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid AND i.inhparent = 'sojourn.conversations'::regclass
            -- Bounds are printed as 'FROM (''…'') TO (''…'')'; those without an end have no quotes.
            CROSS JOIN LATERAL regexp_match(
                pg_get_expr(c.relpartbound, c.oid), 'FROM \\(''(.+)''\\) TO \\(''(.+)''\\)') AS b (span)
            WHERE i.inhrelid IS NOT NULL
                OR c.relnamespace = 'sojourn'::regnamespace AND c.relkind = 'r'
                    AND c.relname ~ '^conversations_[0-9]{4}_[0-9]{2}$'
        ) AS p ON true
        ORDER BY p.name
        """)
    private static let state = PostgresStatement("SELECT sojourn.month_state(to_date($1, 'YYYY-MM'))", [.text])
    private static let addition = PostgresStatement("SELECT sojourn.add_month(to_date($1, 'YYYY-MM'))", [.text])
    private static let securing = PostgresStatement("SELECT sojourn.secure_month(to_date($1, 'YYYY-MM'))", [.text])
    private static let checking = PostgresStatement("SELECT sojourn.check_month(to_date($1, 'YYYY-MM'))", [.text])
    private static let finish = PostgresStatement("SELECT sojourn.finish_detach(to_date($1, 'YYYY-MM'))", [.text])
    private static let emptying = PostgresStatement("SELECT sojourn.empty_month(to_date($1, 'YYYY-MM'))", [.text])
    private static let drop = PostgresStatement("SELECT sojourn.drop_month(to_date($1, 'YYYY-MM'))", [.text])
    private static let lead = PostgresStatement("SELECT sojourn.lead_partitions()")
    private static let idling = PostgresStatement("SET LOCAL idle_in_transaction_session_timeout = 0")
    private static let refresh = PostgresStatement("SELECT sojourn.refresh_recent_conversations()")
    private static let cleaning = PostgresStatement("SELECT sojourn.clean_search_indexes()")
}

extension PostgresCall {
    /// A statement that asks about a month.
    fileprivate init(_ statement: PostgresStatement, _ month: PartitionMonth) {
        var arguments = PostgresArguments()
        arguments.append(text: "\(month)")
        self.init(statement, arguments)
    }
}

extension Partition {
    /// Reads `name, state, lower, upper, rows, bytes` after the first column.
    fileprivate init(_ row: PostgresRow) throws {
        guard let state = State(rawValue: try row.text(2)) else {
            throw PostgresError(.unexpectedResult, "A partition is in a state that this version does not know.")
        }
        let span = row.isNull(3) ? nil : try row.time(3)..<row.time(4)
        // PostgreSQL says -1 for a table that nobody has analyzed.
        let rows = try row.int(5)
        self.init(
            name: try row.text(1), state: state, span: span, rows: rows < 0 ? nil : rows, bytes: try row.int(6))
    }
}

extension PostgresError {
    /// Whether somebody was in the way of a step, or took it first: a lock that was not to be had, another month that is
    /// being detached (55000), or a partition that is none any more (42P01).
    fileprivate var isBusyMonth: Bool {
        isLockBusy || outcome == .nothingHappened && ["55000", "42P01"].contains(sqlState)
    }
}
