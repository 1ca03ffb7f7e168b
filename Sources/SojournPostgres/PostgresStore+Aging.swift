// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

/// Cycles of the rotation (C3), on the tables of `V010_aging.sql`.
///
/// Rows are read first and stamped last, so that nobody meets a lock of ours while the cache is written: only while it
/// renames what it has. Nobody stamps between the two, since one transaction runs cycles at a time. Rows that others have
/// locked are left out of the stamping, so a cycle waits for nobody and is in no circle of waiting.
extension PostgresStore: AgingStore {
    public func age(_ order: AgingOrder, into cache: any RetailCache) async throws -> AgingAttempt {
        try await answering {
            try await client.withTransaction { transaction in
                guard try await transaction.run(PostgresCall(Self.leadingAging)).first?.bool(0) == true else {
                    return .busy
                }
                var interval = PostgresArguments()
                interval.append(int8: order.interval.microseconds)
                let begun = try await transaction.run([
                    PostgresCall(Self.beginning, interval), PostgresCall(Self.resting, interval),
                ])
                guard let cycle = begun[0].first else {
                    return .notDue(in: .microseconds(try begun[1].first?.int(0) ?? 0))
                }
                let (number, stamp) = (try cycle.int(0), try cycle.time(1))
                let users = try await transaction.take(RetailUser.self, order.shares, stamp: stamp)
                let products = try await transaction.take(RetailProduct.self, order.shares, stamp: stamp)
                let rows = AgingRows(users: users.rows, products: products.rows)
                let ticket = try await cache.prepare(rows, life: order.life)
                _ = try await transaction.run([
                    RetailUser.stamping(rows.users, stamp), RetailProduct.stamping(rows.products, stamp),
                ])
                try await cache.publish(ticket)
                return .done(
                    AgingCycle(number: number, stamp: stamp, users: users.taken, products: products.taken))
            }
        }
    }

    public func agingStatus() async throws -> AgingStatus {
        try await answering {
            guard let row = try await read(PostgresCall(Self.standing)).first else {
                throw PostgresError(.unexpectedResult, "The table sojourn.aging has no row.")
            }
            func queue(at column: Int) throws -> AgingStatus.Queue {
                AgingStatus.Queue(
                    neverCached: try row.int(column), cached: try row.int(column + 1),
                    longestWait: try row.optionalInt(column + 2).map { .microseconds($0) })
            }
            return AgingStatus(
                cycles: try row.int(0), lastCycleAge: try row.optionalInt(1).map { .microseconds($0) },
                users: try queue(at: 2), products: try queue(at: 5))
        }
    }

    public func forgetStamps(progress: @Sendable (Int) -> Void) async throws -> Int {
        var forgotten = 0
        for step in [RetailUser.aging.forgetting, RetailProduct.aging.forgetting] {
            var more = true
            while more {
                // Between two cycles: who runs one has read rows that it will stamp.
                let count = try await transaction { transaction in
                    transaction.enqueue(PostgresCall(Self.waitingForAging))
                    return try await transaction.run([PostgresCall(step), PostgresCall(Self.dueNow)])[0].affected
                }
                forgotten += count
                more = count > 0
                progress(forgotten)
            }
        }
        return forgotten
    }

    public func randomUsers(_ count: Int) async throws -> [RetailUser] { try await random(count) }

    public func randomProducts(_ count: Int) async throws -> [RetailProduct] { try await random(count) }

    public func randomItems(_ count: Int) async throws -> [Item] {
        var arguments = PostgresArguments()
        arguments.append(int4: Int32(clamping: count))
        return try await answering { try await read(PostgresCall(Self.drawingItems, arguments)).map { try Item($0) } }
    }

    public func item(_ id: ItemID) async throws -> CachedItem? {
        var arguments = PostgresArguments()
        arguments.append(int8: id)
        return try await answering {
            try await read(PostgresCall(Self.item, arguments)).first.map {
                CachedItem(item: try Item($0), version: try $0.int(3))
            }
        }
    }

