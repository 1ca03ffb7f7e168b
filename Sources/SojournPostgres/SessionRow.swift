// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
internal import Sojourn

/// A row of `session_master` with its user's epoch and the moment it was read: all that a decision needs.
struct SessionRow: Sendable {
    /// The session and its secrets.
    var record: SessionRecord
    /// The user's epoch; `first` for an anonymous visitor.
    var user: UserEpoch
    /// The database's clock when the row was read.
    let at: Timestamp

    /// The columns that `init` reads, in its order, of the tables below.
    static let columns = """
        \(SessionRecord.columns), s.user_epoch, u.epoch_raised_at, u.epoch_raised_by, t.at
        """

    /// What `columns` are taken from.
    static let tables = """
        (SELECT sojourn.clock() AS at) AS t
        CROSS JOIN sojourn.session_master AS s
        LEFT JOIN sojourn.users AS u ON u.user_id = s.user_id
        """

    /// All rows that a condition, order, limit and lock let through.
    static func selecting(_ rest: String) -> String { "SELECT \(columns)\nFROM \(tables)\n\(rest)" }

    /// Reads a row of a result over `columns`.
    init(_ row: PostgresRow) throws {
        record = try SessionRecord(row)
        let next = SessionRecord.columnCount
        user = UserEpoch(
            value: try row.int(next), raisedAt: try row.optionalTime(next + 1),
            raisedBy: try row.optionalName(next + 2))
        at = try row.time(next + 3)
    }

    /// Locks sessions in order, so that the next statement of a unit sees all that they hold, and nobody adds to it.
    static let locking = PostgresStatement(
        """
        SELECT 1 FROM sojourn.session_master
        WHERE session_id = ANY ($1)
        ORDER BY session_id
        FOR NO KEY UPDATE
        """, [.uuids])

    /// The session's id.
    var id: SessionID { record.session.id }

    /// What `access` may do at `now`.
    func admission(_ access: SessionAccess, at now: Timestamp) -> Admission {
        record.admission(access, at: now, user: user)
    }

    /// The session as `access` may read it: by token while it is live, by trust always; nil where it may not.
    func stored(for access: SessionAccess) -> StoredSession? {
        guard access.digest == nil || admission(access, at: at) == .full else { return nil }
        return record.stored(at: at, user: user)
    }
}

extension SessionRecord {
    /// The columns that `init(_:)` reads, in its order, of `session_master AS s`.
    static let columns = """
        \(Session.columns),
        s.secret_digest, s.previous_digest, s.previous_until, s.successor_sealed, coalesce(s.epoch, 0)
        """

    /// How many `columns` there are.
    static let columnCount = Session.columnCount + 5

    /// Reads a row of a result that begins with `columns`.
    init(_ row: PostgresRow) throws {
        let next = Session.columnCount
        var previous: PreviousSecret?
        if let digest = try row.optionalBytes(next + 1) {
            previous = PreviousSecret(
                digest: SecretDigest(bytes: digest), until: try row.time(next + 2),
                successorSealed: try row.optionalBytes(next + 3) ?? [])
        }
        self.init(
            session: try Session(row), digest: try row.optionalBytes(next).map(SecretDigest.init(bytes:)),
            previous: previous, epoch: try row.int(next + 4))
    }
}

extension Session {
    /// The columns that `init(_:)` reads, in its order, of `session_master AS s`.
    static let columns = """
        s.session_id, s.user_id, s.session_type, s.session_metadata, s.session_claims, s.version, s.session_start,
        s.last_activity, s.expires_at, s.absolute_expires_at, s.request_count, s.turn_count, host(s.ip_address),
        s.user_agent, s.ttl_seconds, s.renewal, s.session_end, s.end_reason
        """

    /// How many `columns` there are.
    static let columnCount = 18

    /// Reads a row of a result that begins with `columns`.
    init(_ row: PostgresRow) throws {
        var end: SessionEnd?
        if let at = try row.optionalTime(16) {
            end = SessionEnd(at: at, reason: try row.name(17))
        }
        self.init(
            id: try row.sessionID(0), userID: try row.optionalText(1).map(UserID.init(stored:)),
            type: try row.name(2), metadata: try row.document(3), claims: try row.document(4),
            version: try row.int(5), createdAt: try row.time(6), lastActivity: try row.time(7),
            expiresAt: try row.time(8), absoluteExpiresAt: try row.optionalTime(9),
            requestCount: try row.int(10), turnCount: try row.int(11),
            ipAddress: try row.optionalText(12), userAgent: try row.optionalText(13),
            life: .seconds(try row.int(14)), renewal: try row.name(15), end: end)
    }
}

extension SessionID {
    /// The id as the driver takes it.
    var halves: (UInt64, UInt64) { (uuid.high, uuid.low) }
}

extension PostgresRow {
    /// A session's id.
    func sessionID(_ column: Int) throws -> SessionID {
        let (high, low) = try uuid(column)
        return SessionID(UUIDBytes(high: high, low: low))
    }

    /// A moment.
    func time(_ column: Int) throws -> Timestamp { Timestamp(microseconds: try microseconds(column)) }

    /// A moment; nil for NULL.
    func optionalTime(_ column: Int) throws -> Timestamp? {
        try optionalMicroseconds(column).map(Timestamp.init(microseconds:))
    }

    /// A `jsonb` object in our form: compact, keys sorted.
    func document(_ column: Int) throws -> JSONDocument {
        let text = try json(column)
        if text == "{}" { return .empty }
        if let canonical = JSONBText.canonical(text) { return JSONDocument(stored: canonical) }
        return JSONDocument(JSONDocument(stored: text).members)
    }

    /// A word of an enumeration; nil for NULL.
    func optionalName<Name: RawRepresentable>(_ column: Int) throws -> Name? where Name.RawValue == String {
        guard let text = try optionalText(column) else { return nil }
        guard let name = Name(rawValue: text) else {
            throw PostgresError(.unexpectedResult, "The database holds a word that this version does not know.")
        }
        return name
    }

    /// A word of an enumeration.
    func name<Name: RawRepresentable>(_ column: Int) throws -> Name where Name.RawValue == String {
        guard let name: Name = try optionalName(column) else {
            throw PostgresError(.unexpectedResult, "Column \(column) of the result is NULL.")
        }
        return name
    }
}
