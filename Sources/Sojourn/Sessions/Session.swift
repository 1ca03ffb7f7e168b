// SPDX-License-Identifier: Apache-2.0

/// One visitor's stay, as its owner and our callers see it: everything but its secrets.
public struct Session: Sendable, Hashable {
    /// The session's public name.
    public let id: SessionID
    /// Who it belongs to; nil while it is anonymous.
    public var userID: UserID?
    /// What it is for.
    public let type: SessionType
    /// The visitor's own data: untrusted.
    public var metadata: JSONDocument
    /// Our data about the visitor (roles, plan): written by service key or SQL only.
    public var claims: JSONDocument
    /// Moves by one with every change of metadata or claims (S7); starts at 1.
    public var version: Int
    /// When it began.
    public let createdAt: Timestamp
    /// The last validation or renewing write. Never goes back.
    public var lastActivity: Timestamp
    /// When it expires unless it is renewed.
    public var expiresAt: Timestamp
    /// The moment past which nothing renews it; nil for none.
    public let absoluteExpiresAt: Timestamp?
    /// How many validations it has answered, exactly (law 4).
    public var requestCount: Int
    /// How many conversation turns were begun in it.
    public var turnCount: Int
    /// The visitor's address at creation; nil where unknown.
    public let ipAddress: String?
    /// The visitor's user agent at creation, cut to 512 characters; nil where unknown.
    public let userAgent: String?
    /// Its own life, from creation or renewal to expiry.
    public let life: Duration
    /// What renews it by itself.
    public let renewal: Renewal
    /// How it ended; nil while nobody has ended it and no sweep has marked it.
    public var end: SessionEnd?

    /// A session with these values, believed as they are: for stores.
    public init(
        id: SessionID, userID: UserID?, type: SessionType, metadata: JSONDocument, claims: JSONDocument, version: Int,
        createdAt: Timestamp, lastActivity: Timestamp, expiresAt: Timestamp, absoluteExpiresAt: Timestamp?,
        requestCount: Int, turnCount: Int, ipAddress: String?, userAgent: String?, life: Duration, renewal: Renewal,
        end: SessionEnd?
    ) {
        self.id = id
        self.userID = userID
        self.type = type
        self.metadata = metadata
        self.claims = claims
        self.version = version
        self.createdAt = createdAt
        self.lastActivity = lastActivity
        self.expiresAt = expiresAt
        self.absoluteExpiresAt = absoluteExpiresAt
        self.requestCount = requestCount
        self.turnCount = turnCount
        self.ipAddress = ipAddress
        self.userAgent = userAgent
        self.life = life
        self.renewal = renewal
        self.end = end
    }
}

/// When and why a session ended.
public struct SessionEnd: Sendable, Hashable {
    /// The moment of the end: for an expired session that of its expiry, whenever it was noticed.
    public let at: Timestamp
    /// Why.
    public let reason: EndReason

    /// An end at a moment for a reason.
    public init(at: Timestamp, reason: EndReason) {
        self.at = at
        self.reason = reason
    }
}

/// Why a session ended.
public enum EndReason: String, Sendable, Hashable, CaseIterable {
    /// Its owner ended it.
    case logout
    /// Someone we trust ended it: a service key, the command line, SQL.
    case ended
    /// Its life or its cap ran out.
    case expired
    /// Nobody used it for 24 h or its own life, whichever is longer.
    case inactive
    /// All of its user's sessions were ended at once (the epoch was raised).
    case revoked
    /// Its user began one more session than the cap allows.
    case cap
}

/// Where a stored session stands at a moment.
public enum SessionStatus: String, Sendable, Hashable, CaseIterable {
    /// It validates.
    case active
    /// Somebody or something ended it before its time.
    case ended
    /// Its time ran out, whether or not a sweep has marked it yet.
    case expired
}

/// A session as read without touching it, with where it stands.
public struct StoredSession: Sendable, Hashable {
    /// The session.
    public let session: Session
    /// Where it stands by the store's clock.
    public let status: SessionStatus

    /// A session and where it stands.
    public init(session: Session, status: SessionStatus) {
        self.session = session
        self.status = status
    }
}

/// A session to be created: `create` inserts it or fails, and never overwrites (law 3).
public struct NewSession: Sendable, Hashable {
    /// The id, minted by us (law 2).
    public let id: SessionID
    /// The digest of its first secret; nil for a session that nobody can open until a token is issued.
    public let digest: SecretDigest?
    /// Whose it is; an unknown user is registered. Nil for an anonymous visitor.
    public let userID: UserID?
    /// What it is for.
    public let type: SessionType
    /// The visitor's data.
    public let metadata: JSONDocument
    /// Our data.
    public let claims: JSONDocument
    /// The visitor's address, as text.
    public let ipAddress: String?
    /// The visitor's user agent, cut to the limit already.
    public let userAgent: String?
    /// The rules in force for it.
    public let policy: SessionPolicy
    /// How many live sessions its user may have, this one included; nil for no cap.
    public let sessionsPerUserMax: Int?
    /// Who asks.
    public let actor: Actor

    /// A session to be; see the properties.
    public init(
        id: SessionID, digest: SecretDigest?, userID: UserID? = nil, type: SessionType = .web,
        metadata: JSONDocument = .empty, claims: JSONDocument = .empty, ipAddress: String? = nil,
        userAgent: String? = nil, policy: SessionPolicy = SessionPolicy(), sessionsPerUserMax: Int? = nil,
        actor: Actor = .token
    ) {
        self.id = id
        self.digest = digest
        self.userID = userID
        self.type = type
        self.metadata = metadata
        self.claims = claims
        self.ipAddress = ipAddress
        self.userAgent = userAgent
        self.policy = policy
        self.sessionsPerUserMax = sessionsPerUserMax
        self.actor = actor
    }
}

/// Who did something to a session.
public enum Actor: String, Sendable, Hashable, CaseIterable {
    /// The holder of its token.
    case token
    /// The holder of a service key.
    case service
    /// A statement in the database.
    case sql
    /// The command line.
    case cli
    /// The sweep.
    case sweep
    /// The cap on a user's live sessions.
    case cap
}

/// Which session a caller means, and by what right.
public struct SessionAccess: Sendable, Hashable {
    /// The session.
    public let id: SessionID
    /// What the caller's token hashes to; nil where the caller is trusted without one.
    public let digest: SecretDigest?
    /// Who the caller is.
    public let actor: Actor

    private init(id: SessionID, digest: SecretDigest?, actor: Actor) {
        self.id = id
        self.digest = digest
        self.actor = actor
    }

    /// By the session's own token: good for what a visitor may do, and only while the session is live.
    public static func token(_ token: SessionToken) -> Self {
        Self(id: token.id, digest: token.digest, actor: .token)
    }

    /// By a session's id and a digest, for stores' tests.
    public static func digest(_ id: SessionID, _ digest: SecretDigest) -> Self {
        Self(id: id, digest: digest, actor: .token)
    }

    /// By trust: the service key, the command line.
    public static func trusted(_ id: SessionID, as actor: Actor) -> Self {
        Self(id: id, digest: nil, actor: actor)
    }
}
