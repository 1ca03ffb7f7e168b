// SPDX-License-Identifier: Apache-2.0

/// What a store can do. Suites, explorer verbs and routes follow it.
public struct StoreCapabilities: OptionSet, Sendable, Hashable {
    public let rawValue: Int

    public init(rawValue: Int) {
        self.rawValue = rawValue
    }

    /// `SessionStore`, which every store is.
    public static let sessions = Self(rawValue: 1)
    /// `ItemStore`.
    public static let items = Self(rawValue: 2)
    /// `JournalStore`.
    public static let journal = Self(rawValue: 4)
    /// Ended sessions stay readable until retention deletes them.
    public static let history = Self(rawValue: 8)
    /// `PartitionStore`.
    public static let partitions = Self(rawValue: 16)
    /// `TruthStore`.
    public static let tiering = Self(rawValue: 32)
    /// `CachedStore`.
    public static let cache = Self(rawValue: 64)
    /// `RetailStore`.
    public static let retail = Self(rawValue: 128)
    /// `DeadLetterStore`.
    public static let deadLetters = Self(rawValue: 256)
}

/// Where sessions are kept: the smallest set of verbs that the laws of `design.md` can be kept with.
///
/// Every verb is atomic and durable: when it returns, what it did survives, and it never happened by half. Every verb
/// throws `SojournError`: `noSession` where the access is refused (ended, expired, revoked, deleted, never issued and
/// wrong secret alike) unless its comment says otherwise, and `storeUnavailable`, `storeFull` or `storeDamaged` where
/// the store cannot answer. The old secret of a rotation is refused by every verb but `validate` and `rotate`.
/// Inputs are within the limits already: the façade `Sessions` sees to that.
public protocol SessionStore: Sendable {
    /// What this store can do; never changes.
    var capabilities: StoreCapabilities { get }

    /// Inserts sessions, each on its own (law 6): `duplicateID` where the id exists, live or not. An unknown user is
    /// registered. Where the policy caps the user's live sessions, the oldest others end, in the same transaction.
    func create(_ sessions: [NewSession]) async throws -> [Result<Session, SojournError>]

    /// Whether the session is live for this caller; if so counts one request, moves `lastActivity`, renews where the
    /// session renews on access, and returns the session after that. Nil otherwise, and then nothing changed.
    func validate(_ access: SessionAccess) async throws -> Session?

    /// `validate`, by an answer as old as the caller allows. Stores without a cache before them answer freshly always.
    func validation(_ access: SessionAccess, freshness: Freshness) async throws -> Validation?

    /// Reads sessions without touching them, in the order asked. By token: live sessions only. By trust: any that
    /// is stored, ended ones too. Nil for the others.
    func find(_ accesses: [SessionAccess]) async throws -> [StoredSession?]

    /// Sets expiry to the session's own life, or `life`, from now: never shorter, never past its cap.
    func extend(_ access: SessionAccess, by life: Duration?) async throws -> Session

    /// Replaces the secret. Shown the secret that the last rotation replaced, within its grace, changes nothing and
    /// returns that rotation's sealed successor, the same for every repeat.
    func rotate(_ access: SessionAccess, to rotation: Rotation) async throws -> RotationOutcome

    /// Binds a user, replaces the secret and ends the old one at once; a user bound already is bound again.
    /// `userConflict` where another user is bound. Registers an unknown user, and keeps the cap as `create` does.
    func bind(_ access: SessionAccess, to user: UserID, digest: SecretDigest, sessionsPerUserMax: Int?) async throws
        -> Session

    /// Gives a session without a secret its first. `secretExists` where it has one.
    func issueSecret(_ access: SessionAccess, digest: SecretDigest) async throws -> Session

    /// Replaces metadata or claims. `staleVersion` where `version` is not the session's, and then nothing changed.
    func replace(_ field: SessionField, of access: SessionAccess, with document: JSONDocument, ifVersion version: Int)
        async throws -> Session

    /// Ends live sessions, each on its own, for good. False where there was no live session for the caller.
    func end(_ accesses: [SessionAccess]) async throws -> [Bool]

    /// Removes a stored session, live or ended, with all that it holds. False where there is none.
    func delete(_ id: SessionID) async throws -> Bool

    /// Lists sessions by id, newest first (ids of ours are ordered by time).
    func sessions(matching filter: SessionFilter, page: PageRequest) async throws -> Page<StoredSession>

    /// Ends all live sessions of a user by raising the epoch. Returns how many; 0 for an unknown user, whose epoch is
    /// raised all the same.
    func endAll(of user: UserID, by actor: Actor) async throws -> Int

    /// Ends all live sessions of the session's user but this one. Returns how many; 0 while it is anonymous.
    func endOthers(_ access: SessionAccess) async throws -> Int

    /// Erases a user: every session with all that it holds, and every journal entry written in the user's name. Orders
    /// stay, without their user.
    func erase(_ user: UserID) async throws -> ErasureReceipt

    /// What happened to a stored session; nil where there is none.
    func facts(of id: SessionID) async throws -> SessionFacts?

    /// One bounded step of the sweep. Safe on many nodes at once; touches no live session but inactive ones, and may
    /// leave alone what another call, or another node's sweep, is changing at that moment.
    func sweep(_ order: SweepOrder) async throws -> SweepOutcome

    /// Counts over all sessions at this moment.
    func statistics() async throws -> SessionStatistics

    /// Whether what is stored hangs together (J8).
    func integrity() async throws -> IntegrityReport

    /// Whether the store answers and lets itself be written to; throws why not. Writes nothing, so a disk that is full
    /// may go unnoticed. For readiness.
    func ping() async throws
}

extension SessionStore {
    public func validation(_ access: SessionAccess, freshness: Freshness) async throws -> Validation? {
        try await validate(access).map { Validation($0) }
    }
}

/// What `rotate` did.
public enum RotationOutcome: Sendable, Hashable {
    /// The secret was replaced by the caller's.
    case rotated(Session)
    /// It had been replaced before: this is that rotation's successor, sealed under the secret that was shown.
    case repeated(Session, successorSealed: [UInt8])
}

/// Which sessions a listing shows; nil means any.
public struct SessionFilter: Sendable, Hashable {
    /// Only this user's.
    public var userID: UserID?
    /// Only of this type.
    public var type: SessionType?
    /// Only those that stand so.
    public var status: SessionStatus?

    /// A filter; by default it lets every session pass.
    public init(userID: UserID? = nil, type: SessionType? = nil, status: SessionStatus? = nil) {
        self.userID = userID
        self.type = type
        self.status = status
    }
}

/// What an erasure removed, per table, and what it detached.
public struct ErasureReceipt: Sendable, Hashable {
    /// Sessions.
    public let sessions: Int
    /// Items that those sessions held.
    public let items: Int
    /// Journal entries, by kind: of those sessions, and of others in the user's name.
    public let entries: [JournalKind: Int]
    /// Orders, which stay without their user.
    public let orders: Int

    /// A receipt.
    public init(sessions: Int, items: Int, entries: [JournalKind: Int], orders: Int = 0) {
        self.sessions = sessions
        self.items = items
        self.entries = entries
        self.orders = orders
    }
}
