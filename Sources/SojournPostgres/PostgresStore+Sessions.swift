// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

extension PostgresStore: SessionStore {
    public var capabilities: StoreCapabilities {
        [.sessions, .items, .journal, .history, .partitions, .tiering, .retail, .deadLetters]
    }

    public func find(_ accesses: [SessionAccess]) async throws -> [StoredSession?] {
        try await answering {
            guard !accesses.isEmpty else { return [] }
            var arguments = PostgresArguments(capacity: accesses.count * 20 + 20)
            arguments.append(uuids: accesses.map(\.id.halves))
            var found: [SessionID: SessionRow] = [:]
            for row in try await read(PostgresCall(SessionRow.byIDs, arguments)) {
                let row = try SessionRow(row)
                found[row.id] = row
            }
            return accesses.map { found[$0.id]?.stored(for: $0) }
        }
    }

    public func extend(_ access: SessionAccess, by life: Duration?) async throws -> Session {
        try await change(access, noting: .extended) { row, now in row.record.session.extend(by: life, at: now) }
    }

    public func rotate(_ access: SessionAccess, to rotation: Rotation) async throws -> RotationOutcome {
        try await transaction { transaction in
            let (row, now) = try await transaction.lockSession(access.id)
            guard var row else { throw SojournError.noSession() }
            switch row.admission(access, at: now) {
            case .refused: throw SojournError.noSession()
            case .previous:
                let sealed = row.record.previous?.successorSealed ?? []
                return .repeated(row.record.session, successorSealed: sealed)
            case .full:
                row.record.rotate(to: rotation, at: now)
                transaction.save(row, noting: SessionFact(at: now, kind: .rotated, actor: access.actor))
                return .rotated(row.record.session)
            }
        }
    }

    public func bind(
        _ access: SessionAccess, to user: UserID, digest: SecretDigest, sessionsPerUserMax: Int?
    ) async throws -> Session {
        try await transaction { transaction in
            let (epoch, _) = try await transaction.lockUser(user)
            // With a cap the user's other sessions are locked too, all in one order.
            let (rows, now) =
                try await sessionsPerUserMax == nil
                ? transaction.lockOne(access.id) : transaction.lockUnmarked(of: user, and: access.id)
            guard var row = rows.first(where: { $0.id == access.id }), row.admission(access, at: now) == .full else {
                throw SojournError.noSession()
            }
            guard row.record.session.userID == nil || row.record.session.userID == user else {
                throw SojournError.userConflict()
            }
            row.record.bind(to: user, digest: digest, epoch: epoch)
            row.user = epoch
            transaction.save(row, noting: SessionFact(at: now, kind: .bound, actor: access.actor, detail: user.text))
            if let max = sessionsPerUserMax {
                transaction.keepCap(max, for: row.id, among: rows, at: now)
            }
            return row.record.session
        }
    }

    public func issueSecret(_ access: SessionAccess, digest: SecretDigest) async throws -> Session {
        try await change(access, noting: .rotated) { row, _ in try row.record.issue(digest) }
    }

    public func replace(
        _ field: SessionField, of access: SessionAccess, with document: JSONDocument, ifVersion version: Int
    ) async throws -> Session {
        try await change(access) { row, _ in try row.record.replace(field, with: document, ifVersion: version) }
    }

    public func ping() async throws {
        try await answering {
            let answer = try await read(PostgresCall(Self.readiness))
            guard try answer.first?.bool(0) == true else {
                throw SojournError(.storeUnavailable, PostgresFailure.readOnly)
            }
        }
    }

    private static let readiness = PostgresStatement(
        """
        SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'
        FROM sojourn.schema_migrations
        LIMIT 1
        """)