    private static let item = PostgresStatement(
        "SELECT item_id, name, category, version FROM sojourn.items WHERE item_id = $1", [.int8])

    private static let drawingItems = PostgresStatement(
        """
        SELECT i.*
        FROM (
            SELECT b.first + floor(random() * (b.last - b.first + 1))::bigint AS place
            FROM (SELECT min(item_id) AS first, max(item_id) AS last FROM sojourn.items) AS b
            CROSS JOIN generate_series(1, $1)) AS d
        CROSS JOIN LATERAL (
            SELECT item_id, name, category FROM sojourn.items WHERE item_id >= d.place ORDER BY item_id LIMIT 1) AS i
        """, [.int4])

    private func random<Row: AgingRow>(_ count: Int) async throws -> [Row] {
        var arguments = PostgresArguments()
        arguments.append(int4: Int32(clamping: count))
        let call = PostgresCall(Row.aging.drawing, arguments)
        return try await answering { try await read(call).map { try Row($0) } }
    }

    private static let leadingAging = PostgresStatement("SELECT sojourn.lead_aging()")
    private static let waitingForAging = PostgresStatement(
        "SELECT pg_advisory_xact_lock(hashtext('sojourn'), hashtext('aging'))")

    /// Begins a cycle where it is due; also where the clock was set back behind the last one.
    private static let beginning = PostgresStatement(
        """
        UPDATE sojourn.aging AS a
        SET cycle = a.cycle + 1, began_at = t.at, stamp = greatest(t.at, a.stamp + interval '1 microsecond')
        FROM (SELECT sojourn.clock() AS at) AS t
        WHERE a.began_at IS NULL OR t.at < a.began_at OR t.at >= a.began_at + $1 * interval '1 microsecond'
        RETURNING a.cycle, a.stamp
        """, [.int8])

    /// In how many microseconds a cycle is due.
    private static let resting = PostgresStatement(
        """
        SELECT greatest(0, extract(epoch FROM began_at - sojourn.clock()) * 1000000 + $1)::bigint
        FROM sojourn.aging
        """, [.int8])

    private static let dueNow = PostgresStatement("UPDATE sojourn.aging SET began_at = NULL WHERE began_at IS NOT NULL")

    private static let standing = PostgresStatement(
        """
        SELECT a.cycle, (extract(epoch FROM t.at - a.began_at) * 1000000)::bigint,
            (SELECT count(*) FROM sojourn.users WHERE last_cached_at IS NULL AND name IS NOT NULL),
            (SELECT count(*) FROM sojourn.users WHERE last_cached_at IS NOT NULL AND name IS NOT NULL),
            (
                SELECT (extract(epoch FROM t.at - waiting_since) * 1000000)::bigint
                FROM sojourn.users
                WHERE last_cached_at IS NULL AND name IS NOT NULL
                ORDER BY last_cached_at NULLS FIRST, arrival
                LIMIT 1),
            (SELECT count(*) FROM sojourn.products WHERE last_cached_at IS NULL),
            (SELECT count(*) FROM sojourn.products WHERE last_cached_at IS NOT NULL),
            (
                SELECT (extract(epoch FROM t.at - waiting_since) * 1000000)::bigint
                FROM sojourn.products
                WHERE last_cached_at IS NULL
                ORDER BY last_cached_at NULLS FIRST, arrival
                LIMIT 1)
        FROM sojourn.aging AS a
        CROSS JOIN (SELECT sojourn.clock() AS at) AS t
        """)
}

/// A row of a table whose rows take turns.
protocol AgingRow: CachedRow {
    /// What cycles do with its table.
    static var aging: AgingStatements { get }
    /// Reads the columns that `AgingStatements` was made with.
    init(_ row: PostgresRow) throws
}

/// What cycles do with a table. `$1` of the queues is the stamp, which stands in the rows as if they had it already.
struct AgingStatements: Sendable {
    /// The first rows of each queue, `$2` at most.
    let neverCached, cached: PostgresStatement
    /// Stamps rows by their ids.
    let stamping: PostgresStatement
    /// Forgets stamps, of a thousand rows at a time.
    let forgetting: PostgresStatement
    /// Draws `$1` rows.
    let drawing: PostgresStatement

