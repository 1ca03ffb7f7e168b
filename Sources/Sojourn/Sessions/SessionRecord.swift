// SPDX-License-Identifier: Apache-2.0

/// A session as a store keeps it, and the rules by which it changes.
///
/// Every rule of `design.md`, "The session", stands here once, as a pure function of the record and the moment.
/// The in-memory store and the SQLite store call these; a store that decides in its server (SQL, Lua) repeats them
/// there and is held to them by the explorer.
public struct SessionRecord: Sendable, Hashable {
    /// What callers see.
    public var session: Session
    /// The digest of the current secret; nil until one was issued.
    public var digest: SecretDigest?
    /// The secret that a rotation replaced, while its grace lasts.
    public var previous: PreviousSecret?
    /// The user's epoch when the session began or was bound; 0 while anonymous.
    public var epoch: Int

    /// A record with these values: for stores.
    public init(session: Session, digest: SecretDigest?, previous: PreviousSecret?, epoch: Int) {
        self.session = session
        self.digest = digest
        self.previous = previous
        self.epoch = epoch
    }

    /// The record that `create` inserts at `now`, for a user whose epoch is `user`.
    public init(_ new: NewSession, at now: Timestamp, user: UserEpoch) {
        let cap = new.policy.absoluteLife.map { now + $0 }
        let expiry = now + new.policy.life
        self.init(
            session: Session(
                id: new.id, userID: new.userID, type: new.type, metadata: new.metadata, claims: new.claims, version: 1,
                createdAt: now, lastActivity: now, expiresAt: cap.map { min(expiry, $0) } ?? expiry,
                absoluteExpiresAt: cap, requestCount: 0, turnCount: 0, ipAddress: new.ipAddress,
                userAgent: new.userAgent, life: new.policy.life, renewal: new.policy.renewal, end: nil),
            digest: new.digest, previous: nil, epoch: user.value)
    }
}

/// A user's epoch: one number whose raise ends all of the user's sessions at once (S6).
public struct UserEpoch: Sendable, Hashable {
    /// The number; sessions that carry another one are ended.
    public let value: Int
    /// When it was last raised; nil where it never was.
    public let raisedAt: Timestamp?
    /// Who raised it last.
    public let raisedBy: Actor?

    /// The epoch of a user unknown so far, and of nobody.
    public static let first = UserEpoch(value: 0, raisedAt: nil, raisedBy: nil)

    /// An epoch: for stores.
    public init(value: Int, raisedAt: Timestamp?, raisedBy: Actor?) {
        self.value = value
        self.raisedAt = raisedAt
        self.raisedBy = raisedBy
    }

    /// The next epoch, raised at a moment by somebody.
    public func raised(at now: Timestamp, by actor: Actor) -> UserEpoch {
        UserEpoch(value: value + 1, raisedAt: now, raisedBy: actor)
    }
}

/// The secret that a rotation replaced (S5).
public struct PreviousSecret: Sendable, Hashable {
    /// Its digest.
    public let digest: SecretDigest
    /// When its grace ends; it validates before this moment and not at it.
    public let until: Timestamp
    /// The successor, sealed under the old secret.
    public let successorSealed: [UInt8]

    /// A replaced secret: for stores.
    public init(digest: SecretDigest, until: Timestamp, successorSealed: [UInt8]) {
        self.digest = digest
        self.until = until
        self.successorSealed = successorSealed
    }
}

/// What a caller's right to a session amounts to.
public enum Admission: Sendable, Hashable {
    /// None: there is no such session for this caller.
    case refused
    /// The secret before the last rotation, within its grace: may validate and repeat that rotation, no more.
    case previous
    /// The current secret, or trust.
    case full
}

// MARK: - Who may, and when

extension SessionRecord {
    /// The one predicate of liveness: not ended, expiry and cap ahead, epoch equal to the user's.
    public func isLive(at now: Timestamp, user: UserEpoch) -> Bool {
        session.end == nil && expiry > now && !isRevoked(user)
    }

    /// What `access` may do now. Only live sessions admit anyone; the secret is compared in constant time.
    public func admission(_ access: SessionAccess, at now: Timestamp, user: UserEpoch) -> Admission {
        guard isLive(at: now, user: user) else { return .refused }
        guard let shown = access.digest else { return .full }
        if let digest, digest.matches(shown) { return .full }
        if let previous, previous.until > now, previous.digest.matches(shown) { return .previous }
        return .refused
    }

    /// The end that has come over the session by itself and that no sweep has written yet; nil where it is live or
    /// its end is written. Of an expiry and a raised epoch, the earlier is the reason.
    public func unmarkedEnd(at now: Timestamp, user: UserEpoch) -> SessionEnd? {
        guard session.end == nil else { return nil }
        if isRevoked(user) {
            let raised = user.raisedAt ?? now
            if raised < expiry || expiry > now { return SessionEnd(at: raised, reason: .revoked) }
        }
        return expiry <= now ? SessionEnd(at: expiry, reason: .expired) : nil
    }

