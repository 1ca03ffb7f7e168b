// SPDX-License-Identifier: Apache-2.0

import Sojourn
import SojournPostgres
import StoreWorker

/// A store as one of several servers has it: in this process, or in a worker's.
///
/// Both kinds are one type so that a double can turn from one to the other, and so both are asked by `StoreCall`; only
/// the worker's calls and answers are written down and read again.
struct RemoteStore: ItemStore, JournalStore, TruthStore {
    /// Where the store lives.
    private enum Place {
        case here(PostgresStore)
        case worker(WorkerProcess)
    }

    private let place: Place
    /// The number of the process that it lives in.
    let processID: Int32
    let capabilities: StoreCapabilities

    /// A store in this process.
    init(_ store: PostgresStore) async throws {
        try await self.init(.here(store))
    }

    /// The store of a worker.
    init(_ worker: WorkerProcess) async throws {
        try await self.init(.worker(worker))
    }

    private init(_ place: Place) async throws {
        self.place = place
        let introduction: Introduction = try await Self.ask(.introduce, of: place)
        processID = introduction.processID
        capabilities = introduction.capabilities
    }

    private static func ask<Value>(_ call: StoreCall, of place: Place) async throws -> Value
    where Value: Codable & Sendable {
        switch place {
        case .here(let store):
            let answer = await call.answer(of: store)
            guard let answer = answer as? Answer<Value> else {
                throw BrokenAnswer(reason: "\(type(of: answer)) instead of \(Answer<Value>.self)")
            }
            return try answer.get()
        case .worker(let worker):
            return try await worker.answer(to: call, as: Answer<Value>.self).get()
        }
    }

    private func ask<Value: Codable & Sendable>(_ call: StoreCall) async throws -> Value {
        try await Self.ask(call, of: place)
    }
}

extension RemoteStore {
    func create(_ sessions: [NewSession]) async throws -> [Result<Session, SojournError>] {
        let answers: [Answer<Session>] = try await ask(.create(sessions))
        return try answers.map { answer in
            do { return .success(try answer.get()) } catch let error as SojournError { return .failure(error) }
        }
    }

    func validate(_ access: SessionAccess) async throws -> Session? {
        try await ask(.validate(access))
    }

    func find(_ accesses: [SessionAccess]) async throws -> [StoredSession?] {
        try await ask(.find(accesses))
    }

    func extend(_ access: SessionAccess, by life: Duration?) async throws -> Session {
        try await ask(.extend(access, life: life))
    }

    func rotate(_ access: SessionAccess, to rotation: Rotation) async throws -> RotationOutcome {
        try await ask(.rotate(access, rotation))
    }

    func bind(_ access: SessionAccess, to user: UserID, digest: SecretDigest, sessionsPerUserMax: Int?) async throws
        -> Session
    {
        try await ask(.bind(access, user, digest, sessionsPerUserMax: sessionsPerUserMax))
    }

    func issueSecret(_ access: SessionAccess, digest: SecretDigest) async throws -> Session {
        try await ask(.issueSecret(access, digest))
    }

    func replace(_ field: SessionField, of access: SessionAccess, with document: JSONDocument, ifVersion version: Int)
        async throws -> Session
    {
        try await ask(.replace(field, access, text: document.text, version: version))
    }

    func end(_ accesses: [SessionAccess]) async throws -> [Bool] {
        try await ask(.end(accesses))
    }

    func delete(_ id: SessionID) async throws -> Bool {
        try await ask(.delete(id))
    }

    func sessions(matching filter: SessionFilter, page: PageRequest) async throws -> Page<StoredSession> {
        try await ask(.sessions(filter, page))
    }

    func endAll(of user: UserID, by actor: Actor) async throws -> Int {
        try await ask(.endAll(user, actor))
    }

    func endOthers(_ access: SessionAccess) async throws -> Int {
        try await ask(.endOthers(access))
    }

    func erase(_ user: UserID) async throws -> ErasureReceipt {
        try await ask(.erase(user))
    }

    func facts(of id: SessionID) async throws -> SessionFacts? {
        try await ask(.facts(id))
    }

    func sweep(_ order: SweepOrder) async throws -> SweepOutcome {
        try await ask(.sweep(order))
    }

    func statistics() async throws -> SessionStatistics {
        try await ask(.statistics)
    }

    func integrity() async throws -> IntegrityReport {
        try await ask(.integrity)
    }

    func ping() async throws {
        let _: Bool = try await ask(.ping)
    }
}

// The verbs of `ItemStore`.
extension RemoteStore {
    func put(_ items: [Item]) async throws -> ItemsPut {
        try await ask(.put(items))
    }

    func items(prefix: String, page: PageRequest) async throws -> Page<Item> {
        try await ask(.items(prefix: prefix, page))
    }

    func add(_ ids: [ItemID], to access: SessionAccess, holdMax: Int) async throws -> ItemsAdded {
        try await ask(.add(ids, access, holdMax: holdMax))
    }

    func held(by access: SessionAccess) async throws -> [HeldItem] {
        try await ask(.held(access))
    }

    func remove(_ ids: [ItemID]?, from access: SessionAccess) async throws -> Int {
        try await ask(.remove(ids, access))
    }

    func validateWithItems(_ access: SessionAccess) async throws -> (session: Session, items: [HeldItem])? {
        let found: SessionWithItems? = try await ask(.validateWithItems(access))
        return found.map { ($0.session, $0.items) }
    }
}

// The verbs of `JournalStore`.
extension RemoteStore {
    func append(
        _ entries: [NewEntry], to access: SessionAccess, expectedTurns: Int?, idempotency: IdempotencyKey?
    ) async throws -> [JournalEntry] {
        try await ask(.append(entries, access, expectedTurns: expectedTurns, idempotency))
    }

    func finish(
        _ turn: EntryID, of access: SessionAccess, response: String, extra: JSONDocument, expectedTurns: Int?
    ) async throws -> JournalEntry {
        try await ask(.finish(turn, access, response: response, extra: extra.text, expectedTurns: expectedTurns))
    }

    func entry(_ id: EntryID, of access: SessionAccess?) async throws -> JournalEntry? {
        try await ask(.entry(id, access))
    }

    func history(_ kind: JournalKind, of scope: JournalScope, _ query: HistoryQuery, page: PageRequest) async throws
        -> Page<JournalEntry>
    {
        try await ask(.history(kind, scope, query, page))
    }
}

// The verbs of `TruthStore`.
extension RemoteStore {
    func pendingChanges(max: Int) async throws -> PendingChanges {
        try await ask(.pendingChanges(max: max))
    }

    func announce(_ ids: [SessionID]) async throws -> [PendingChange] {
        try await ask(.announce(ids))
    }

    func settle(_ changes: [PendingChange]) async throws {
        let _: Bool = try await ask(.settle(changes))
    }

    func images(of ids: [SessionID]) async throws -> [SessionImage?] {
        try await ask(.images(ids))
    }

    func add(_ touches: [SessionTouch]) async throws {
        let _: Bool = try await ask(.addTouches(touches))
    }
}
