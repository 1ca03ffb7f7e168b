// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

// Names of others' tables and columns reach a statement only as the database's own catalogue gave them, quoted by it.

extension PostgresStore {
    public func survey(_ order: AdoptionOrder) async throws -> AdoptionSurvey {
        try await answering {
            let table = try await adoptable(order)
            let columns = try await columns(of: table, order)
            let parts = try await client.parts(of: table)
            var survey = AdoptionSurvey(order, of: table)
            if let stranger = parts.first(where: { $0.key?.cascades == false }) {
                throw order.refusal(
                    "\(stranger.name) has the foreign key \(stranger.key?.name ?? "") to sojourn.session_master "
                        + "without ON DELETE CASCADE: drop it first.")
            }
            let known = try await adoptions().first { $0.table == table }
            survey.isAdopted = known?.state == .adopted && parts.allSatisfy { $0.key?.isValidated == true }
            guard !survey.isAdopted else { return survey }
            survey.unindexed = parts.filter { !$0.isIndexed }.map(\.name)
            guard columns.sessionIsText == false else { throw try await textRefusal(order, table) }
            try await count(columns, into: &survey)
            return survey
        }
    }

    /// The full name of the table that the order names, which we may change and which can have a foreign key.
    private func adoptable(_ order: AdoptionOrder) async throws -> String {
        let found: PostgresRow?
        do {
            found = try await read(PostgresCall(Survey.table, text: order.table)).first
        } catch let error as PostgresError where ["42601", "42602", "0A000"].contains(error.sqlState ?? "") {
            throw order.refusal("\(order.table) is no table's name: schema.table was expected.")
        }
        guard let found else { throw order.refusal("There is no table \(order.table) in this database.") }
        let name = try found.text(0)
        let mistake: String? =
            if try found.bool(1) {
                "is Sojourn's or PostgreSQL's own"
            } else if try !["r", "p"].contains(found.text(2)) {
                "is no table: views and foreign tables cannot be adopted"
            } else if try found.bool(3) {
                "is temporary"
            } else if try found.bool(4) {
                "has tables that inherit from it: adopt each of them"
            } else if try !found.bool(5) {
                "belongs to another role: connect as its owner"
            } else {
                nil
            }
        if let mistake { throw order.refusal("\(name) \(mistake).") }
        return name
    }

    /// The columns that an adoption reads, of types that it can read.
    private func columns(of table: String, _ order: AdoptionOrder) async throws -> Columns {
        let rows = try await read(PostgresCall(Survey.columns, text: table))
        let types = Dictionary(
            uniqueKeysWithValues: try rows.map { row in
                (try row.text(0), (name: try row.text(1), base: try row.text(2), isText: try row.bool(3)))
            })
        func refusal(_ column: String, _ expected: String) -> SojournError {
            let found = types[column].map { "it is \($0.name)" } ?? "there is none"
            return order.refusal("\(table): a column \(column) of type \(expected) was expected; \(found).")
        }
        guard let session = types["session_id"], session.base == "uuid" || session.isText else {
            throw refusal("session_id", "uuid")
        }
        let time = order.kind.timeField
        guard let clock = types[time]?.base, ["timestamptz", "timestamp"].contains(clock) else {
            throw refusal(time, "timestamptz or timestamp")
        }
        let user = types["user_id"]
        if let user, !user.isText, !["int2", "int4", "int8", "uuid"].contains(user.base) {
            throw refusal("user_id", "text, bigint or uuid")
        }
        return Columns(
            sessionIsText: session.isText,
            time: clock == "timestamp" ? "(t.\(time) AT TIME ZONE $1)" : "t.\(time)",
            user: user == nil ? "NULL::text" : "nullif(t.user_id::text, '')")
    }

    /// Why a table whose session ids are text cannot be adopted yet.
    private func textRefusal(_ order: AdoptionOrder, _ table: String) async throws -> SojournError {
        let row = try await client.scan(PostgresCall(Survey.texts(in: table))).first
        guard let row else { throw PostgresError(.unexpectedResult, "A count answered without a row.") }
        if let mistake = try Survey.mistake(empty: row.int(0)) { return order.refusal("\(table): \(mistake).") }
        let (bad, first) = (try row.int(1), try row.texts(2).compactMap { $0 })
        guard bad == 0 else {
            return order.refusal(
                "\(table): \(bad.counted("row")) whose session_id is no UUID, such as "
                    + "\(first.map { "'\($0)'" }.joined(separator: ", ")). Nothing was changed.")
        }
        return order.refusal(
            """
            \(table): the column session_id is text and has to be uuid. Every value is one, so this converts it; it \
            rewrites the table and locks it meanwhile:
            ALTER TABLE \(table) ALTER COLUMN session_id TYPE uuid USING session_id::uuid;
            """)
    }

