// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

/// Pages of sessions' histories of one kind, read together; each is read out of its rows by the caller who wants it.
typealias Readings = Fold<Reading, Reading, [PostgresRow]?>

/// A page of a session's history, wanted.
struct Reading: Hashable, Sendable {
    /// The session.
    let id: SessionID
    /// What its token hashes to; nil where the caller is trusted.
    let digest: SecretDigest?
    /// Entries at this moment or later.
    let from: Timestamp?
    /// Entries before this moment.
    let to: Timestamp?
    /// Entries that come after this place, going back in time.
    let after: Place?
    /// The most entries.
    let most: Int

    /// A place in a history.
    struct Place: Hashable, Sendable {
        let at: Timestamp
        let id: UUIDBytes
    }
}

extension PostgresStore {
    /// A session's page is read together with those of others who wait. A search or a user's page is read by itself.
    public func history(
        _ kind: JournalKind, of scope: JournalScope, _ query: HistoryQuery, page: PageRequest
    ) async throws -> Page<JournalEntry> {
        let after = try page.after?.timeAndUUID()
        return try await answering {
            let found: [JournalEntry]
            if case .session(let access) = scope, query.text == nil {
                let reading = Reading(
                    id: access.id, digest: access.digest, from: query.from, to: query.to,
                    after: after.map { Reading.Place(at: $0.0, id: $0.1) }, most: page.limit + 1)
                guard let rows = try await readings[kind, on: lane(of: access.id)](reading).answer else {
                    throw SojournError.noSession()
                }
                found = try rows.map { try kind.read($0, from: 1) }
            } else {
                found = try await search(kind, of: scope, query, after: after, most: page.limit + 1)
            }
            return Page(fetched: found, limit: page.limit) { PageCursor($0.at, $0.id.uuid) }
        }
    }

    public func entry(_ id: EntryID, of access: SessionAccess?) async throws -> JournalEntry? {
        try await answering {
            if let access { try await admitReader(access) }
            var arguments = PostgresArguments()
            arguments.append(uuid: id.halves)
            arguments.append(uuid: access?.id.halves)
            let found = try await client.send(
                (access == nil ? Self.anybodys : Self.entries).map { PostgresCall($0, arguments) },
                retry: .ifInterrupted)
            for (kind, rows) in zip(JournalKind.allCases, found) {
                if let row = rows.first { return try kind.read(row) }
            }
            return nil
        }
    }

    /// An entry by its id, for each kind: of a session, in the months that its turns lie in, or of any.
    private static let entries = JournalKind.allCases.map { kind in
        PostgresStatement(
            """
            SELECT \(kind.columns)
            FROM sojourn.session_master AS s
            JOIN sojourn.\(kind.table) AS c ON c.session_id = s.session_id\(kind.span)
            WHERE s.session_id = $2 AND c.id = $1
            """, [.uuid, .uuid])
    }
    private static let anybodys = JournalKind.allCases.map { kind in
        PostgresStatement(
            "SELECT \(kind.columns) FROM sojourn.\(kind.table) AS c WHERE c.id = $1 AND $2 IS NULL", [.uuid, .uuid])
    }

    private func search(
        _ kind: JournalKind, of scope: JournalScope, _ query: HistoryQuery, after: (Timestamp, UUIDBytes)?, most: Int
    ) async throws -> [JournalEntry] {
        // Other kinds have no text, so nothing of theirs is found.
        guard query.text == nil || kind == .conversations else {
            if case .session(let access) = scope { try await admitReader(access) }
            return []
        }
        var arguments = PostgresArguments()
        arguments.append(microseconds: query.from?.microseconds)
        arguments.append(microseconds: query.to?.microseconds)
        arguments.append(microseconds: after?.0.microseconds)
        arguments.append(uuid: after.map { ($0.1.high, $0.1.low) })
        arguments.append(int8: Int64(most))
        if let text = query.text { arguments.append(text: text) }
        switch scope {
        case .session(let access):
            try await admitReader(access)
            arguments.append(uuid: access.id.halves)
        case .user(let user): arguments.append(text: user.text)
        case .everybody: break
        }
        let statement = HistorySearch(kind: kind, scope: scope, isSearch: query.text != nil).statement
        return try await read(PostgresCall(statement, arguments)).map { try kind.read($0) }
    }

    /// Throws `noSession` where the session is not there for the caller.
    func admitReader(_ access: SessionAccess) async throws {
        guard try await find([access])[0] != nil else { throw SojournError.noSession() }
    }
}

/// The statement of a page that is read by itself.
struct HistorySearch {
    let kind: JournalKind
    let scope: JournalScope
    let isSearch: Bool

