// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A store that lives and dies with the process: for tests, and for programs that need no more.
///
/// It is the model under a lock, with a clock: each verb is the model's verb of the same name at the clock's now.
public final class MemoryStore: Sendable {
    private let model: Mutex<MemoryModel>
    private let clock: any WallClock

    /// An empty store that reads the time from `clock`.
    public init(clock: any WallClock = SystemWallClock()) {
        model = Mutex(MemoryModel())
        self.clock = clock
    }

    /// Does something to the model in one step, at the clock's now.
    package func run<Value>(_ verb: (inout sending MemoryModel, Timestamp) throws -> Value) rethrows -> Value
    where Value: Sendable {
        try model.withLock { model in
            let real = Self.real.now
            let before = model.isWatched(at: real) ? model : nil
            let value = try verb(&model, clock.now)
            if let before { model.noteChanges(since: before, at: real) }
            return value
        }
    }

    /// The time by which somebody watches, whatever the store's clock says.
    private static let real = SystemWallClock()
}

extension MemoryStore: SessionStore {
    public var capabilities: StoreCapabilities { [.sessions, .items, .journal, .history, .tiering] }

    public func create(_ sessions: [NewSession]) async throws -> [Result<Session, SojournError>] {
        run { $0.create(sessions, at: $1) }
    }

    public func validate(_ access: SessionAccess) async throws -> Session? {
        run { $0.validate(access, at: $1) }
    }

    public func find(_ accesses: [SessionAccess]) async throws -> [StoredSession?] {
        run { $0.find(accesses, at: $1) }
    }

    public func extend(_ access: SessionAccess, by life: Duration?) async throws -> Session {
        try run { try $0.extend(access, by: life, at: $1) }
    }

    public func rotate(_ access: SessionAccess, to rotation: Rotation) async throws -> RotationOutcome {
        try run { try $0.rotate(access, to: rotation, at: $1) }
    }

    public func bind(_ access: SessionAccess, to user: UserID, digest: SecretDigest, sessionsPerUserMax: Int?)
        async throws -> Session
    {
        try run { try $0.bind(access, to: user, digest: digest, sessionsPerUserMax: sessionsPerUserMax, at: $1) }
    }

    public func issueSecret(_ access: SessionAccess, digest: SecretDigest) async throws -> Session {
        try run { try $0.issueSecret(access, digest: digest, at: $1) }
    }

    public func replace(
        _ field: SessionField, of access: SessionAccess, with document: JSONDocument, ifVersion version: Int
    ) async throws -> Session {
        try run { try $0.replace(field, of: access, with: document, ifVersion: version, at: $1) }
    }

    public func end(_ accesses: [SessionAccess]) async throws -> [Bool] {
        run { $0.end(accesses, at: $1) }
    }

    public func delete(_ id: SessionID) async throws -> Bool {
        run { model, _ in model.delete(id) }
    }

    public func sessions(matching filter: SessionFilter, page: PageRequest) async throws -> Page<StoredSession> {
        try run { try $0.sessions(matching: filter, page: page, at: $1) }
    }

    public func endAll(of user: UserID, by actor: Actor) async throws -> Int {
        run { $0.endAll(of: user, by: actor, at: $1) }
    }

    public func endOthers(_ access: SessionAccess) async throws -> Int {
        try run { try $0.endOthers(access, at: $1) }
    }

    public func erase(_ user: UserID) async throws -> ErasureReceipt {
        run { model, _ in model.erase(user) }
    }

    public func facts(of id: SessionID) async throws -> SessionFacts? {
        run { model, _ in model.facts(of: id) }
    }

    public func sweep(_ order: SweepOrder) async throws -> SweepOutcome {
        try run { model, now in
            let outcome = try model.sweep(order, at: now)
            if !order.dryRun { model.forgetChanges(at: Self.real.now) }
            return outcome
        }
    }

    public func statistics() async throws -> SessionStatistics {
        run { $0.statistics(at: $1) }
    }

    public func integrity() async throws -> IntegrityReport {
        IntegrityReport(findings: [])
    }

    public func ping() async throws {}
}

extension MemoryStore: ItemStore {
    public func put(_ items: [Item]) async throws -> ItemsPut {
        run { model, _ in model.put(items) }
    }

    public func items(prefix: String, page: PageRequest) async throws -> Page<Item> {
        try run { model, _ in try model.items(prefix: prefix, page: page) }
    }

    public func add(_ ids: [ItemID], to access: SessionAccess, holdMax: Int) async throws -> ItemsAdded {
        try run { try $0.add(ids, to: access, holdMax: holdMax, at: $1) }
    }

    public func held(by access: SessionAccess) async throws -> [HeldItem] {
        try run { try $0.held(by: access, at: $1) }
    }

    public func remove(_ ids: [ItemID]?, from access: SessionAccess) async throws -> Int {
        try run { try $0.remove(ids, from: access, at: $1) }
    }

    public func validateWithItems(_ access: SessionAccess) async throws -> (session: Session, items: [HeldItem])? {
        run { $0.validateWithItems(access, at: $1) }
    }
}

extension MemoryStore: JournalStore {
    public func append(
        _ entries: [NewEntry], to access: SessionAccess, expectedTurns: Int?, idempotency: IdempotencyKey?
    ) async throws -> [JournalEntry] {
        try run {
            try $0.append(entries, to: access, expectedTurns: expectedTurns, idempotency: idempotency, at: $1)
        }
    }

    public func finish(
        _ turn: EntryID, of access: SessionAccess, response: String, extra: JSONDocument, expectedTurns: Int?
    ) async throws -> JournalEntry {
        try run {
            try $0.finish(turn, of: access, response: response, extra: extra, expectedTurns: expectedTurns, at: $1)
        }
    }

    public func entry(_ id: EntryID, of access: SessionAccess?) async throws -> JournalEntry? {
        try run { try $0.entry(id, of: access, at: $1) }
    }

    public func history(_ kind: JournalKind, of scope: JournalScope, _ query: HistoryQuery, page: PageRequest)
        async throws -> Page<JournalEntry>
    {
        try run { try $0.history(kind, of: scope, query, page: page, at: $1) }
    }
}

extension MemoryStore: TruthStore {
    public func pendingChanges(max: Int) async throws -> PendingChanges {
        run { $0.pendingChanges(max: max, at: $1, real: Self.real.now) }
    }

    public func announce(_ ids: [SessionID]) async throws -> [PendingChange] {
        run { model, _ in model.announce(ids, real: Self.real.now) }
    }

    public func settle(_ changes: [PendingChange]) async throws {
        run { model, _ in model.settle(changes) }
    }

    public func images(of ids: [SessionID]) async throws -> [SessionImage?] {
        run { $0.images(of: ids, at: $1) }
    }

    public func add(_ touches: [SessionTouch]) async throws {
        run { model, _ in model.add(touches) }
    }
}