    /// Counts what is there, and refuses what no session can be made of.
    private func count(_ columns: Columns, into survey: inout AdoptionSurvey) async throws {
        let order = survey.order
        var arguments = PostgresArguments()
        arguments.append(text: order.timeZone)
        arguments.append(int8: order.keptFor?.microseconds)
        let rows: PostgresRows
        do {
            rows = try await client.scan(PostgresCall(Survey.counts(of: survey.table, columns), arguments))
        } catch let error as PostgresError where error.sqlState == "22023" {
            throw order.refusal("PostgreSQL knows no time zone \(order.timeZone).", field: "time-zone")
        }
        guard let row = rows.first else { throw PostgresError(.unexpectedResult, "A count answered without a row.") }
        let mistake = try Survey.mistake(
            empty: row.int(1), timeless: row.int(2), time: order.kind.timeField, unnamed: row.int(3))
        if let mistake { throw order.refusal("\(survey.table): \(mistake). Nothing was changed.") }
        survey.rows = try row.int(0)
        survey.sessions = try row.int(4)
        survey.unknown = try row.int(5)
        survey.mixed = try row.int(6)
        survey.retired = try row.int(7)
    }
}

/// The columns of a table that shall be adopted, as expressions over its row `t`; `$1` is the time zone.
private struct Columns {
    let sessionIsText: Bool
    /// When the row was written, a `timestamptz`.
    let time: String
    /// Whose it is; NULL for nobody.
    let user: String
}

/// What is asked about a table before it is adopted.
private enum Survey {
    static let table = PostgresStatement(
        """
        SELECT format('%I.%I', n.nspname, c.relname),
            n.nspname IN ('sojourn', 'information_schema') OR n.nspname LIKE 'pg\\_%' AND c.relpersistence <> 't',
            c.relkind::text, c.relpersistence = 't', c.relkind = 'r' AND EXISTS (
                SELECT 1 FROM pg_inherits WHERE inhparent = c.oid),
            pg_has_role(c.relowner, 'USAGE')
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = to_regclass($1)
        """, [.text])

    static let columns = PostgresStatement(
        """
        SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), b.typname::text, b.typcategory = 'S'
        FROM pg_attribute AS a
        JOIN pg_type AS t ON t.oid = a.atttypid
        JOIN pg_type AS b ON b.oid = CASE t.typbasetype WHEN 0 THEN t.oid ELSE t.typbasetype END
        WHERE a.attrelid = $1::regclass AND NOT a.attisdropped
            AND a.attname IN ('session_id', 'user_id', 'conversation_time', 'created_at')
        """, [.text])

    /// Rows without a session id, rows whose session id is no UUID, and the first few of those.
    static func texts(in table: String) -> PostgresStatement {
        PostgresStatement(
            """
            WITH bad AS (
                SELECT t.session_id::text AS id FROM \(table) AS t
                WHERE t.session_id::text !~* '^([0-9a-f]{4}-?){7}[0-9a-f]{4}$'
            )
            SELECT (SELECT count(*) FROM \(table) AS t WHERE t.session_id IS NULL), (SELECT count(*) FROM bad),
                ARRAY(SELECT left(id, 50) FROM bad GROUP BY id ORDER BY id LIMIT 3)
            """, isPrepared: false)
    }

    /// What there is of everything: rows, those without a session id, a time, a usable user; sessions, those that are
    /// not known, have two users, are past retention (`$2`, microseconds).
    static func counts(of table: String, _ columns: Columns) -> PostgresStatement {
        PostgresStatement(
            """
            WITH spans AS (
                SELECT t.session_id, count(*) AS rows,
                    count(*) FILTER (WHERE NOT coalesce(isfinite(\(columns.time)), false)) AS timeless,
                    count(*) FILTER (
                        WHERE \(columns.user) ~ '[\\u0001-\\u001f\\u007f-\\u009f]'
                            OR char_length(\(columns.user)) > \(UserID.lengthMax)) AS unnamed,
                    min(\(columns.user)) IS DISTINCT FROM max(\(columns.user)) AS is_mixed,
                    max(\(columns.time)) AS last
                FROM \(table) AS t
                GROUP BY t.session_id
            )
            SELECT coalesce(sum(p.rows), 0)::bigint,
                coalesce(sum(p.rows) FILTER (WHERE p.session_id IS NULL), 0)::bigint,
                coalesce(sum(p.timeless), 0)::bigint, coalesce(sum(p.unnamed), 0)::bigint, count(p.session_id),
                count(*) FILTER (WHERE p.session_id IS NOT NULL AND s.session_id IS NULL),
                count(*) FILTER (WHERE p.session_id IS NOT NULL AND p.is_mixed),
                count(*) FILTER (
                    WHERE p.session_id IS NOT NULL AND s.session_id IS NULL
                        AND p.last <= sojourn.clock() - interval '24 hours' - $2 * interval '1 microsecond')
            FROM spans AS p
            LEFT JOIN sojourn.session_master AS s ON s.session_id = p.session_id
            """, [.text, .int8], isPrepared: false)
    }

