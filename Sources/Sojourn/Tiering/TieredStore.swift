// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import Metrics
public import ServiceLifecycle
internal import Synchronization

/// A store with a cache before it (R2): the store is the truth, the cache answers validations.
///
/// - **Validations** are answered by a copy while this node has news of what changed (`TrustLease`), and by the database
///   otherwise; whatever a copy does not allow, the database decides. A session that the database validated is copied
///   after that.
/// - **Changes** are made in the database, which writes down that the copy must go; then the copy is removed, and only
///   then is the caller answered. Where the cache cannot be told, the caller is answered once every node's news are
///   older than the change.
/// - **Near copies** (`Tiering.nearSessionsMax`) in the process answer calls that allow an answer of some age; see
///   `NearCache`.
/// - **Counts** that copies answered are gathered and added to the database (`Tiering.touchFlush`).
/// - **Failures** of the cache cost a few slow calls, then it is left alone for a while (`CircuitBreaker`). All is served
///   by the database meanwhile.
///
/// It reads changes and brings copies while `run()` runs; without it, the database answers everything.
public final class TieredStore<Base: TruthStore>: ForwardingStore {
    public let base: Base
    let cache: any SessionCache
    let tiering: Tiering
    let logger: Logger
    let meters = TierMeters()
    private let clock: (any WallClock)?
    let touches = TouchBuffer()
    let state: Mutex<TierState>
    let rounds: Rounds

    /// A store with a cache before it.
    ///
    /// - Parameter clock: What tells the store's time between two readings; nil for this machine's steady clock.
    public init(
        _ base: Base, cache: any SessionCache, tiering: Tiering = Tiering(), clock: (any WallClock)? = nil,
        logger: Logger = Logger(label: "sojourn.tiering")
    ) {
        self.base = base
        self.cache = cache
        self.tiering = tiering
        self.clock = clock
        self.logger = logger
        state = Mutex(TierState(tiering))
        rounds = Rounds()
    }

    public var capabilities: StoreCapabilities { base.capabilities.subtracting(.tiering).union(.cache) }

    /// The store's time at an instant, as far as this node knows.
    func time(at instant: ContinuousClock.Instant, _ state: borrowing TierState) -> Timestamp? {
        if let clock { return clock.now }
        return state.time.map { $0.at + $0.instant.duration(to: instant) }
    }
}

/// What a node knows of both sides.
struct TierState: Sendable {
    var lease: TrustLease
    var breaker = CircuitBreaker()
    var near: NearCache
    /// The database's clock, when it was read and at which of our own instants.
    var time: (at: Timestamp, instant: ContinuousClock.Instant)?
    /// Leaves to bring copies, and whether somebody is at it.
    var leaves: [CacheLeave] = []
    var isBringing = false

    /// A node that knows nothing yet.
    init(_ tiering: Tiering) {
        lease = TrustLease(length: tiering.trustLease)
        near = NearCache(tiering)
    }
}

// MARK: - Validations

extension TieredStore {
    public func validate(_ access: SessionAccess) async throws -> Session? {
        try await validation(access, freshness: .strict)?.session
    }

    public func validation(_ access: SessionAccess, freshness: Freshness) async throws -> Validation? {
        switch tiering.phase {
        case .database: return try await base.validate(access).map { Validation($0) }
        case .shadow: return try await compared(access)
        case .first: break
        }
        let age: Duration? = if case .within(let age) = freshness { age } else { nil }
        if let age, let answer = nearAnswer(to: access, within: age) { return answer }
        let looked = await look(for: access.id, age: age)
        do {
            if case .copy(let image, let era) = looked,
                let answer = try await answer(image, of: era, to: access, age: age)
            {
                return answer
            }
            let session = try await base.validate(access)
            meters.database.increment()
            if session != nil, case .missing(let leave?) = looked { bring(leave) }
            return session.map { Validation($0) }
        } catch let error as SojournError where error.code == .storeUnavailable {
            guard case .staleIfDown(let age) = freshness,
                case .copy(let image, let era) = await look(for: access.id, age: age),
                let answer = try await answer(image, of: era, to: access, age: age, countsLater: true)
            else { throw error }
            return answer
        }
    }

