// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

extension PostgresStore {
    public func integrity() async throws -> IntegrityReport {
        try await answering {
            let before = SystemWallClock().now
            let skew = try await read(PostgresCall(Self.time))
            let after = SystemWallClock().now
            guard let now = try skew.first?.time(0) else {
                throw PostgresError(.unexpectedResult, "The database did not tell the time.")
            }
            let unchecked = try await read(PostgresCall(Self.uncheckedKeys)).map { try $0.text(0) }
            let unindexed = try await read(PostgresCall(Self.unindexedKeys)).map { try $0.text(0) }
            let invalid = try await read(PostgresCall(Self.invalidIndexes)).map { try $0.text(0) }
            let hot = try await read(PostgresCall(Self.hotRatio)).first.map { ($0, try $0.optionalDouble(0)) }
            let search = try await read(PostgresCall(Self.search)).first
            let months = try await partitions()
            return IntegrityReport(
                findings: try await orphans() + [
                    .list("foreign keys", unchecked, good: "all enforced", bad: "not validated"),
                    .list("indexes of foreign keys", unindexed, good: "all there", bad: "missing on"),
                    .list("indexes", invalid, good: "all valid", bad: "invalid, rebuild with REINDEX"),
                    .searches(isIndexed: try search?.bool(0) == true, isASCII: try search?.bool(1) == true),
                    .months(months),
                    .hotUpdates(try hot?.0.int(1) ?? 0, share: hot?.1),
                    .clock(ahead: now < before ? now - before : now > after ? now - after : .zero),
                ])
        }
    }

    /// Rows whose session, user or item is missing, per foreign key of ours and of adopted tables (J9).
    private func orphans() async throws -> [IntegrityReport.Finding] {
        let keys = try await read(PostgresCall(Self.foreignKeys)).map { row in
            (child: try row.text(0), column: try row.text(1), parent: try row.text(2), key: try row.text(3))
        }
        var findings: [IntegrityReport.Finding] = []
        for key in keys {
            // The names come from the database's own catalogue, quoted by it.
            let rows = try await readWhole(
                PostgresCall(
                    PostgresStatement(
                        """
                        SELECT count(*) FROM \(key.child) AS c
                        WHERE c.\(key.column) IS NOT NULL
                            AND NOT EXISTS (SELECT 1 FROM \(key.parent) AS p WHERE p.\(key.key) = c.\(key.column))
                        """)))
            let count = try rows.first?.int(0) ?? 0
            findings.append(
                .init(check: "orphans in \(key.child).\(key.column)", isGood: count == 0, detail: "\(count)"))
        }
        return findings
    }

    private static let time = PostgresStatement("SELECT clock_timestamp()")

    /// Which foreign keys `c` we answer for: those of our schema, and those of adopted tables in any other. A
    /// partition's key that its parent has too is looked at there.
    private static let ours = """
        (c.connamespace = 'sojourn'::regnamespace OR c.confrelid = 'sojourn.session_master'::regclass)
        """

    private static let foreignKeys = PostgresStatement(
        """
        SELECT DISTINCT c.conrelid::regclass::text, quote_ident(a.attname), c.confrelid::regclass::text, quote_ident(p.attname)
        FROM pg_constraint AS c
        JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        JOIN pg_attribute AS p ON p.attrelid = c.confrelid AND p.attnum = c.confkey[1]
        WHERE c.contype = 'f' AND \(ours) AND cardinality(c.conkey) = 1 AND c.conparentid = 0
        ORDER BY 1, 2
        """)

    private static let uncheckedKeys = PostgresStatement(
        """
        SELECT c.conname::text FROM pg_constraint AS c
        WHERE c.contype = 'f' AND \(ours) AND NOT c.convalidated
        ORDER BY 1
        """)

    private static let unindexedKeys = PostgresStatement(
        """
        SELECT format('%s.%s', c.conrelid::regclass, a.attname)
        FROM pg_constraint AS c
        JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
        WHERE c.contype = 'f' AND \(ours)
            AND NOT EXISTS (
                SELECT 1 FROM pg_index AS i
                WHERE i.indrelid = c.conrelid AND i.indkey[0] = c.conkey[1] AND i.indisvalid)
        ORDER BY 1
        """)

    private static let invalidIndexes = PostgresStatement(
        """
        SELECT i.indexrelid::regclass::text
        FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indrelid
        WHERE NOT (i.indisvalid AND i.indisready)
            AND (c.relnamespace = 'sojourn'::regnamespace
                OR EXISTS (
                    SELECT 1 FROM pg_constraint
                    WHERE conrelid = c.oid AND contype = 'f' AND confrelid = 'sojourn.session_master'::regclass))
        ORDER BY 1
        """)

    /// Whether searches have an index, and whether its trigrams are of ASCII's letters alone: what a letter is, pg_trgm
    /// asks the database's LC_CTYPE.
    private static let search = PostgresStatement(
        """
        SELECT to_regclass('sojourn.conversations_search') IS NOT NULL, datctype IN ('C', 'POSIX')
        FROM pg_database
        WHERE datname = current_database()
        """)

    /// How many updates of sessions touched no index, of how many.
    private static let hotRatio = PostgresStatement(
        """
        SELECT (n_tup_hot_upd::float8 / nullif(n_tup_upd, 0))::float8, n_tup_upd
        FROM pg_stat_user_tables
        WHERE relid = 'sojourn.session_master'::regclass
        """)
}

extension IntegrityReport.Finding {
    /// Good where nothing was found.
    fileprivate static func list(_ check: String, _ names: [String], good: String, bad: String) -> Self {
        Self(
            check: check, isGood: names.isEmpty,
            detail: names.isEmpty ? good : "\(bad): \(names.joined(separator: ", "))")
    }

    /// What searches find by an index. None does harm to nothing but their speed, so it is never wrong.
    fileprivate static func searches(isIndexed: Bool, isASCII: Bool) -> Self {
        let detail =
            if !isIndexed {
                "none, searches scan: the extension pg_trgm was not to be had"
            } else if isASCII {
                "of Latin letters, searches for others scan: create the database with LC_CTYPE C.UTF-8 or another UTF-8 locale"
            } else {
                "of any letters"
            }
        return Self(check: "search index", isGood: true, detail: detail)
    }

    /// How far ahead turns find the partition of their month.
    fileprivate static func months(_ status: PartitionStatus) -> Self {
        let missing = PartitionMonth(of: status.reach)
        return Self(
            check: "months ahead", isGood: !status.isShort,
            detail: status.isShort
                ? "missing from \(missing) on: `sojourn partitions apply` makes them" : "all there until \(missing)")
    }

    /// Updates that touch no index (HOT): below half, of many, something indexes what every validation changes.
    fileprivate static func hotUpdates(_ updates: Int, share: Double?) -> Self {
        guard let share, updates > 0 else { return Self(check: "HOT updates", isGood: true, detail: "none yet") }
        return Self(
            check: "HOT updates", isGood: updates < 10_000 || share >= 0.5,
            detail: "\(Int(share * 100)) % of \(updates) updates of sessions touched no index")
    }

    /// How far the database's clock is ahead of this machine's, beyond the time that asking took.
    fileprivate static func clock(ahead: Duration) -> Self {
        let milliseconds = ahead.microseconds / 1000
        return Self(
            check: "clock", isGood: abs(milliseconds) <= 500,
            detail:
                "the database's is \(abs(milliseconds)) ms \(milliseconds < 0 ? "behind" : "ahead of") this machine's")
    }
}