    /// Where the session stands at `now`.
    public func status(at now: Timestamp, user: UserEpoch) -> SessionStatus {
        guard let end = session.end ?? unmarkedEnd(at: now, user: user) else { return .active }
        return end.reason == .expired ? .expired : .ended
    }

    /// The session as read without touching it: an end that no sweep has written yet shows all the same.
    public func stored(at now: Timestamp, user: UserEpoch) -> StoredSession {
        var shown = session
        shown.end = session.end ?? unmarkedEnd(at: now, user: user)
        return StoredSession(session: shown, status: status(at: now, user: user))
    }

    /// Whether an end that has come by itself should make the sweep hesitate (law 9): time ran out on a session that
    /// lives for longer than an hour and was used within the last one. Revoked sessions were ended on purpose.
    public func isSurprising(_ end: SessionEnd, at now: Timestamp) -> Bool {
        end.reason == .expired && session.life > .hours(1) && session.lastActivity > now - .hours(1)
    }

    /// Whether nobody has used the live session for 24 h, or for its own life where that is longer (S8).
    public func isInactive(at now: Timestamp) -> Bool {
        now - session.lastActivity >= max(.hours(24), session.life)
    }

    private var expiry: Timestamp {
        session.absoluteExpiresAt.map { min($0, session.expiresAt) } ?? session.expiresAt
    }

    private func isRevoked(_ user: UserEpoch) -> Bool {
        session.userID != nil && epoch != user.value
    }
}

// MARK: - Life

extension Session {
    /// A validation: counts, moves `lastActivity`, and renews where the session's renewal is `onAccess`.
    public mutating func touch(at now: Timestamp) {
        requestCount += 1
        noteActivity(at: now)
        if renewal == .onAccess { renew(at: now) }
    }

    /// A write that counts as a stay (items, events): moves `lastActivity` and renews unless the life is `fixed`.
    public mutating func noteWrite(at now: Timestamp) {
        noteActivity(at: now)
        if renewal != .fixed { renew(at: now) }
    }

    /// An explicit extend: its own life, or `life` where one is given, from now; never shorter, never past the cap.
    public mutating func extend(by life: Duration?, at now: Timestamp) {
        noteActivity(at: now)
        expiresAt = expiry(after: life ?? self.life, from: now)
    }

    /// A renewal by itself: as an extend, left out where it would move expiry by less than 1/24 of the life.
    private mutating func renew(at now: Timestamp) {
        let renewed = expiry(after: life, from: now)
        if renewed - expiresAt >= life / 24 { expiresAt = renewed }
    }

    private func expiry(after life: Duration, from now: Timestamp) -> Timestamp {
        let wanted = max(expiresAt, now + life)
        return absoluteExpiresAt.map { min(wanted, $0) } ?? wanted
    }

    private mutating func noteActivity(at now: Timestamp) {
        lastActivity = max(lastActivity, now)
    }
}

extension SessionRecord {
    /// The end. Whoever held a secret holds nothing from now on.
    public mutating func end(at now: Timestamp, reason: EndReason) {
        session.end = SessionEnd(at: now, reason: reason)
        previous = nil
    }
}

// MARK: - Secrets and data

extension SessionRecord {
    /// A new secret in place of the current one, which lives on for `grace`; a grace of zero ends it at once.
    public mutating func rotate(to rotation: Rotation, at now: Timestamp) {
        previous =
            if rotation.grace > .zero, let digest {
                PreviousSecret(
                    digest: digest, until: now + rotation.grace, successorSealed: rotation.successorSealed)
            } else { nil }
        digest = rotation.digest
    }

    /// Login: the session belongs to `user` from now on, and every secret from before is dead.
    public mutating func bind(to user: UserID, digest: SecretDigest, epoch: UserEpoch) {
        session.userID = user
        self.digest = digest
        previous = nil
        self.epoch = epoch.value
    }

    /// The first secret, where the session has none; else throws `secretExists`.
    public mutating func issue(_ digest: SecretDigest) throws {
        guard self.digest == nil else { throw SojournError.secretExists() }
        self.digest = digest
    }

    /// Puts `document` in place of metadata or claims and moves the version, where that is `version` still; else throws
    /// `staleVersion`.
    public mutating func replace(_ field: SessionField, with document: JSONDocument, ifVersion version: Int) throws {
        guard session.version == version else { throw SojournError.staleVersion(current: session.version) }
        switch field {
        case .metadata: session.metadata = document
        case .claims: session.claims = document
        }
        session.version += 1
    }
}

/// A rotation to be done: the new secret and what is kept of it for those who repeat the call.
public struct Rotation: Sendable, Hashable {
    /// The digest of the new secret.
    public let digest: SecretDigest
    /// The new secret sealed under the old one; empty where the grace is zero.
    public let successorSealed: [UInt8]
    /// How long the old secret lives on.
    public let grace: Duration

    /// A rotation; see the properties.
    public init(digest: SecretDigest, successorSealed: [UInt8], grace: Duration) {
        self.digest = digest
        self.successorSealed = successorSealed
        self.grace = grace
    }
}

/// The two documents that a session carries.
public enum SessionField: String, Sendable, Hashable {
    case metadata, claims
}
