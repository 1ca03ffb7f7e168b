// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

/// Creations of one lane, of sessions that no cap concerns.
typealias Creations = Fold<NewSession, SessionID, Creation?>

/// What the database decided about a new session.
struct Creation: Sendable {
    /// When it began.
    let at: Timestamp
    /// Its user's epoch.
    let epoch: Int
}

extension PostgresStore {
    public func create(_ sessions: [NewSession]) async throws -> [Result<Session, SojournError>] {
        var results = [Result<Session, SojournError>?](repeating: nil, count: sessions.count)
        let folded = sessions.indices.filter { sessions[$0].cap == nil }
        let deadline = ContinuousClock.now + client.answerTimeout
        let shares = await Creations.all(folded.map { (creations[lane(of: sessions[$0].id)], sessions[$0]) })
        for (place, share) in zip(folded, shares) { results[place] = Self.created(sessions[place], share) }
        // With a cap, each creation may end another: one after the other, in the order asked.
        for place in sessions.indices {
            guard let cap = sessions[place].cap else { continue }
            do {
                results[place] = .success(try await create(sessions[place], keeping: cap, until: deadline))
            } catch {
                results[place] = .failure(error)
            }
        }
        let answers = results.compactMap { $0 }
        // Where there is no store there is no answer about any of them.
        if case .failure(let error)? = answers.first, error.code == .storeUnavailable { throw error }
        return answers
    }

    private static func created(
        _ new: NewSession, _ share: Result<Creations.Share, any Error>
    ) -> Result<Session, SojournError> {
        switch share {
        case .success(let share):
            guard let made = share.answer, share.leaders == 0 else { return .failure(.duplicateID()) }
            return .success(made.session(of: new))
        case .failure(let error): return .failure(PostgresFailure.map(error))
        }
    }

    /// Creates a session of a user who may have only so many: the user's row is locked first, so that no two creations
    /// count the same sessions.
    private func create(
        _ new: NewSession, keeping cap: (user: UserID, max: Int), until deadline: ContinuousClock.Instant
    ) async throws(SojournError) -> Session {
        do {
            return try await transaction(until: deadline) { transaction in
                _ = try await transaction.lockUser(cap.user)
                let made = try await transaction.run(NewSession.insertion(of: [new]))
                guard let row = made.first else { throw SojournError.duplicateID() }
                let (rows, now) = try await transaction.lockUnmarked(of: cap.user)
                transaction.keepCap(cap.max, for: new.id, among: rows, at: now)
                return try Creation(row).session(of: new)
            }
        } catch {
            throw PostgresFailure.map(error)
        }
    }
}

extension PostgresClient {
    /// The fold of a lane's creations.
    func creations(on lane: Int) -> Creations {
        Fold(patience: answerTimeout, key: \.id) { [self] rows in
            // In the order of their users: the order in which every transaction of ours locks those.
            let sorted = rows.map(\.job).sorted { ($0.userID?.text ?? "", $0.id) < ($1.userID?.text ?? "", $1.id) }
            let users = Set(sorted.compactMap(\.userID?.text)).sorted()
            var calls: [PostgresCall] = []
            if !users.isEmpty {
                var names = PostgresArguments()
                names.append(texts: users)
                calls += [PostgresCall(User.registration, names), PostgresCall(User.sharing, names)]
            }
            let results = try await send(calls + [NewSession.insertion(of: sorted)], lane: lane)
            var made: [SessionID: Creation] = [:]
            for row in results[results.count - 1] { made[try row.sessionID(0)] = try Creation(row) }
            return rows.map { made[$0.job.id] }
        }
    }
}

extension Creation {
    /// Reads a row of `NewSession.insertion`.
    init(_ row: PostgresRow) throws {
        self.init(at: try row.time(1), epoch: try row.int(2))
    }

    /// The session that was made as `new` says.
    fileprivate func session(of new: NewSession) -> Session {
        SessionRecord(new, at: at, user: UserEpoch(value: epoch, raisedAt: nil, raisedBy: nil)).session
    }
}

extension NewSession {
    /// Whose live sessions are to be no more than how many; nil where no cap concerns this one.
    fileprivate var cap: (user: UserID, max: Int)? {
        guard let userID, let sessionsPerUserMax else { return nil }
        return (userID, sessionsPerUserMax)
    }

    /// Inserts sessions whose users are registered and locked, and returns id, time
    /// and epoch of those whose id was free.
    static func insertion(of sessions: [NewSession]) -> PostgresCall {
        var arguments = PostgresArguments(capacity: sessions.count * 200 + 400)
        arguments.append(uuids: sessions.map(\.id.halves))
        arguments.append(bytes: sessions.map { $0.digest?.bytes })
        arguments.append(texts: sessions.map { $0.userID?.text })
        arguments.append(texts: sessions.map(\.type.rawValue))
        arguments.append(jsons: sessions.map(\.metadata.text))
        arguments.append(jsons: sessions.map(\.claims.text))
        arguments.append(texts: sessions.map(\.ipAddress))
        arguments.append(texts: sessions.map(\.userAgent))
        arguments.append(int4s: sessions.map { Int32(clamping: $0.policy.life.components.seconds) })
        arguments.append(int8s: sessions.map { $0.policy.absoluteLife?.microseconds })
        arguments.append(texts: sessions.map(\.policy.renewal.rawValue))
        arguments.append(texts: sessions.map(\.actor.rawValue))
        return PostgresCall(insertion, arguments)
    }

    private static let insertion = PostgresStatement(
        """
        INSERT INTO sojourn.session_master (
            session_id, secret_digest, user_id, epoch, user_epoch, session_type, session_metadata, session_claims,
            ip_address, user_agent, ttl_seconds, renewal, session_start, last_activity, expires_at, absolute_expires_at,
            created_by)
        SELECT a.session_id, a.digest, a.user_id, coalesce(u.epoch, 0), coalesce(u.epoch, 0), a.session_type,
            a.metadata, a.claims, a.ip_address::inet, a.user_agent, a.ttl_seconds, a.renewal, t.at, t.at,
            least(t.at + a.ttl_seconds * interval '1 second', t.at + a.cap * interval '1 microsecond'),
            t.at + a.cap * interval '1 microsecond', a.actor
        FROM (SELECT sojourn.clock() AS at) AS t
        CROSS JOIN unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) AS a (
            session_id, digest, user_id, session_type, metadata, claims, ip_address, user_agent, ttl_seconds, cap,
            renewal, actor)
        LEFT JOIN sojourn.users AS u ON u.user_id = a.user_id
        ON CONFLICT (session_id) DO NOTHING
        RETURNING session_id, session_start, epoch
        """,
        [
            .uuids, .byteas, .texts, .texts, .jsonbs, .jsonbs, .texts, .texts, .int4s, .int8s, .texts, .texts,
        ])
}
