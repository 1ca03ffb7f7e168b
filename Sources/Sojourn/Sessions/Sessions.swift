// SPDX-License-Identifier: Apache-2.0

/// The façade: every feature of Sojourn for a program that embeds it, and the one way from a face to a store.
///
/// It mints ids and secrets, holds inputs to the limits, and asks the store. It keeps no session itself: copies are
/// cheap and all the same. Every call throws `SojournError`; see `SessionStore` for what each code means.
public struct Sessions: Sendable {
    /// Where sessions are kept.
    let store: any SessionStore
    /// The rules of each type.
    public let policies: SessionPolicies
    /// The sizes past which inputs are refused.
    public let limits: Limits
    /// The language of what `retail` derives.
    public let retailLocale: RetailLocale
    /// Where users and products are cached, and is told of their changes; nil for nowhere.
    let retailCache: (any RetailCache)?
    /// Where entries of the journal may be left to be written later; nil for nowhere.
    let journalQueue: JournalQueue?
    /// The time at which ids are minted.
    let clock: any WallClock
    /// Where ids and secrets come from.
    let random: RandomSource

    /// Sessions in a store.
    ///
    /// - Parameters:
    ///   - policies: the rules of each type; by default 24 h, renewed by writes.
    ///   - limits: by default those of `design.md`.
    ///   - retailLocale: the language of users' age groups.
    ///   - retailCache: where `RetailReader` and `CacheWorker` have users and products; nil for nowhere.
    ///   - journalQueue: where `enqueue` leaves entries; nil for nowhere.
    ///   - clock: for ids only; the store has its own.
    ///   - random: must be fit for secrets outside tests.
    public init(
        store: any SessionStore, policies: SessionPolicies = SessionPolicies(), limits: Limits = Limits(),
        retailLocale: RetailLocale = .ko, retailCache: (any RetailCache)? = nil,
        journalQueue: JournalQueue? = nil, clock: any WallClock = SystemWallClock(), random: RandomSource = .system
    ) {
        self.store = store
        self.policies = policies
        self.limits = limits
        self.retailLocale = retailLocale
        self.retailCache = retailCache
        self.journalQueue = journalQueue
        self.clock = clock
        self.random = random
    }

    /// What the store can do.
    public var capabilities: StoreCapabilities { store.capabilities }
}

/// What a session shall be. The rest comes from the policy of its type.
public struct SessionDraft: Sendable, Hashable {
    /// What it is for. Default `web`.
    public var type: SessionType = .web
    /// Whose it is; nil for an anonymous visitor.
    public var userID: UserID?
    /// The visitor's data.
    public var metadata: [String: JSONValue] = [:]
    /// Our data.
    public var claims: [String: JSONValue] = [:]
    /// A life of its own; nil for the policy's. Whole seconds, 1 s to 10 years.
    public var life: Duration?
    /// The visitor's address.
    public var ipAddress: String?
    /// The visitor's user agent; cut to the limit.
    public var userAgent: String?

    /// An anonymous web session.
    public init() {}
}

/// A session together with the token that opens it: handed out once.
public struct IssuedSession: Sendable, Hashable {
    /// The token, for the session's owner alone.
    public let token: SessionToken
    /// The session.
    public let session: Session
}

// MARK: - One session

extension Sessions {
    /// Creates a session and its token (S1).
    ///
    /// - Throws: `invalidInput` or `tooLarge` naming the field.
    public func create(_ draft: SessionDraft = SessionDraft(), by actor: Actor = .service) async throws
        -> IssuedSession
    {
        guard let created = try await create([draft], by: actor).first else { throw SojournError.noSession() }
        return try created.get()
    }

    /// Creates many sessions in one call, each on its own (S10): the results stand in the order of the drafts.
    ///
    /// - Throws: `tooLarge` where there are more drafts than a batch may hold.
    public func create(_ drafts: [SessionDraft], by actor: Actor = .service) async throws
        -> [Result<IssuedSession, SojournError>]
    {
        try limits.check(count: drafts.count, field: "sessions")
        var tokens: [SessionToken] = []
        var refused: [Int: SojournError] = [:]
        var wanted: [NewSession] = []
        for (index, draft) in drafts.enumerated() {
            do throws(SojournError) {
                let token = SessionToken(id: SessionID(at: clock.now, random: random), secret: newSecret())
                wanted.append(try new(draft, token: token, actor: actor))
                tokens.append(token)
            } catch {
                refused[index] = error
            }
        }
        var made = zip(tokens, wanted.isEmpty ? [] : try await store.create(wanted)).makeIterator()
        return drafts.indices.compactMap { index in
            if let error = refused[index] { return .failure(error) }
            return made.next().map { token, result in result.map { IssuedSession(token: token, session: $0) } }
        }
    }

