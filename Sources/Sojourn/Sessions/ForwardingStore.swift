// SPDX-License-Identifier: Apache-2.0

/// A store that hands every verb to another one: a double writes only the verbs that it wants to be different.
public protocol ForwardingStore: SessionStore {
    /// The kind of store that answers.
    associatedtype Base: SessionStore
    /// The store that answers this call: asked for each, so that a double may do something before every verb.
    var base: Base { get async throws }
}

extension ForwardingStore {
    public func create(_ sessions: [NewSession]) async throws -> [Result<Session, SojournError>] {
        try await base.create(sessions)
    }

    public func validate(_ access: SessionAccess) async throws -> Session? {
        try await base.validate(access)
    }

    public func validation(_ access: SessionAccess, freshness: Freshness) async throws -> Validation? {
        try await base.validation(access, freshness: freshness)
    }

    public func find(_ accesses: [SessionAccess]) async throws -> [StoredSession?] {
        try await base.find(accesses)
    }

    public func extend(_ access: SessionAccess, by life: Duration?) async throws -> Session {
        try await base.extend(access, by: life)
    }

    public func rotate(_ access: SessionAccess, to rotation: Rotation) async throws -> RotationOutcome {
        try await base.rotate(access, to: rotation)
    }

    public func bind(_ access: SessionAccess, to user: UserID, digest: SecretDigest, sessionsPerUserMax: Int?)
        async throws -> Session
    {
        try await base.bind(access, to: user, digest: digest, sessionsPerUserMax: sessionsPerUserMax)
    }

    public func issueSecret(_ access: SessionAccess, digest: SecretDigest) async throws -> Session {
        try await base.issueSecret(access, digest: digest)
    }

    public func replace(
        _ field: SessionField, of access: SessionAccess, with document: JSONDocument, ifVersion version: Int
    ) async throws -> Session {
        try await base.replace(field, of: access, with: document, ifVersion: version)
    }

    public func end(_ accesses: [SessionAccess]) async throws -> [Bool] {
        try await base.end(accesses)
    }

    public func delete(_ id: SessionID) async throws -> Bool {
        try await base.delete(id)
    }

    public func sessions(matching filter: SessionFilter, page: PageRequest) async throws -> Page<StoredSession> {
        try await base.sessions(matching: filter, page: page)
    }

    public func endAll(of user: UserID, by actor: Actor) async throws -> Int {
        try await base.endAll(of: user, by: actor)
    }

    public func endOthers(_ access: SessionAccess) async throws -> Int {
        try await base.endOthers(access)
    }

    public func erase(_ user: UserID) async throws -> ErasureReceipt {
        try await base.erase(user)
    }

    public func facts(of id: SessionID) async throws -> SessionFacts? {
        try await base.facts(of: id)
    }

    public func sweep(_ order: SweepOrder) async throws -> SweepOutcome {
        try await base.sweep(order)
    }

    public func statistics() async throws -> SessionStatistics {
        try await base.statistics()
    }

    public func integrity() async throws -> IntegrityReport {
        try await base.integrity()
    }

    public func ping() async throws {
        try await base.ping()
    }
}

// The verbs of `ItemStore`.
extension ForwardingStore where Self: ItemStore, Base: ItemStore {
    public func put(_ items: [Item]) async throws -> ItemsPut {
        try await base.put(items)
    }

    public func items(prefix: String, page: PageRequest) async throws -> Page<Item> {
        try await base.items(prefix: prefix, page: page)
    }

    public func add(_ ids: [ItemID], to access: SessionAccess, holdMax: Int) async throws -> ItemsAdded {
        try await base.add(ids, to: access, holdMax: holdMax)
    }

    public func held(by access: SessionAccess) async throws -> [HeldItem] {
        try await base.held(by: access)
    }

    public func remove(_ ids: [ItemID]?, from access: SessionAccess) async throws -> Int {
        try await base.remove(ids, from: access)
    }

    public func validateWithItems(_ access: SessionAccess) async throws -> (session: Session, items: [HeldItem])? {
        try await base.validateWithItems(access)
    }
}

// The verbs of `JournalStore`.
extension ForwardingStore where Self: JournalStore, Base: JournalStore {
    public func append(
        _ entries: [NewEntry], to access: SessionAccess, expectedTurns: Int?, idempotency: IdempotencyKey?
    ) async throws -> [JournalEntry] {
        try await base.append(entries, to: access, expectedTurns: expectedTurns, idempotency: idempotency)
    }

    public func finish(
        _ turn: EntryID, of access: SessionAccess, response: String, extra: JSONDocument, expectedTurns: Int?
    ) async throws -> JournalEntry {
        try await base.finish(turn, of: access, response: response, extra: extra, expectedTurns: expectedTurns)
    }

    public func entry(_ id: EntryID, of access: SessionAccess?) async throws -> JournalEntry? {
        try await base.entry(id, of: access)
    }

    public func history(_ kind: JournalKind, of scope: JournalScope, _ query: HistoryQuery, page: PageRequest)
        async throws -> Page<JournalEntry>
    {
        try await base.history(kind, of: scope, query, page: page)
    }
}

// The verbs of `TruthStore`.
extension ForwardingStore where Self: TruthStore, Base: TruthStore {
    public func pendingChanges(max: Int) async throws -> PendingChanges {
        try await base.pendingChanges(max: max)
    }

    public func announce(_ ids: [SessionID]) async throws -> [PendingChange] {
        try await base.announce(ids)
    }

    public func settle(_ changes: [PendingChange]) async throws {
        try await base.settle(changes)
    }

    public func images(of ids: [SessionID]) async throws -> [SessionImage?] {
        try await base.images(of: ids)
    }

    public func add(_ touches: [SessionTouch]) async throws {
        try await base.add(touches)
    }
}