    /// What is wrong with the rows counted; nil for nothing.
    static func mistake(empty: Int, timeless: Int = 0, time: String = "", unnamed: Int = 0) -> String? {
        if empty > 0 { return "\(empty.counted("row")) without a session_id" }
        if timeless > 0 { return "\(timeless.counted("row")) without a finite \(time)" }
        guard unnamed > 0 else { return nil }
        return "\(unnamed.counted("row")) whose user_id has more than \(UserID.lengthMax) characters or a control "
            + "character"
    }
}

/// A table of its own, or a partition, or a parent of partitions, on its way to the foreign key.
struct AdoptedPart {
    /// Its foreign key to `session_master`.
    struct Key {
        /// Its name, quoted where it has to be.
        let name: String
        let isValidated: Bool
        let cascades: Bool
    }

    /// Its full name, quoted where it has to be.
    let name: String
    /// Whether it has partitions and no rows of its own.
    let isParent: Bool
    /// Whether there is a valid index that begins with `session_id`.
    let isIndexed: Bool
    /// Its key; nil where it has none.
    let key: Key?

    /// The table `$1` and its leaves, leaves first.
    static let statement = PostgresStatement(
        """
        SELECT format('%I.%I', n.nspname, c.relname), c.relkind = 'p',
            EXISTS (
                SELECT 1 FROM pg_index AS i
                JOIN pg_class AS x ON x.oid = i.indexrelid
                JOIN pg_am AS m ON m.oid = x.relam
                WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum AND i.indisvalid AND i.indpred IS NULL
                    AND m.amname = 'btree'),
            quote_ident(k.conname), k.convalidated, k.confdeltype = 'c'
        FROM (
            SELECT $1::regclass AS relid
            UNION
            SELECT relid FROM pg_partition_tree($1::regclass) WHERE isleaf
        ) AS part
        JOIN pg_class AS c ON c.oid = part.relid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'session_id' AND NOT a.attisdropped
        LEFT JOIN LATERAL (
            SELECT * FROM pg_constraint
            WHERE conrelid = c.oid AND contype = 'f' AND confrelid = 'sojourn.session_master'::regclass
                AND conkey = ARRAY[a.attnum]
            ORDER BY convalidated DESC, oid
            LIMIT 1) AS k ON true
        ORDER BY c.relkind = 'p', 1
        """, [.text])
}

extension PostgresRow {
    /// A row of `AdoptedPart.statement`.
    func adoptedPart() throws -> AdoptedPart {
        let key = try optionalText(3).map { name in
            AdoptedPart.Key(name: name, isValidated: try bool(4), cascades: try bool(5))
        }
        return AdoptedPart(name: try text(0), isParent: try bool(1), isIndexed: try bool(2), key: key)
    }
}

extension PostgresClient {
    /// A table and its leaves, leaves first.
    func parts(of table: String) async throws -> [AdoptedPart] {
        try await query(PostgresCall(AdoptedPart.statement, text: table), retry: .ifInterrupted).map {
            try $0.adoptedPart()
        }
    }

    /// Reads a whole table of unknown size: takes its time, and may scan.
    fileprivate func scan(_ call: PostgresCall) async throws -> PostgresRows {
        try await withTransaction(patience: .hours(24)) { transaction in
            transaction.enqueue(PostgresCall(once: "SET LOCAL enable_seqscan = on"))
            return try await transaction.run(call)
        }
    }
}

extension PostgresCall {
    /// A statement with a text for its parameter.
    init(_ statement: PostgresStatement, text: String) {
        var arguments = PostgresArguments()
        arguments.append(text: text)
        self.init(statement, arguments)
    }
}

extension AdoptionOrder {
    fileprivate func refusal(_ message: String, field: String = "from") -> SojournError {
        SojournError(.invalidInput, message, field: field)
    }
}

extension Int {
    /// So many of something: `1 row`, `3 rows`.
    fileprivate func counted(_ noun: String) -> String { "\(self) \(noun)\(self == 1 ? "" : "s")" }
}