    /// Lets `body` change the live session that `access` admits to, stores it and notes the fact, if any.
    private func change(
        _ access: SessionAccess, noting fact: SessionFactKind? = nil,
        _ body: @escaping @Sendable (inout SessionRow, Timestamp) throws -> Void
    ) async throws -> Session {
        try await transaction { transaction in
            var (row, now) = try await transaction.admitted(access)
            try body(&row, now)
            transaction.save(row, noting: fact.map { SessionFact(at: now, kind: $0, actor: access.actor) })
            return row.record.session
        }
    }
}

extension PostgresTransaction {
    /// Locks the row of a session and reads it, with the time once it is locked; no row where it is not stored.
    func lockSession(_ id: SessionID) async throws -> (row: SessionRow?, now: Timestamp) {
        let (rows, now) = try await lockOne(id)
        return (rows.first, now)
    }

    /// The same as a list of one, or of none.
    func lockOne(_ id: SessionID) async throws -> (rows: [SessionRow], now: Timestamp) {
        let (rows, now) = try await lock(PostgresCall(SessionRow.locked, id))
        return (try rows.map(SessionRow.init), now)
    }

    /// Locks the row of a live session whose current secret or our trust `access` shows. Throws `noSession` otherwise.
    func admitted(_ access: SessionAccess) async throws -> (row: SessionRow, now: Timestamp) {
        let (row, now) = try await lockSession(access.id)
        guard let row, row.admission(access, at: now) == .full else { throw SojournError.noSession() }
        return (row, now)
    }

    /// Stores all that can change in a locked session, and notes a fact, with the next round trip.
    func save(_ row: SessionRow, noting fact: SessionFact? = nil) {
        let session = row.record.session
        let previous = row.record.previous
        var arguments = PostgresArguments(capacity: 400)
        arguments.append(uuid: session.id.halves)
        arguments.append(microseconds: session.lastActivity.microseconds)
        arguments.append(microseconds: session.expiresAt.microseconds)
        arguments.append(int8: Int64(session.version))
        arguments.append(text: session.userID?.text)
        arguments.append(int8: Int64(row.record.epoch))
        arguments.append(int8: Int64(row.user.value))
        arguments.append(bytes: row.record.digest?.bytes)
        arguments.append(bytes: previous?.digest.bytes)
        arguments.append(microseconds: previous?.until.microseconds)
        arguments.append(bytes: previous?.successorSealed)
        arguments.append(json: session.metadata.text)
        arguments.append(json: session.claims.text)
        arguments.append(microseconds: fact?.at.microseconds)
        arguments.append(text: fact?.kind.rawValue)
        arguments.append(text: fact?.actor.rawValue)
        arguments.append(text: fact?.detail)
        enqueue(PostgresCall(SessionRow.saving, arguments))
    }
}

extension SessionRow {
    /// Sessions by their ids, untouched.
    fileprivate static let byIDs = PostgresStatement(selecting("WHERE s.session_id = ANY ($1)"), [.uuids])

    /// One session by its id, locked against everyone who would change it.
    static let locked = PostgresStatement(
        selecting("WHERE s.session_id = $1\nFOR NO KEY UPDATE OF s"), [.uuid])

    fileprivate static let saving = PostgresStatement(
        """
        WITH saved AS (
            UPDATE sojourn.session_master
            SET last_activity = $2, expires_at = $3, version = $4, user_id = $5, epoch = $6, user_epoch = $7,
                secret_digest = $8, previous_digest = $9, previous_until = $10, successor_sealed = $11,
                session_metadata = $12, session_claims = $13,
                fact_count = fact_count + CASE WHEN $15 IS NULL THEN 0 ELSE 1 END
            WHERE session_id = $1
            RETURNING session_id, fact_count
        )
        INSERT INTO sojourn.session_facts (session_id, n, at, kind, actor, detail)
        SELECT session_id, fact_count, $14, $15, $16, $17
        FROM saved
        WHERE $15 IS NOT NULL
        """,
        [
            .uuid, .timestamptz, .timestamptz, .int8, .text, .int8, .int8, .bytea, .bytea, .timestamptz, .bytea, .jsonb,
            .jsonb, .timestamptz, .text, .text, .text,
        ])
}