    /// Looks for a copy; nil where none may be answered by, or the cache does not answer.
    func look(for id: SessionID, age: Duration?) async -> Looked? {
        guard !touches.isFull else { return nil }
        let asked = ContinuousClock.now
        let admitted = state.withLock { state -> (era: Int64, place: NearCache.Place?)? in
            guard let era = state.lease.era(for: id, at: asked, age: age), state.breaker.admits(at: asked) else {
                return nil
            }
            return (era, age == nil ? nil : state.near.place(for: id))
        }
        guard let admitted else { return nil }
        var found = await asking { try await cache.look(for: id, era: admitted.era) }
        if case .copy(let image) = found, !state.withLock({ $0.lease.trusts(copyReadAt: image.at) }) {
            // So that the next caller is given leave to bring another.
            _ = await asking { try await cache.remove([id]) }
            found = nil
        }
        if let place = admitted.place { keep(found, of: admitted.era, at: place, askedAt: asked) }
        return switch found {
        case .copy(let image): .copy(image, era: admitted.era)
        case .missing(let leave): .missing(leave)
        case nil: nil
        }
    }

    /// Runs `body`, which asks the cache, and notes how it went; nil where it failed.
    func asking<Value>(_ body: () async throws -> Value) async -> Value? {
        do {
            let value = try await body()
            if state.withLock({ $0.breaker.succeeded() }) { logger.notice("the cache answers again") }
            return value
        } catch _ where Task.isCancelled {
            state.withLock { $0.breaker.gaveUp(at: .now) }
            return nil
        } catch {
            let opened = state.withLock { $0.breaker.failed(at: .now) }
            meters.failures.increment()
            if opened { logger.warning("the cache is left alone for a while", metadata: ["reason": "\(error)"]) }
            return nil
        }
    }
}

/// What came of looking for a copy.
enum Looked {
    /// A copy, of that era.
    case copy(SessionImage, era: Int64)
    /// None, and the leave to bring one; nil where somebody else has it.
    case missing(CacheLeave?)
}

// MARK: - Copies

extension TieredStore {
    /// Brings a copy by a leave, with others that are due, in the background: nobody waits for it.
    func bring(_ leave: CacheLeave) {
        let isFirst = state.withLock { state in
            state.leaves.append(leave)
            defer { state.isBringing = true }
            return !state.isBringing
        }
        if isFirst { Task { await self.bringAll() } }
    }

    private func bringAll() async {
        while true {
            let due = state.withLock { state in
                let due = Array(state.leaves.prefix(500))
                state.leaves.removeFirst(due.count)
                if due.isEmpty { state.isBringing = false }
                return due
            }
            guard !due.isEmpty else { return }
            let asked = ContinuousClock.now
            guard let images = try? await base.images(of: due.map(\.session)) else { continue }
            let spent = asked.duration(to: .now)
            let copies = zip(due, images).compactMap { leave, image -> SessionCopy? in
                guard let image else { return nil }
                let left = image.record.session.expiresAt - image.at - spent
                return SessionCopy(leave: leave, image: image, life: min(left, tiering.copyLife))
            }
            .filter { $0.life > .zero }
            _ = await asking { try await cache.bring(copies) }
        }
    }

    /// Lets copies go of sessions that changed in a way that outdates no copy, so that the change is seen at once.
    func refresh(_ ids: [SessionID]) async {
        defer { state.withLock { $0.near.drop(ids) } }
        guard tiering.phase != .database, state.withLock({ $0.breaker.admits(at: .now) }) else { return }
        _ = await asking { try await cache.remove(ids) }
    }
}

// MARK: - Changes

extension TieredStore {
    /// Makes a change of sessions in the database. Their copies are gone before it can be seen and come back after it, so
    /// that nobody sees the change by the database and then, by a copy, what was before it. Where the cache cannot be told,
    /// the database announces the change, and it is made when every node has heard of that. It is answered when no copy
    /// from before is answered by any more, wherever else it reached.
    ///
    /// - Parameters:
    ///   - ids: The sessions.
    ///   - mayReachOthers: Whether it may change sessions that are not known before; they are seen to after the change.
    func changing<Value: Sendable>(
        _ ids: [SessionID], mayReachOthers: Bool = false, _ body: () async throws -> Value
    ) async throws -> Value {
        guard tiering.phase != .database else { return try await body() }
        defer { state.withLock { $0.near.drop(ids) } }
        let isHeld =
            if ids.isEmpty || !state.withLock({ $0.breaker.admits(at: .now) }) { false } else {
                await asking { try await cache.holdBack(ids) } != nil
            }
        let announced = isHeld ? [] : try await announce(ids)
        let result: Result<Value, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        let changed = ContinuousClock.now
        if isHeld { _ = await asking { try await cache.free(ids) } }
        if !announced.isEmpty, !result.mayComeYet {
            // Whoever reads them no more reads the change itself. If this fails, somebody else settles them in time.
            try? await base.settle(announced)
        }
        let value = try result.get()
        guard announced.isEmpty || mayReachOthers else { return value }
        do {
            try await readOnce()
        } catch {
            await lease(from: changed)
        }
        return value
    }

