// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

extension PostgresStore: RetailStore {
    public func createUsers(_ users: [RetailUserDraft], locale: RetailLocale) async throws
        -> [Result<RetailUser, SojournError>]
    {
        // Of drafts with one id the first is made.
        let first = Dictionary(users.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        let rows = try await write(first.values, locale: locale, overwriting: false)
        var made = Dictionary(
            uniqueKeysWithValues: try rows.map { (UserID(stored: try $0.text(0)), try RetailUser($0)) })
        return users.map { draft in
            made.removeValue(forKey: draft.id).map { .success($0) }
                ?? .failure(.alreadyExists("a user", field: "user_id"))
        }
    }

    public func putUsers(_ users: [RetailUserDraft], locale: RetailLocale) async throws -> RetailPut {
        let last = Dictionary(users.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        return try RetailPut(try await write(last.values, locale: locale, overwriting: true)) {
            try $0.bool(RetailUser.columnCount)
        }
    }

    public func user(_ id: UserID) async throws -> RetailUser? {
        try await answering { try await read(PostgresCall(RetailUser.reading, id)).first.map { try RetailUser($0) } }
    }

    public func users(_ page: PageRequest) async throws -> Page<RetailUser> {
        let call = try PostgresCall(RetailUser.listing, page)
        return try await answering {
            let found = try await read(call).map { try RetailUser($0) }
            return Page(fetched: found, limit: page.limit) { PageCursor(name: $0.id.text) }
        }
    }

    public func updateUser(_ id: UserID, _ patch: RetailUserPatch, locale: RetailLocale) async throws -> RetailUser? {
        var arguments = PostgresArguments()
        arguments.append(text: id.text)
        arguments.append(patch.name) { $0.append(text: $1) }
        arguments.append(patch.gender) { $0.append(text: $1??.rawValue) }
        arguments.append(patch.age) { $0.append(int4: $1?.map { Int32($0) }) }
        arguments.append(patch.ageGroup(locale)) { $0.append(text: $1 ?? nil) }
        arguments.append(patch.derivedRegion) { $0.append(text: $1 ?? nil) }
        arguments.append(patch.joinDate) { $0.append(text: $1?.text) }
        return try await change(PostgresCall(RetailUser.changing, arguments)).map { try RetailUser($0) }
    }

    /// Writes users, each id once, and returns the rows that are new or changed.
    private func write(
        _ drafts: some Collection<RetailUserDraft>, locale: RetailLocale, overwriting: Bool
    ) async throws -> PostgresRows {
        let users = drafts.sorted { $0.id < $1.id }
        var arguments = PostgresArguments(capacity: users.count * 160 + 200)
        arguments.append(texts: users.map(\.id.text))
        arguments.append(texts: users.map(\.name))
        arguments.append(texts: users.map { $0.gender?.rawValue })
        arguments.append(int4s: users.map { $0.age.map { Int32($0) } })
        arguments.append(texts: users.map { $0.ageGroup(locale) })
        arguments.append(texts: users.map(\.derivedRegion))
        arguments.append(texts: users.map { $0.joinDate?.text })
        arguments.append(microseconds: users.map { $0.createdAt?.microseconds })
        arguments.append(bool: overwriting)
        return try await write(PostgresCall(RetailUser.writing, arguments))
    }
}

extension PostgresStore {
    /// Runs one statement that writes rows in the order of their keys, again where a neighbour spoilt it.
    func write(_ call: PostgresCall) async throws -> PostgresRows {
        try await answering {
            try await repeating(until: .now + client.answerTimeout) { try await client.query(call) }
        }
    }

    /// Runs a statement that changes one row to what it is told, and returns that; nil where there is none. Repeated, it
    /// changes nothing more.
    func change(_ call: PostgresCall) async throws -> PostgresRow? {
        try await answering {
            try await repeating(until: .now + client.answerTimeout) {
                try await client.query(call, retry: .ifInterrupted)
            }
        }.first
    }
}

extension PostgresArguments {
    /// Adds a change as two parameters: whether there is one, and the new value.
    mutating func append<Value>(
        _ change: FieldChange<Value>, _ append: (inout PostgresArguments, Value?) -> Void
    ) {
        if case .set(let value) = change {
            self.append(bool: true)
            append(&self, value)
        } else {
            self.append(bool: false)
            append(&self, nil)
        }
    }
}

extension PostgresCall {
    /// A page of a listing by name: the rows after $1, $2 at most.
    init(_ statement: PostgresStatement, _ page: PageRequest) throws {
        var arguments = PostgresArguments()
        // Nothing has an empty name, so the first page is what comes after it.
        arguments.append(text: try page.after?.name() ?? "")
        arguments.append(int8: Int64(page.limit + 1))
        self.init(statement, arguments)
    }
}

extension RetailPut {
    /// Counts rows that were written, of which `isNew` tells which are new.
    init(_ rows: PostgresRows, isNew: (PostgresRow) throws -> Bool) rethrows {
        let added = try rows.count(where: isNew)
        self.init(added: added, updated: rows.count - added)
    }
}

extension RetailUser {
    /// The columns that `init(_:)` reads, in its order, of `users AS u`.
    static let columns = """
        u.user_id, u.name, u.gender, u.age, u.age_group, u.region, to_char(u.join_date, 'YYYY-MM-DD'), u.last_cached_at,
        u.created_at, u.version
        """

    /// How many `columns` there are.
    static let columnCount = 10

    /// Reads a row of a result that begins with `columns`.
    init(_ row: PostgresRow) throws {
        self.init(
            id: UserID(stored: try row.text(0)), name: try row.optionalText(1), gender: try row.optionalName(2),
            age: try row.optionalInt(3), ageGroup: try row.optionalText(4), region: try row.optionalText(5),
            joinDate: CalendarDate(stored: try row.text(6)), lastCachedAt: try row.optionalTime(7),
            createdAt: try row.time(8), version: try row.int(9))
    }

    static let reading = PostgresStatement(
        """
        SELECT \(columns) FROM sojourn.users AS u
        WHERE u.user_id = $1
        """, [.text])

    static let listing = PostgresStatement(
        """
        SELECT \(columns) FROM sojourn.users AS u
        WHERE u.user_id > $1
        ORDER BY u.user_id
        LIMIT $2
        """, [.text, .int8])

    /// Inserts users and completes stubs; with $9, changes those who are complete as well. What is left out stays. Returns the
    /// rows that are new or changed, and whether they are new or were stubs.
    fileprivate static let writing = PostgresStatement(
        """
        INSERT INTO sojourn.users AS u (user_id, name, gender, age, age_group, region, join_date, created_at)
        SELECT a.user_id, a.name, a.gender, a.age, a.age_group, a.region,
            coalesce(a.join_date::date, k.join_date, (t.at AT TIME ZONE 'UTC')::date), coalesce(a.created_at, t.at)
        FROM (SELECT sojourn.clock() AS at) AS t
        CROSS JOIN unnest($1, $2, $3, $4, $5, $6, $7, $8) AS a (
            user_id, name, gender, age, age_group, region, join_date, created_at)
        LEFT JOIN sojourn.users AS k ON k.user_id = a.user_id
        ORDER BY a.user_id
        ON CONFLICT (user_id) DO UPDATE
        SET name = excluded.name, gender = coalesce(excluded.gender, u.gender), age = coalesce(excluded.age, u.age),
            age_group = coalesce(excluded.age_group, u.age_group), region = coalesce(excluded.region, u.region),
            join_date = excluded.join_date
        WHERE u.name IS NULL
            OR ($9 AND (u.name, u.gender, u.age, u.age_group, u.region, u.join_date)
                IS DISTINCT FROM
                (excluded.name, coalesce(excluded.gender, u.gender), coalesce(excluded.age, u.age),
                    coalesce(excluded.age_group, u.age_group), coalesce(excluded.region, u.region), excluded.join_date))
        RETURNING \(columns),
            NOT EXISTS (SELECT 1 FROM sojourn.users AS k WHERE k.user_id = u.user_id AND k.name IS NOT NULL)
        """, [.texts, .texts, .texts, .int4s, .texts, .texts, .texts, .timestamptzs, .bool])

    fileprivate static let changing = PostgresStatement(
        """
        UPDATE sojourn.users AS u
        SET name = CASE WHEN $2 THEN $3 ELSE u.name END,
            gender = CASE WHEN $4 THEN $5 ELSE u.gender END,
            age = CASE WHEN $6 THEN $7 ELSE u.age END,
            age_group = CASE WHEN $8 THEN $9 ELSE u.age_group END,
            region = CASE WHEN $10 THEN $11 ELSE u.region END,
            join_date = CASE WHEN $12 THEN $13::date ELSE u.join_date END
        WHERE u.user_id = $1
        RETURNING \(columns)
        """,
        [
            .text, .bool, .text, .bool, .text, .bool, .int4, .bool, .text, .bool, .text, .bool, .text,
        ])
}
