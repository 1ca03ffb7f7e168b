// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

extension PostgresStore {
    public func endAll(of user: UserID, by actor: Actor) async throws -> Int {
        try await transaction { transaction in
            let (epoch, _) = try await transaction.lockUser(user)
            let (rows, now) = try await transaction.lockUnmarked(of: user)
            return transaction.raise(epoch, of: user, with: rows, at: now, by: actor)
        }
    }

    public func endOthers(_ access: SessionAccess) async throws -> Int {
        for _ in 0..<attemptsMax {
            if let ended = try await endOthersOfOwner(access) { return ended }
        }
        throw SojournError(.storeUnavailable, "The session kept changing hands. Try again.")
    }

    /// Users are locked before sessions, so whose the session is must be known before it is locked. Nil where it is
    /// another's by then, who was bound meanwhile or has it made anew: nothing was changed.
    private func endOthersOfOwner(_ access: SessionAccess) async throws -> Int? {
        try await transaction { transaction in
            let known = try await transaction.run(PostgresCall(User.owner, access.id))
            guard let owner = try known.first?.optionalText(0).map(UserID.init(stored:)) else {
                let row = try await transaction.admitted(access).row
                return row.record.session.userID == nil ? 0 : nil
            }
            let (epoch, _) = try await transaction.lockUser(owner)
            // All in one order, the caller's own session among them.
            let (rows, now) = try await transaction.lockUnmarked(of: owner, and: access.id)
            guard let row = rows.first(where: { $0.id == access.id }), row.admission(access, at: now) == .full else {
                throw SojournError.noSession()
            }
            guard row.record.session.userID == owner else { return nil }
            let live = transaction.raise(epoch, of: owner, with: rows, at: now, by: access.actor)
            transaction.enqueue(PostgresCall(User.restamping, access.id))
            return live - 1
        }
    }

    public func erase(_ user: UserID) async throws -> ErasureReceipt {
        try await transaction { transaction in
            _ = try await transaction.run(PostgresCall(User.removalLock, user))
            let sessions = try await transaction.run(PostgresCall(User.sessionsLock, user)).map { try $0.sessionID(0) }
            var owned = PostgresArguments()
            owned.append(uuids: sessions.map(\.halves))
            var named = PostgresArguments()
            named.append(text: user.text)
            named.append(uuids: sessions.map(\.halves))
            let kinds = JournalKind.allCases
            let removals =
                kinds.map { PostgresCall(User.entriesRemoval($0), named) } + [
                    PostgresCall(User.itemsRemoval, owned), PostgresCall(User.sessionsRemoval, owned),
                    PostgresCall(User.ordersDetachment, user), PostgresCall(User.removal, user),
                ]
            let removed = try await transaction.run(removals).map(\.affected)
            return ErasureReceipt(
                sessions: removed[kinds.count + 1], items: removed[kinds.count],
                entries: Dictionary(uniqueKeysWithValues: zip(kinds, removed).filter { $0.1 > 0 }),
                orders: removed[kinds.count + 2])
        }
    }

    public func sessions(matching filter: SessionFilter, page: PageRequest) async throws -> Page<StoredSession> {
        let after = try page.after?.uuid()
        return try await answering {
            var listing = Listing()
            if let after { listing.add("s.session_id <", .uuid) { $0.append(uuid: (after.high, after.low)) } }
            if let user = filter.userID { listing.add("s.user_id =", .text) { $0.append(text: user.text) } }
            if let type = filter.type { listing.add("s.session_type =", .text) { $0.append(text: type.rawValue) } }
            if let status = filter.status {
                if status == .active { listing.conditions.append("s.session_end IS NULL") }
                listing.add("sojourn.session_status(s, u.epoch_raised_at, t.at) =", .text) {
                    $0.append(text: status.rawValue)
                }
            }
            let found = try await read(listing.call(limit: page.limit + 1)).map { row in
                let row = try SessionRow(row)
                return row.record.stored(at: row.at, user: row.user)
            }
            return Page(fetched: found, limit: page.limit) { PageCursor($0.session.id.uuid) }
        }
    }
}

/// A listing's conditions, each with its parameter. There are few combinations, so each stays prepared.
private struct Listing {
    var conditions: [String] = []
    private var types: [PostgresType] = []
    private var arguments = PostgresArguments()

    /// A condition that ends where its parameter stands.
    mutating func add(_ condition: String, _ type: PostgresType, _ append: (inout PostgresArguments) -> Void) {
        types.append(type)
        conditions.append("\(condition) $\(types.count)")
        append(&arguments)
    }

