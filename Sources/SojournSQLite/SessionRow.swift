// SPDX-License-Identifier: Apache-2.0

internal import GRDB
internal import Sojourn

/// A row of `session_master` with its user's epoch: all that a decision about a session needs.
struct SessionRow {
    /// SQLite's own number of the row; good within one transaction.
    let number: Int64
    /// The session and its secrets.
    var record: SessionRecord
    /// The user's epoch; `first` for an anonymous visitor.
    let user: UserEpoch

    /// The columns that `init` reads, in its order. The user is looked up by key, and only where there is one.
    static let columns = """
        s.rowid, s.session_id, s.user_id, s.session_type, s.session_metadata, s.session_claims, s.version,
        s.session_start, s.last_activity, s.expires_at, s.absolute_expires_at, s.request_count, s.turn_count,
        s.ip_address, s.user_agent, s.ttl_seconds, s.renewal, s.session_end, s.end_reason,
        s.secret_digest, s.previous_digest, s.previous_until, s.successor_sealed, s.epoch,
        u.epoch, u.epoch_raised_at, u.epoch_raised_by
        """

    /// How many `columns` there are.
    static let columnCount = 27

    /// What `columns` are taken from.
    static let tables = "session_master AS s LEFT JOIN users AS u ON u.user_id = s.user_id"

    private static let select = "SELECT \(columns) FROM \(tables)"
    /// One session by its id.
    static let byID = "\(select) WHERE s.session_id = ?"

    /// All rows that a condition, order and limit let through.
    static func selecting(_ rest: String) -> String { "\(select) \(rest)" }

    /// Reads the current row of a statement over `columns`.
    init(_ columns: Columns) throws {
        number = columns.integer(0)
        let end: SessionEnd? =
            columns.isNull(17) ? nil : SessionEnd(at: columns.time(17), reason: try columns.name(18, "an end's reason"))
        let session = Session(
            id: SessionID(try columns.uuid(1)), userID: columns.optionalText(2).map(UserID.init(stored:)),
            type: try columns.name(3, "a session's type"), metadata: JSONDocument(stored: columns.text(4)),
            claims: JSONDocument(stored: columns.text(5)), version: try columns.count(6), createdAt: columns.time(7),
            lastActivity: columns.time(8), expiresAt: columns.time(9), absoluteExpiresAt: columns.optionalTime(10),
            requestCount: try columns.count(11), turnCount: try columns.count(12), ipAddress: columns.optionalText(13),
            userAgent: columns.optionalText(14), life: .seconds(columns.integer(15)),
            renewal: try columns.name(16, "a renewal"), end: end)
        var previous: PreviousSecret?
        if let digest = columns.optionalBytes(20) {
            previous = PreviousSecret(
                digest: SecretDigest(bytes: digest), until: columns.time(21),
                successorSealed: columns.optionalBytes(22) ?? [])
        }
        record = SessionRecord(
            session: session, digest: columns.optionalBytes(19).map(SecretDigest.init(bytes:)), previous: previous,
            epoch: try columns.count(23))
        user =
            session.userID == nil
            ? .first
            : UserEpoch(
                value: try columns.count(24), raisedAt: columns.optionalTime(25),
                raisedBy: columns.isNull(26) ? nil : try columns.name(26, "an actor"))
    }
}

extension SessionRow {
    /// The session's id.
    var id: SessionID { record.session.id }

    /// What `access` may do now.
    func admission(_ access: SessionAccess, at now: Timestamp) -> Admission {
        record.admission(access, at: now, user: user)
    }

    /// Whether `access` may read the session: by token while it is live, by trust always.
    func mayBeRead(_ access: SessionAccess, at now: Timestamp) -> Bool {
        access.digest == nil || admission(access, at: now) == .full
    }
}

extension Database {
    /// The row of a session; nil where it is not stored.
    func row(_ id: SessionID) throws -> SessionRow? {
        try first(SessionRow.byID, [.id(id)], SessionRow.init)
    }

    /// The row of a live session whose current secret or our trust `access` shows. Throws `noSession` otherwise.
    func admitted(_ access: SessionAccess, at now: Timestamp) throws -> SessionRow {
        guard let row = try row(access.id), row.admission(access, at: now) == .full else {
            throw SojournError.noSession()
        }
        return row
    }

    /// Inserts a new session. The user, if any, is registered.
    func insert(_ record: SessionRecord) throws {
        let session = record.session
        try run(
            """
            INSERT INTO session_master (
                session_id, user_id, session_type, session_metadata, session_claims, version,
                session_start, last_activity, expires_at, absolute_expires_at,
                ip_address, user_agent, ttl_seconds, renewal, secret_digest, epoch)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .id(session.id), .user(session.userID), .text(session.type.rawValue), .text(session.metadata.text),
                .text(session.claims.text), .integer(session.version), .time(session.createdAt),
                .time(session.lastActivity), .time(session.expiresAt), .time(session.absoluteExpiresAt),
                .text(session.ipAddress), .text(session.userAgent), .integer(session.life.components.seconds),
                .text(session.renewal.rawValue), .blob(record.digest?.bytes), .integer(record.epoch),
            ])
    }

    /// Stores what a validation or a write changes. Touches no index unless the expiry moved.
    func saveActivity(_ row: SessionRow, was before: Timestamp) throws {
        let session = row.record.session
        if session.expiresAt == before {
            try run(
                """
                UPDATE session_master SET last_activity = ?, request_count = ?, turn_count = ? WHERE rowid = ?
                """,
                [
                    .time(session.lastActivity), .integer(session.requestCount), .integer(session.turnCount),
                    .integer(row.number),
                ])
        } else {
            try run(
                """
                UPDATE session_master SET last_activity = ?, request_count = ?, turn_count = ?, expires_at = ?
                WHERE rowid = ?
                """,
                [
                    .time(session.lastActivity), .integer(session.requestCount), .integer(session.turnCount),
                    .time(session.expiresAt), .integer(row.number),
                ])
        }
    }

    /// Stores all that can change in a session.
    func save(_ row: SessionRow) throws {
        let session = row.record.session
        let previous = row.record.previous
        try run(
            """
            UPDATE session_master
            SET last_activity = ?, request_count = ?, turn_count = ?, expires_at = ?, session_end = ?, end_reason = ?,
                version = ?, epoch = ?, user_id = ?, secret_digest = ?,
                previous_digest = ?, previous_until = ?, successor_sealed = ?,
                session_metadata = ?, session_claims = ?
            WHERE rowid = ?
            """,
            [
                .time(session.lastActivity), .integer(session.requestCount), .integer(session.turnCount),
                .time(session.expiresAt), .time(session.end?.at), .text(session.end?.reason.rawValue),
                .integer(session.version), .integer(row.record.epoch), .user(session.userID),
                .blob(row.record.digest?.bytes), .blob(previous?.digest.bytes), .time(previous?.until),
                .blob(previous?.successorSealed), .text(session.metadata.text), .text(session.claims.text),
                .integer(row.number),
            ])
    }
}