    /// Whether a token opens a live session; if so the validation is counted (S2). Nil otherwise.
    public func validate(_ token: SessionToken, freshness: Freshness = .strict) async throws -> Validation? {
        try await store.validation(.token(token), freshness: freshness)
    }

    /// Reads a session without touching it: by token while it is live, by trust as long as it is stored (S3).
    public func get(_ access: SessionAccess) async throws -> StoredSession? {
        try await get([access]).first ?? nil
    }

    /// Reads many sessions in one call (S10), in the order asked; nil where there is none for the caller.
    public func get(_ accesses: [SessionAccess]) async throws -> [StoredSession?] {
        try limits.check(count: accesses.count, field: "ids")
        return try await store.find(accesses)
    }

    /// Extends a session by its own life, or by `life`, from now: never shorter, never past its cap (S3).
    public func extend(_ access: SessionAccess, by life: Duration? = nil) async throws -> Session {
        try check(life: life)
        return try await store.extend(access, by: life)
    }

    /// Gives a session a new token (S5). The old one lives on for `grace`, by default the policy's, to validate and to
    /// repeat this call, which then returns the same new token again.
    public func rotate(_ token: SessionToken, grace: Duration? = nil) async throws -> IssuedSession {
        let grace = grace ?? policies.rotationGrace
        guard (Duration.zero...SessionPolicies.rotationGraceMax).contains(grace) else {
            throw SojournError(.invalidInput, "Must be 0 to 60 seconds.", field: "grace_seconds")
        }
        let successor = SessionToken(id: token.id, secret: newSecret())
        let sealed = grace > .zero ? try SealedSuccessor(successor, under: token).bytes : []
        let rotation = Rotation(digest: successor.digest, successorSealed: sealed, grace: grace)
        switch try await store.rotate(.token(token), to: rotation) {
        case .rotated(let session):
            return IssuedSession(token: successor, session: session)
        case .repeated(let session, let sealed):
            return IssuedSession(token: try SealedSuccessor(bytes: sealed).open(with: token), session: session)
        }
    }

    /// Login: binds a user to a session and gives it a new token; the old one is dead at once (S5).
    ///
    /// - Throws: `userConflict` where another user is bound.
    public func bind(_ id: SessionID, to user: UserID, by actor: Actor = .service) async throws -> IssuedSession {
        let token = SessionToken(id: id, secret: newSecret())
        let session = try await store.bind(
            .trusted(id, as: actor), to: user, digest: token.digest, sessionsPerUserMax: policies.sessionsPerUserMax)
        return IssuedSession(token: token, session: session)
    }

    /// Gives a session that was begun in SQL its first token.
    ///
    /// - Throws: `secretExists` where it has one.
    public func issueToken(_ id: SessionID, by actor: Actor = .service) async throws -> IssuedSession {
        let token = SessionToken(id: id, secret: newSecret())
        let session = try await store.issueSecret(.trusted(id, as: actor), digest: token.digest)
        return IssuedSession(token: token, session: session)
    }

    /// Applies a JSON Merge Patch (RFC 7396) to metadata or claims (S7).
    ///
    /// - Parameter version: the version that the caller read; nil for whatever is current.
    /// - Throws: `staleVersion` where the session has moved on; nothing was changed then.
    public func patch(
        _ field: SessionField, of access: SessionAccess, with patch: [String: JSONValue], ifVersion version: Int?
    ) async throws -> Session {
        var triesLeft = 8
        while true {
            guard let current = try await store.find([access]).first ?? nil, current.status == .active else {
                throw SojournError.noSession()
            }
            let base = version ?? current.session.version
            guard current.session.version == base else {
                throw SojournError.staleVersion(current: current.session.version)
            }
            let old = field == .metadata ? current.session.metadata : current.session.claims
            guard case .object(let members) = JSONValue.object(old.members).merging(.object(patch)) else {
                throw SojournError.noSession()
            }
            let document = try limits.document(members, field: field.rawValue)
            do {
                return try await store.replace(field, of: access, with: document, ifVersion: base)
            } catch let error as SojournError where error.code == .staleVersion && version == nil && triesLeft > 0 {
                triesLeft -= 1
            }
        }
    }