    /// Writes down that the sessions are about to change, and returns when every node goes by that.
    private func announce(_ ids: [SessionID]) async throws -> [PendingChange] {
        guard !ids.isEmpty else { return [] }
        let announced = try await base.announce(ids)
        await lease(from: .now)
        return announced
    }

    /// Returns once every reading from before a moment is old, also to a caller who was cancelled.
    private func lease(from moment: ContinuousClock.Instant) async {
        let end = moment + tiering.trustLease
        while .now < end { await Self.sleep(until: end) }
    }

    /// The live sessions of a user, whose copies a change of them all must go before.
    func sessions(of user: UserID) async throws -> [SessionID] {
        guard tiering.phase != .database else { return [] }
        var ids: [SessionID] = []
        var request: PageRequest? = PageRequest(limit: 500)
        while let next = request {
            let page = try await base.sessions(matching: SessionFilter(userID: user, status: .active), page: next)
            ids += page.items.map(\.session.id)
            request = page.next.map { PageRequest(limit: 500, after: $0) }
        }
        return ids
    }

    private static func sleep(until end: ContinuousClock.Instant) async {
        await Task { try? await Task.sleep(until: end, clock: .continuous) }.value
    }

    /// Reads what changed, and removes the copies.
    ///
    /// - Throws: Where either could not be done.
    private func readChanges() async throws {
        var isWhole = false
        while !isWhole {
            let asked = ContinuousClock.now
            let pending = try await base.pendingChanges(max: 50_000)
            isWhole = pending.isWhole
            let (changes, _) = state.withLock { state in
                state.time = (pending.at, asked)
                let changes = state.lease.read(pending, askedAt: asked)
                return (changes, state.near.read(pending, naming: changes.new, askedAt: asked, at: .now))
            }
            for start in stride(from: 0, to: changes.new.count, by: 500) {
                let part = changes.new[start..<min(start + 500, changes.new.count)]
                let ids = Array(Set(part.map(\.session)))
                guard state.withLock({ $0.breaker.admits(at: .now) }),
                    await asking({ try await cache.remove(ids) }) != nil
                else { throw SojournError(.storeUnavailable, "The cache does not answer.") }
                state.withLock { $0.lease.remove(part, at: .now) }
            }
            if !changes.old.isEmpty { try await base.settle(changes.old) }
            // Most of what is in the way has to wait for two leases.
            if !isWhole { try await Task.sleep(for: tiering.trustLease / 4) }
        }
    }

    /// Reads what changed once. `run()` does it by itself, again and again.
    ///
    /// - Throws: Where it could not be read, or the cache not be told.
    public func readOnce() async throws {
        try await rounds.join { try await self.readChanges() }
    }

    /// Tells the database of the validations that the cache answered. `run()` does it by itself.
    ///
    /// - Throws: What the database throws; what it did not take is kept and told again.
    public func flush() async throws {
        let taken = touches.take()
        for start in stride(from: 0, to: taken.count, by: 1000) {
            let part = Array(taken[start..<min(start + 1000, taken.count)])
            do {
                try await base.add(part)
            } catch {
                touches.putBack(Array(taken[start...]))
                throw error
            }
        }
    }
}

extension TieredStore: Service {
    /// Reads changes and flushes counts until graceful shutdown; then flushes what is left.
    public func run() async throws {
        guard tiering.phase != .database else { return try await gracefulShutdown() }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await self.every(self.tiering.trustLease / 4, "changes were not read") {
                    try await self.readOnce()
                }
            }
            group.addTask {
                // Without gathering, there are those that were answered while the database was down.
                let pause = self.tiering.touchFlush > .zero ? self.tiering.touchFlush : .seconds(1)
                await self.every(pause, "validations were not counted") { try await self.flush() }
            }
            group.addTask { await self.hear() }
            try? await gracefulShutdown()
            group.cancelAll()
        }
        // Requests under way may have answered since.
        let end = ContinuousClock.now + .seconds(5)
        while touches.count > 0 {
            do {
                try await flush()
            } catch {
                guard .now < end else { throw error }
                await Self.sleep(until: .now + .milliseconds(500))
            }
        }
    }

    private func every(_ pause: Duration, _ failure: Logger.Message, _ body: () async throws -> Void) async {
        var failed = false
        repeat {
            do {
                try await body()
                failed = false
            } catch {
                if !failed { logger.warning(failure, metadata: ["reason": "\(error)"]) }
                failed = true
            }
        } while (try? await Task.sleep(for: pause)) != nil
    }
}

extension Result {
    /// Whether it is not known what became of a change, which may be made after this.
    fileprivate var mayComeYet: Bool {
        guard case .failure(let error) = self else { return false }
        return (error as? SojournError)?.code ?? .storeUnavailable == .storeUnavailable
    }
}