    /// The statements for a table.
    ///
    /// - Parameters:
    ///   - alias: what `columns` and `condition` call it.
    ///   - condition: which of its rows count.
    init(_ table: String, key: String, alias: String, columns: String, where condition: String) {
        func queue(_ stamped: String) -> PostgresStatement {
            PostgresStatement(
                """
                SELECT \(columns.replacing("\(alias).last_cached_at", with: "$1"))
                FROM sojourn.\(table) AS \(alias)
                WHERE \(alias).last_cached_at \(stamped) AND \(condition)
                ORDER BY \(alias).last_cached_at NULLS FIRST, \(alias).arrival
                LIMIT $2
                """, [.timestamptz, .int8])
        }
        neverCached = queue("IS NULL")
        cached = queue("IS NOT NULL")
        stamping = PostgresStatement(
            """
            WITH free AS (
                SELECT \(key) FROM sojourn.\(table) WHERE \(key) = ANY ($1) FOR NO KEY UPDATE SKIP LOCKED)
            UPDATE sojourn.\(table) AS \(alias)
            SET last_cached_at = $2
            FROM free
            WHERE \(alias).\(key) = free.\(key)
            """, [.texts, .timestamptz])
        forgetting = PostgresStatement(
            """
            WITH chosen AS (
                SELECT \(key) FROM sojourn.\(table) AS \(alias)
                WHERE last_cached_at IS NOT NULL AND \(condition)
                LIMIT 1000)
            UPDATE sojourn.\(table) AS \(alias)
            SET last_cached_at = NULL, waiting_since = sojourn.clock()
            FROM chosen
            WHERE \(alias).\(key) = chosen.\(key)
            """)
        drawing = PostgresStatement(
            """
            SELECT \(columns)
            FROM (
                SELECT b.first + floor(random() * (b.last - b.first + 1))::bigint AS place
                FROM (
                    SELECT min(arrival) AS first, max(arrival) AS last
                    FROM sojourn.\(table) AS \(alias)
                    WHERE \(condition)) AS b
                CROSS JOIN generate_series(1, $1)) AS d
            CROSS JOIN LATERAL (
                SELECT * FROM sojourn.\(table) AS \(alias)
                WHERE \(alias).arrival >= d.place AND \(condition)
                ORDER BY \(alias).arrival
                LIMIT 1) AS \(alias)
            """, [.int4])
    }
}

extension RetailUser: AgingRow {
    static let aging = AgingStatements(
        "users", key: "user_id", alias: "u", columns: columns, where: "u.name IS NOT NULL")
}

extension RetailProduct: AgingRow {
    static let aging = AgingStatements(
        "products", key: "product_id", alias: "p", columns: columns, where: "true")
}

extension AgingRow {
    /// Stamps rows but those that others have locked.
    fileprivate static func stamping(_ rows: [Self], _ stamp: Timestamp) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(texts: rows.map(\.key))
        arguments.append(microseconds: stamp.microseconds)
        return PostgresCall(aging.stamping, arguments)
    }
}

extension PostgresTransaction {
    /// The rows that a cycle takes, in their queues' order, as they are once they are stamped.
    fileprivate func take<Row: AgingRow>(
        _ type: Row.Type, _ shares: AgingShares, stamp: Timestamp
    ) async throws -> (rows: [Row], taken: AgingTaken) {
        var arguments = PostgresArguments()
        arguments.append(microseconds: stamp.microseconds)
        arguments.append(int8: Int64(shares.rowsMax))
        let queues = try await run([
            PostgresCall(Row.aging.neverCached, arguments), PostgresCall(Row.aging.cached, arguments),
        ])
        let taken = shares.taken(neverCached: queues[0].count, cached: queues[1].count)
        let rows = try queues[0].prefix(taken.new).map { try Row($0) } + queues[1].prefix(taken.old).map { try Row($0) }
        return (rows, taken)
    }
}