    /// The statement over `SessionRow.columns`, newest ids first.
    func call(limit: Int) -> PostgresCall {
        var arguments = arguments
        arguments.append(int8: Int64(limit))
        let condition = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: "\n    AND ") + "\n"
        let sql = SessionRow.selecting("\(condition)ORDER BY s.session_id DESC\nLIMIT $\(types.count + 1)")
        return PostgresCall(PostgresStatement(sql, types + [.int8]), arguments)
    }
}

extension PostgresTransaction {
    /// Registers a user that is not known, and locks the user's row against a raised epoch and another's count of the
    /// user's sessions. Returns the epoch and the time once it is locked.
    func lockUser(_ user: UserID) async throws -> (epoch: UserEpoch, now: Timestamp) {
        var names = PostgresArguments()
        names.append(texts: [user.text])
        let (rows, now) = try await lock(PostgresCall(User.registration, names), PostgresCall(User.lock, user))
        guard let row = rows.first else {
            // Erased between the two statements: the caller's transaction is repeated by nobody, so it is told.
            throw SojournError(.storeUnavailable, "The user was erased meanwhile. Try again.")
        }
        let epoch = UserEpoch(
            value: try row.int(0), raisedAt: try row.optionalTime(1), raisedBy: try row.optionalName(2))
        return (epoch, now)
    }

    /// Raises a locked user's epoch with the next round trip, and returns how many of the user's sessions, `rows`, were
    /// live until now.
    ///
    /// A user keeps the last raise only, so the ends that the raise before it brought are written first, where no sweep
    /// has. The sessions themselves hear of the new epoch by the trigger `spread_epoch`.
    func raise(
        _ epoch: UserEpoch, of user: UserID, with rows: [SessionRow], at now: Timestamp, by actor: Actor
    ) -> Int {
        var live = 0
        var ends: [Marking] = []
        for row in rows {
            let end = row.record.unmarkedEnd(at: now, user: row.user)
            if end == nil { live += 1 }
            if let end, end.reason == .revoked {
                ends.append(Marking(id: row.id, end: end, actor: row.user.raisedBy ?? .sweep))
            }
        }
        mark(ends)
        let raised = epoch.raised(at: now, by: actor)
        var arguments = PostgresArguments()
        arguments.append(text: user.text)
        arguments.append(int8: Int64(raised.value))
        arguments.append(microseconds: now.microseconds)
        arguments.append(text: actor.rawValue)
        enqueue(PostgresCall(User.raising, arguments))
        return live
    }

    /// Ends, with the next round trip, the oldest other live sessions of a session's user, `rows`, until no more than
    /// `max` are left with this one.
    func keepCap(_ max: Int, for session: SessionID, among rows: [SessionRow], at now: Timestamp) {
        let others = rows.filter { $0.id != session && $0.record.isLive(at: now, user: $0.user) }.sorted {
            ($0.record.session.createdAt, $0.id) < ($1.record.session.createdAt, $1.id)
        }
        mark(
            others.dropLast(Swift.max(0, max - 1)).map {
                Marking(id: $0.id, end: SessionEnd(at: now, reason: .cap), actor: .cap)
            })
    }

    /// The user's sessions whose end nobody has written, and one more session, locked in the order of their ids, with
    /// the time once they are.
    func lockUnmarked(of user: UserID, and id: SessionID? = nil) async throws -> (rows: [SessionRow], now: Timestamp) {
        var arguments = PostgresArguments()
        arguments.append(text: user.text)
        if let id { arguments.append(uuid: id.halves) }
        let (rows, now) = try await lock(
            PostgresCall(id == nil ? User.unmarkedLock : User.unmarkedAndOneLock, arguments))
        return (try rows.map(SessionRow.init), now)
    }

    /// Writes ends of locked sessions, each with its fact, with the next round trip.
    private func mark(_ ends: [Marking]) {
        guard !ends.isEmpty else { return }
        var arguments = PostgresArguments()
        arguments.append(uuids: ends.map(\.id.halves))
        arguments.append(microseconds: ends.map(\.end.at.microseconds))
        arguments.append(texts: ends.map(\.end.reason.rawValue))
        arguments.append(texts: ends.map(\.actor.rawValue))
        enqueue(PostgresCall(Marking.statement, arguments))
    }
}

/// The end of a session, to be written down.
private struct Marking {
    let id: SessionID
    let end: SessionEnd
    let actor: Actor