    var statement: PostgresStatement {
        let time = "c.\(kind.timeField)"
        var conditions = [
            "\(time) >= coalesce($1, '-infinity')", "\(time) < coalesce($2, 'infinity')",
            "\(time) <= coalesce($3, 'infinity')",
            "(\(time), c.id) < (coalesce($3, 'infinity'), coalesce($4, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))",
        ]
        var types: [PostgresType] = [.timestamptz, .timestamptz, .timestamptz, .uuid, .int8]
        if isSearch {
            conditions.append("sojourn.turn_text(c.input_text, c.response_text) LIKE sojourn.search_pattern($6)")
            types.append(.text)
        }
        switch scope {
        case .session:
            types.append(.uuid)
            conditions.append("c.session_id = $\(types.count)")
        case .user:
            types.append(.text)
            conditions.append("c.user_id = $\(types.count)")
        case .everybody: break
        }
        return PostgresStatement(
            """
            SELECT \(kind.columns)
            FROM sojourn.\(kind.table) AS c
            WHERE \(conditions.joined(separator: "\n    AND "))
            ORDER BY \(time) DESC, c.id DESC
            LIMIT $5
            """, types)
    }
}

extension PostgresClient {
    /// The fold of a lane's pages of one kind.
    func readings(of kind: JournalKind, on lane: Int) -> Readings {
        let statement = Reading.statement(kind)
        return Fold(rowsMax: 32, patience: answerTimeout, key: \.self) { [self] rows in
            let jobs = rows.map(\.job)
            var arguments = PostgresArguments(capacity: jobs.count * 100 + 100)
            arguments.append(uuids: jobs.map(\.id.halves))
            arguments.append(bytes: jobs.map { $0.digest?.bytes })
            arguments.append(microseconds: jobs.map { $0.from?.microseconds })
            arguments.append(microseconds: jobs.map { $0.to?.microseconds })
            arguments.append(microseconds: jobs.map { $0.after?.at.microseconds })
            arguments.append(uuids: jobs.map { job in job.after.map { ($0.id.high, $0.id.low) } })
            arguments.append(int8s: jobs.map { Int64($0.most) })
            let found = try await query(PostgresCall(statement, arguments), lane: lane, retry: .ifInterrupted)
            var pages = [[PostgresRow]?](repeating: nil, count: rows.count)
            for row in found {
                let place = try row.int(0) - 1
                guard jobs.indices.contains(place) else { continue }
                // A history without entries is one row without an entry.
                if pages[place] == nil { pages[place] = [] }
                if !row.isNull(1) { pages[place]?.append(row) }
            }
            return pages
        }
    }
}

extension JournalKind {
    /// Further conditions by which only those months are touched that a session's (`s`) turns (`c`) lie in.
    fileprivate var span: String {
        self == .conversations ? " AND c.\(timeField) BETWEEN s.first_at AND s.last_at" : ""
    }
}

extension Reading {
    /// The pages of several sessions that their callers may read. A session knows the span of its turns, so the months
    /// outside it and outside the bounds asked are not touched; of the rest, those are read that the page reaches into.
    static func statement(_ kind: JournalKind) -> PostgresStatement {
        let time = "c.\(kind.timeField)"
        return PostgresStatement(
            """
            SELECT a.place, page.*
            FROM (SELECT sojourn.clock() AS at) AS t
            CROSS JOIN unnest($1, $2, $3, $4, $5, $6, $7) WITH ORDINALITY AS a (
                session_id, digest, from_at, to_at, after_at, after_id, most, place)
            JOIN sojourn.session_master AS s ON s.session_id = a.session_id
            LEFT JOIN LATERAL (
                SELECT \(kind.columns)
                FROM sojourn.\(kind.table) AS c
                WHERE c.session_id = s.session_id\(kind.span)
                    AND \(time) >= coalesce(a.from_at, '-infinity')
                    AND \(time) < coalesce(a.to_at, 'infinity')
                    AND \(time) <= coalesce(a.after_at, 'infinity')
                    AND (\(time), c.id) < (
                        coalesce(a.after_at, 'infinity'), coalesce(a.after_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
                ORDER BY \(time) DESC, c.id DESC
                LIMIT a.most
            ) AS page ON true
            WHERE a.digest IS NULL OR (sojourn.session_live(s, t.at) AND sojourn.session_opens(s, a.digest))
            ORDER BY a.place, page.\(kind.timeField) DESC, page.id DESC
            """,
            [.uuids, .byteas, .timestamptzs, .timestamptzs, .timestamptzs, .uuids, .int8s])
    }
}
