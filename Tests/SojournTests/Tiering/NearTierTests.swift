// SPDX-License-Identifier: Apache-2.0

import SojournTesting
import Synchronization
import Testing

@testable import Sojourn

/// A tier whose near cache is on, before a cache whose every step is ours to see.
@Suite("Near copies before a cache") struct NearTierTests {
    /// An age that every answer of a test has.
    private static let anyAge = Freshness.within(.seconds(3600))

    /// What a test has to do with.
    private struct Tier: Sendable {
        let node: TieredStore<EraStore>
        let truth: EraStore
        let cache: ToldCache
        let clock: ManualClock
        let access: SessionAccess

        /// Validates until a near copy answers, and returns how many validations that took.
        func warm() async throws -> Int {
            var count = 0
            while true {
                let looks = cache.looks
                #expect(try await node.validation(access, freshness: anyAge) != nil)
                count += 1
                if cache.looks == looks, copies > 0 { return count }
                await Task.yield()
            }
        }

        /// How many near copies there are.
        var copies: Int { node.state.withLock { $0.near.count } }
    }

    /// Runs `body` with a node whose news count for an hour, or the lease, and a session.
    private func withTier(
        tells: Bool = true, lease: Duration = .seconds(3600), _ body: (Tier) async throws -> Void
    ) async throws {
        let clock = ManualClock()
        let truth = EraStore(clock)
        let cache = ToldCache(tells: tells)
        var tiering = Tiering()
        tiering.nearSessionsMax = 100
        tiering.trustLease = lease
        let node = TieredStore(truth, cache: cache, tiering: tiering, clock: clock)
        try await node.readOnce()
        let running = Task { try await node.run() }
        let access = SessionAccess.digest(SessionID(UUIDBytes(high: 7, low: 1)), TestSecrets.digest(1))
        _ = try await node.create([NewSession(id: access.id, digest: TestSecrets.digest(1))])[0].get()
        cache.tell(.began)
        try await body(Tier(node: node, truth: truth, cache: cache, clock: clock, access: access))
        running.cancel()
        try await running.value
        #expect(node.state.withLock { $0.near.count } == 0, "nobody hears of changes any more")
    }

    @Test("answer calls that allow an age, and no others; every validation is counted")
    func answers() async throws {
        try await withTier { tier in
            var count = try await tier.warm()
            let looks = tier.cache.looks
            for _ in 0..<3 {
                let answer = try await tier.node.validation(tier.access, freshness: Self.anyAge)
                #expect(answer?.source == .cache && (answer?.age ?? .seconds(4000)) <= .seconds(3600))
            }
            #expect(tier.cache.looks == looks)
            for freshness in [Freshness.strict, .staleIfDown(.seconds(3600)), .within(.zero)] {
                #expect(try await tier.node.validation(tier.access, freshness: freshness)?.source == .cache)
            }
            #expect(tier.cache.looks == looks + 3)
            count += 6
            let counted = try await tier.node.validation(tier.access, freshness: Self.anyAge)?.session.requestCount
            try await tier.node.flush()
            #expect(try await tier.truth.find([tier.access])[0]?.session.requestCount == count + 1)
            #expect(counted == count + 1)
        }
    }

    @Test("open to the session's secret alone, and until its expiry")
    func admits() async throws {
        try await withTier { tier in
            _ = try await tier.warm()
            let forged = SessionAccess.digest(tier.access.id, TestSecrets.digest(2))
            #expect(try await tier.node.validation(forged, freshness: Self.anyAge) == nil)
            tier.clock.advance(by: .days(1))
            #expect(tier.copies == 1)
            #expect(try await tier.node.validation(tier.access, freshness: Self.anyAge) == nil)
        }
    }

    @Test("go with the word of a change, also where it comes between the reading and the keeping")
    func told() async throws {
        try await withTier { tier in
            _ = try await tier.warm()
            tier.cache.tell(.changed([tier.access.id]))
            while tier.copies > 0 { await Task.yield() }
            tier.cache.meanwhile {
                _ = tier.node.state.withLock { $0.near.hear(.changed([tier.access.id])) }
            }
            #expect(try await tier.node.validation(tier.access, freshness: Self.anyAge)?.source == .cache)
            #expect(tier.copies == 0)
            _ = try await tier.warm()
            tier.cache.tell(.lost)
            while tier.copies > 0 { await Task.yield() }
            #expect(try await tier.node.validation(tier.access, freshness: Self.anyAge)?.source == .cache)
            #expect(tier.copies == 0)
        }
    }

    @Test("are gone when this node answers a change of its own")
    func ownChanges() async throws {
        try await withTier { tier in
            _ = try await tier.warm()
            let longer = try await tier.node.extend(tier.access, by: .days(2))
            let seen = try await tier.node.validation(tier.access, freshness: Self.anyAge)?.session
            #expect(seen?.expiresAt == longer.expiresAt)
            _ = try await tier.warm()
            let changed = try await tier.node.replace(
                .metadata, of: tier.access, with: JSONDocument(["a": .integer(1)]), ifVersion: 1)
            let after = try await tier.node.validation(tier.access, freshness: Self.anyAge)?.session
            #expect(after?.version == changed.version && after?.metadata == changed.metadata)
            _ = try await tier.warm()
            #expect(try await tier.node.end([tier.access]) == [true])
            #expect(try await tier.node.validation(tier.access, freshness: Self.anyAge) == nil)
        }
    }