    static let statement = PostgresStatement(
        """
        WITH ended AS (
            UPDATE sojourn.session_master AS s
            SET session_end = a.at, end_reason = a.reason,
                previous_digest = NULL, previous_until = NULL, successor_sealed = NULL,
                fact_count = s.fact_count + 1
            FROM unnest($1, $2, $3, $4) AS a (session_id, at, reason, actor)
            WHERE s.session_id = a.session_id
            RETURNING s.session_id, s.fact_count, a.at, a.reason, a.actor
        )
        INSERT INTO sojourn.session_facts (session_id, n, at, kind, actor, detail)
        SELECT session_id, fact_count, at, 'ended', actor, reason FROM ended
        """, [.uuids, .timestamptzs, .texts, .texts])
}

/// Statements about users.
enum User {
    /// Registers those that are not known, as stubs.
    static let registration = PostgresStatement(
        """
        INSERT INTO sojourn.users (user_id)
        SELECT user_id FROM unnest($1) AS a (user_id)
        ORDER BY user_id
        ON CONFLICT (user_id) DO NOTHING
        """, [.texts])

    /// Holds users' epochs as they are, together with others who do.
    static let sharing = PostgresStatement(
        """
        SELECT 1 FROM sojourn.users
        WHERE user_id = ANY ($1)
        ORDER BY user_id
        FOR SHARE
        """, [.texts])

    static let lock = PostgresStatement(
        """
        SELECT epoch, epoch_raised_at, epoch_raised_by FROM sojourn.users
        WHERE user_id = $1
        FOR NO KEY UPDATE
        """, [.text])

    static let unmarkedLock = PostgresStatement(
        SessionRow.selecting(
            """
            WHERE s.user_id = $1 AND s.session_end IS NULL
            ORDER BY s.session_id
            FOR NO KEY UPDATE OF s
            """), [.text])

    static let unmarkedAndOneLock = PostgresStatement(
        SessionRow.selecting(
            """
            WHERE s.session_id = $2 OR (s.user_id = $1 AND s.session_end IS NULL)
            ORDER BY s.session_id
            FOR NO KEY UPDATE OF s
            """), [.text, .uuid])

    static let raising = PostgresStatement(
        """
        UPDATE sojourn.users
        SET epoch = $2, epoch_raised_at = $3, epoch_raised_by = $4
        WHERE user_id = $1
        """, [.text, .int8, .timestamptz, .text])

    static let owner = PostgresStatement(
        """
        SELECT user_id FROM sojourn.session_master
        WHERE session_id = $1
        """, [.uuid])

    /// Lets one session outlive the raise.
    static let restamping = PostgresStatement(
        """
        UPDATE sojourn.session_master
        SET epoch = user_epoch
        WHERE session_id = $1
        """, [.uuid])

    static let removalLock = PostgresStatement(
        """
        SELECT 1 FROM sojourn.users
        WHERE user_id = $1
        FOR UPDATE
        """, [.text])

    static let sessionsLock = PostgresStatement(
        """
        SELECT session_id FROM sojourn.session_master
        WHERE user_id = $1
        ORDER BY session_id
        FOR UPDATE
        """, [.text])

    static let itemsRemoval = PostgresStatement(
        """
        DELETE FROM sojourn.session_items
        WHERE session_id = ANY ($1)
        """, [.uuids])

    /// Entries of one kind: those of some sessions, and others in the user's name.
    static func entriesRemoval(_ kind: JournalKind) -> PostgresStatement {
        PostgresStatement(
            """
            DELETE FROM sojourn.\(kind.table)
            WHERE user_id = $1 OR session_id = ANY ($2)
            """, [.text, .uuids])
    }

    static let sessionsRemoval = PostgresStatement(
        """
        DELETE FROM sojourn.session_master
        WHERE session_id = ANY ($1)
        """, [.uuids])

    /// The foreign key would do it as well, but not count.
    static let ordersDetachment = PostgresStatement(
        """
        UPDATE sojourn.orders
        SET user_id = NULL
        WHERE user_id = $1
        """, [.text])

    static let removal = PostgresStatement(
        """
        DELETE FROM sojourn.users
        WHERE user_id = $1
        """, [.text])
}

extension PostgresCall {
    /// A statement about one user.
    init(_ statement: PostgresStatement, _ user: UserID) {
        var arguments = PostgresArguments()
        arguments.append(text: user.text)
        self.init(statement, arguments)
    }

    /// A statement about one session.
    init(_ statement: PostgresStatement, _ id: SessionID) {
        var arguments = PostgresArguments()
        arguments.append(uuid: id.halves)
        self.init(statement, arguments)
    }
}