    /// Ends a session for good: kept as history, opens nothing any more (S3). False where there was none for the caller.
    public func end(_ access: SessionAccess) async throws -> Bool {
        try await end([access]).first ?? false
    }

    /// Ends many sessions in one call, each on its own (S10).
    public func end(_ accesses: [SessionAccess]) async throws -> [Bool] {
        try limits.check(count: accesses.count, field: "ids")
        return try await store.end(accesses)
    }

    /// Deletes a session, live or ended, with all that it holds (S3). False where there was none.
    public func delete(_ id: SessionID) async throws -> Bool {
        try await store.delete(id)
    }

    /// What happened to a session, newest first; nil where none is stored.
    public func facts(of id: SessionID) async throws -> SessionFacts? {
        try await store.facts(of: id)
    }
}

// MARK: - Many sessions

extension Sessions {
    /// Lists sessions, newest first (S6).
    public func list(_ filter: SessionFilter = SessionFilter(), page: PageRequest = PageRequest()) async throws
        -> Page<StoredSession>
    {
        try limits.check(page)
        return try await store.sessions(matching: filter, page: page)
    }

    /// The live sessions of a token's user but its own; empty while the session is anonymous (S6).
    public func others(_ token: SessionToken, page: PageRequest = PageRequest()) async throws -> Page<StoredSession> {
        guard let own = try await store.find([.token(token)]).first ?? nil else { throw SojournError.noSession() }
        guard let user = own.session.userID else { return Page(items: [], next: nil) }
        let all = try await list(SessionFilter(userID: user, status: .active), page: page)
        return Page(items: all.items.filter { $0.session.id != token.id }, next: all.next)
    }

    /// Ends all live sessions of a user (S6) by one number, not session by session. Returns how many.
    public func endAll(of user: UserID, by actor: Actor = .service) async throws -> Int {
        try await store.endAll(of: user, by: actor)
    }

    /// Ends all live sessions of a session's user but this one (S6). Returns how many; 0 while it is anonymous.
    public func endOthers(_ access: SessionAccess) async throws -> Int {
        try await store.endOthers(access)
    }

    /// Erases a user: sessions, what they hold, and every journal entry in the user's name. Orders stay, without their user.
    public func erase(_ user: UserID) async throws -> ErasureReceipt {
        let receipt = try await store.erase(user)
        await retailCache?.forgetOrCount(.users, [user.text])
        return receipt
    }

    /// Counts over all sessions (S9).
    public func statistics() async throws -> SessionStatistics {
        try await store.statistics()
    }

    /// Whether what is stored hangs together (J8).
    public func integrity() async throws -> IntegrityReport {
        try await store.integrity()
    }

    /// Whether the store answers and lets itself be written to; throws why not. Writes nothing.
    public func ping() async throws {
        try await store.ping()
    }
}

// MARK: - What drafts become

extension Sessions {
    private func newSecret() -> SessionSecret { SessionSecret(random: random) }

    private func new(_ draft: SessionDraft, token: SessionToken, actor: Actor) throws(SojournError) -> NewSession {
        do {
            try check(life: draft.life)
            var policy = policies[draft.type]
            if let life = draft.life { policy.life = life }
            return NewSession(
                id: token.id, digest: token.digest, userID: draft.userID, type: draft.type,
                metadata: try limits.document(draft.metadata, field: "metadata"),
                claims: try limits.document(draft.claims, field: "claims"), ipAddress: draft.ipAddress,
                userAgent: draft.userAgent.map { String($0.prefix(limits.userAgentMax)) }, policy: policy,
                sessionsPerUserMax: policies.sessionsPerUserMax, actor: actor)
        } catch let error as SojournError {
            throw error
        } catch {
            throw SojournError(.invalidInput, "The session could not be made.", underlying: error)
        }
    }

    private func check(life: Duration?) throws {
        guard let life else { return }
        guard (Duration.seconds(1)...Duration.days(3653)).contains(life) else {
            throw SojournError(.invalidInput, "Must be 1 second to 10 years.", field: "ttl_seconds")
        }
    }
}