    @Test("are gone then also where nobody can hear of the change")
    func ownChangesWithoutNews() async throws {
        try await withTier(lease: .milliseconds(200)) { tier in
            _ = try await tier.warm()
            tier.truth.tells.store(false, ordering: .relaxed)
            let changed = try await tier.node.replace(
                .metadata, of: tier.access, with: JSONDocument(["a": .integer(1)]), ifVersion: 1)
            #expect(tier.copies == 0)
            let after = try await tier.node.validation(tier.access, freshness: Self.anyAge)?.session
            #expect(after?.version == changed.version)
        }
    }

    @Test("go with the news of a change that came past the tier, and with their era")
    func news() async throws {
        try await withTier { tier in
            _ = try await tier.warm()
            tier.truth.erasBegun.add(1, ordering: .relaxed)
            try await tier.node.readOnce()
            #expect(tier.copies == 0)
            _ = try await tier.warm()
            #expect(try await tier.truth.end([tier.access]) == [true])
            try await tier.node.readOnce()
            #expect(tier.copies == 0)
            #expect(try await tier.node.validation(tier.access, freshness: Self.anyAge) == nil)
        }
    }

    @Test("and the cache's from before a gap in the news answer nobody: what they missed may be settled")
    func gap() async throws {
        try await withTier(lease: .milliseconds(50)) { tier in
            while try await tier.node.validation(tier.access, freshness: .strict)?.source != .cache {
                try await tier.node.readOnce()
            }
            tier.truth.tells.store(false, ordering: .relaxed)
            try await Task.sleep(for: .milliseconds(150))
            // Another node ends the session. What it removes is not what this one sees: a server that was deposed.
            tier.clock.advance(by: .seconds(1))
            #expect(try await tier.truth.end([tier.access]) == [true])
            try await tier.truth.settle(try await tier.truth.base.pendingChanges(max: 10).changes)
            tier.truth.tells.store(true, ordering: .relaxed)
            try await tier.node.readOnce()
            #expect(try await tier.node.validation(tier.access, freshness: .strict) == nil)
            #expect(try await tier.node.validation(tier.access, freshness: Self.anyAge) == nil)
        }
    }

    @Test("are not kept where the cache does not tell of changes")
    func silent() async throws {
        try await withTier(tells: false) { tier in
            while try await tier.node.validation(tier.access, freshness: Self.anyAge)?.source != .cache {
                await Task.yield()
            }
            let looks = tier.cache.looks
            for _ in 0..<3 { _ = try await tier.node.validation(tier.access, freshness: Self.anyAge) }
            #expect(tier.cache.looks == looks + 3)
        }
    }
}

/// An in-memory store whose eras begin when a test says so, and which tells of changes until a test says no.
private final class EraStore: ForwardingStore, TruthStore {
    let base: MemoryStore
    let erasBegun = Atomic(0)
    let tells = Atomic(true)

    init(_ clock: ManualClock) {
        base = MemoryStore(clock: clock)
    }

    var capabilities: StoreCapabilities { base.capabilities }

    func pendingChanges(max: Int) async throws -> PendingChanges {
        guard tells.load(ordering: .relaxed) else { throw SojournError(.storeUnavailable, "It does not tell.") }
        let pending = try await base.pendingChanges(max: max)
        return PendingChanges(
            era: pending.era + Int64(erasBegun.load(ordering: .relaxed)), at: pending.at, changes: pending.changes,
            isWhole: pending.isWhole)
    }
}

/// A cache in the process, which tells of changes what a test tells it to.
private final class ToldCache: SessionCache {
    private struct State {
        var copies: [SessionID: SessionCopy] = [:]
        var looks = 0
        var meanwhile: (@Sendable () -> Void)?
    }

    private let state = Mutex(State())
    private let told: (stream: AsyncStream<CacheEvent>, continuation: AsyncStream<CacheEvent>.Continuation)
    private let tells: Bool

    init(tells: Bool) {
        told = AsyncStream.makeStream()
        self.tells = tells
    }

    /// How often somebody looked for a copy.
    var looks: Int { state.withLock { $0.looks } }

    /// Tells whoever hears.
    func tell(_ event: CacheEvent) { told.continuation.yield(event) }

    /// Does something between the next reading of a copy and its answer.
    func meanwhile(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.meanwhile = body } }

    func events() -> (any AsyncSequence<CacheEvent, Never> & Sendable)? { tells ? told.stream : nil }

    func look(for id: SessionID, era: Int64) async throws -> CachedSession {
        let (copy, meanwhile) = state.withLock { state in
            state.looks += 1
            defer { state.meanwhile = nil }
            return (state.copies[id], state.meanwhile)
        }
        meanwhile?()
        if let copy, copy.leave.era == era { return .copy(copy.image) }
        return .missing(leave: CacheLeave(session: id, era: era, number: 0))
    }

    func bring(_ copies: [SessionCopy]) async throws {
        state.withLock { state in for copy in copies { state.copies[copy.leave.session] = copy } }
    }

    func remove(_ ids: [SessionID]) async throws {
        state.withLock { state in for id in ids { state.copies[id] = nil } }
    }

    func holdBack(_ ids: [SessionID]) async throws { try await remove(ids) }

    func free(_ ids: [SessionID]) async throws { try await remove(ids) }

    func findings() async throws -> [IntegrityReport.Finding] { [] }
}
