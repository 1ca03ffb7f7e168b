// SPDX-License-Identifier: Apache-2.0

internal import Sojourn
internal import Testing

/// What an example works with: an empty store, its clock, and short ways to say what most examples need.
struct Bench: Sendable {
    /// The store that is being proved.
    let store: any SessionStore
    /// The store's clock.
    let clock: ManualClock
    private let settle: (@Sendable (any SessionStore) async throws -> Void)?
    private let random = RandomSource.seeded(1)

    /// A bench with a store on a clock, whose counts catch up by `settle` where they lag.
    init(
        store: any SessionStore, clock: ManualClock,
        settle: (@Sendable (any SessionStore) async throws -> Void)? = nil
    ) {
        self.store = store
        self.clock = clock
        self.settle = settle
    }

    /// Whether every answer tells the count as it is.
    var countsAtOnce: Bool { settle == nil }

    /// The store as a keeper of items; ask only where the example needs that capability.
    var items: any ItemStore {
        get throws { try #require(store as? any ItemStore) }
    }

    /// The store as a keeper of journals; ask only where the example needs that capability.
    var journal: any JournalStore {
        get throws { try #require(store as? any JournalStore) }
    }

    /// The store as the truth behind a cache; ask only where the example needs that capability.
    var truth: any TruthStore {
        get throws { try #require(store as? any TruthStore) }
    }

    /// A digest that nothing else has.
    func digest() -> SecretDigest { TestSecrets.digest(random.next()) }

    /// A session id that nothing else has.
    func sessionID() -> SessionID { SessionID(at: clock.now, random: random) }

    /// An entry to be written, with an id that nothing else has.
    func entry(_ body: JournalBody, at time: Timestamp? = nil) -> NewEntry {
        NewEntry(id: EntryID(UUIDBytes(version7At: time ?? clock.now, random: random)), at: time, body: body)
    }

    /// A turn that says `input`.
    func turn(_ input: String = "hello", at time: Timestamp? = nil) -> NewEntry {
        entry(.conversation(input: input, response: nil, extra: .empty), at: time)
    }

    /// A session to be created.
    func draft(
        _ user: UserID? = nil, type: SessionType = .web, policy: SessionPolicy = SessionPolicy(), cap: Int? = nil,
        metadata: JSONDocument = .empty
    ) -> NewSession {
        NewSession(
            id: sessionID(), digest: digest(), userID: user, type: type, metadata: metadata, policy: policy,
            sessionsPerUserMax: cap)
    }

    /// A created session and the secret that opens it.
    func create(
        _ user: UserID? = nil, type: SessionType = .web, policy: SessionPolicy = SessionPolicy(), cap: Int? = nil,
        metadata: JSONDocument = .empty
    ) async throws -> Visitor {
        try await create(draft(user, type: type, policy: policy, cap: cap, metadata: metadata))
    }

    /// A session created as `new` says.
    func create(_ new: NewSession) async throws -> Visitor {
        let results = try await store.create([new])
        try #require(results.count == 1)
        return Visitor(session: try results[0].get(), digest: new.digest ?? digest())
    }

    /// The session as it stands, with all counts, read by trust; nil where none is stored.
    func read(_ visitor: Visitor) async throws -> StoredSession? {
        try await settle?(store)
        let found = try await store.find([visitor.trusted])
        try #require(found.count == 1)
        return found[0]
    }

    /// Whether a caller with this access can validate.
    func opens(_ access: SessionAccess) async throws -> Bool {
        try await store.validate(access) != nil
    }

    /// Expects `body` to throw a `SojournError` with this code, and returns it.
    @discardableResult
    func refuses<Value>(
        _ code: SojournError.Code, at place: SourceLocation = #_sourceLocation, _ body: () async throws -> Value
    ) async -> SojournError? {
        do {
            let value = try await body()
            Issue.record("should have been refused with \(code), answered \(value)", sourceLocation: place)
        } catch let error as SojournError {
            #expect(error.code == code, "\(error.debugDescription)", sourceLocation: place)
            return error
        } catch {
            Issue.record(error, sourceLocation: place)
        }
        return nil
    }

    /// Calls `body` so many times at once, with the number of the call, and returns what it returned.
    func atOnce<Value: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) async throws -> Value) async throws
        -> [Value]
    {
        try await withThrowingTaskGroup(of: (Int, Value).self) { group in
            for number in 0..<count { group.addTask { (number, try await body(number)) } }
            var values: [(Int, Value)] = []
            for try await value in group { values.append(value) }
            return values.sorted { $0.0 < $1.0 }.map(\.1)
        }
    }

    /// As `atOnce`, where some of the calls are to be refused with `code`: their values are nil.
    func atOnce<Value: Sendable>(
        _ count: Int, orRefused code: SojournError.Code, _ body: @escaping @Sendable (Int) async throws -> Value
    ) async throws -> [Value?] {
        try await atOnce(count) { number in
            do {
                return try await body(number)
            } catch let error as SojournError where error.code == code {
                return nil
            }
        }
    }
}

/// A created session and the secret that opens it.
struct Visitor: Sendable {
    /// The session as `create` returned it.
    let session: Session
    /// The digest of the secret that it was created with.
    let digest: SecretDigest

    /// The session's id.
    var id: SessionID { session.id }
    /// Access by the secret.
    var access: SessionAccess { .digest(id, digest) }
    /// Access by trust.
    var trusted: SessionAccess { .trusted(id, as: .service) }
    /// Access by another secret.
    func with(_ other: SecretDigest) -> SessionAccess { .digest(id, other) }
}

extension UserID {
    /// A user for examples.
    static let alice = UserID(stored: "alice")
    /// Another user for examples.
    static let bob = UserID(stored: "bob")
}

extension Duration {
    /// The smallest step of a timestamp.
    static let instant = Duration.microseconds(1)

    /// So many minutes of 60 s.
    static func minutes(_ count: Int) -> Self { .seconds(count * 60) }
}
