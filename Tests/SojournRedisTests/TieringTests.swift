// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import RedisDriver
import Sojourn
import SojournTesting
import Synchronization
import Testing
import TierTestSupport

@testable import SojournRedis

/// What two nodes of a tier do, seen from both sides of it.
@Suite("Redis before a store, in its own terms", .timeLimit(.minutes(10)))
struct RedisTieringTests {
    /// Runs `body` with two nodes over an in-memory store, and a client to look into Redis.
    private func withTier(
        _ tiering: Tiering = Tiering(),
        _ body: (TierUnderTest<MemoryStore>, _ prefix: String, RedisClient) async throws -> Void
    ) async throws {
        let clock = SystemWallClock()
        let prefix = "test:\(UUID())"
        let tier = try await TierUnderTest(
            MemoryStore(clock: clock), redis: RedisUnderTest.configuration(), prefix: prefix, clock: nil,
            tiering: tiering)
        let client = RedisClient(try RedisUnderTest.configuration(), logger: Logger(label: "test"))
        try await body(tier, prefix, client)
        try await tier.close()
        client.close()
    }

    private func begin(in tier: TierUnderTest<MemoryStore>, _ user: UserID? = nil) async throws -> SessionAccess {
        let digest = SecretDigest(bytes: (0..<32).map { _ in .random(in: 0...255) })
        let id = SessionID(at: SystemWallClock().now, random: .system)
        _ = try await tier.truth.create([NewSession(id: id, digest: digest, userID: user)])[0].get()
        return .digest(id, digest)
    }

    /// Validates on a node until a copy answers.
    private func warm(_ access: SessionAccess, on node: TieredStore<MemoryStore>) async throws {
        while try await node.validation(access, freshness: .strict)?.source != .cache { await Task.yield() }
    }

    @Test("a validated session is copied, and copies answer on every node; every validation is counted")
    func copies() async throws {
        try await withTier { tier, _, _ in
            let access = try await begin(in: tier)
            var count = 0
            for node in tier.nodes {
                var source: Validation.Source?
                while source != .cache {
                    await Task.yield()
                    source = try await node.validation(access, freshness: .strict)?.source
                    count += 1
                }
            }
            try await tier.settle()
            #expect(try await tier.truth.find([access])[0]?.session.requestCount == count)
        }
    }

    @Test("an end through one node is final on the other when it is answered")
    func endsAreFinal() async throws {
        try await withTier { tier, _, _ in
            for _ in 0..<20 {
                let access = try await begin(in: tier)
                try await warm(access, on: tier.nodes[1])
                #expect(try await tier.nodes[0].end([access]) == [true])
                #expect(try await tier.nodes[1].validate(access) == nil)
            }
        }
    }

    @Test("what a node that has no Redis changes is seen by the database, and by no copy after that")
    func announces() async throws {
        try await withTier { tier, _, _ in
            // Nobody listens on port 1.
            let cache = RedisCache(try RedisConfiguration(url: "redis://127.0.0.1:1"))
            let cut = TieredStore(tier.truth, cache: cache)
            for _ in 0..<3 {
                let access = try await begin(in: tier)
                try await warm(access, on: tier.nodes[0])
                async let isEnded = cut.end([access])
                // As long as nobody knows of it, copies answer.
                while try await cut.validate(access) != nil { await Task.yield() }
                #expect(try await tier.nodes[0].validate(access) == nil)
                #expect(try await isEnded == [true])
            }
            #expect(try await tier.truth.pendingChanges(max: 100).changes.allSatisfy { !$0.isAnnouncement })
            cache.close()
        }
    }

    @Test("an end that came past the tier is heard of within the lease")
    func hearsOfOthers() async throws {
        try await withTier { tier, _, _ in
            let access = try await begin(in: tier)
            try await warm(access, on: tier.nodes[0])
            let ended = ContinuousClock.now
            #expect(try await tier.truth.end([access]) == [true])
            while try await tier.nodes[0].validate(access) != nil {
                await Task.yield()
                let late = ended.duration(to: .now) > Tiering().trustLease + .seconds(5)
                try #require(!late, "a copy of an ended session answers on")
            }
            #expect(try await tier.nodes[0].validate(access) == nil)
        }
    }

    @Test("a copy that is late is not taken: not after its removal, not after everything was lost")
    func leavesAreLost() async throws {
        try await withTier { tier, prefix, client in
            let cache = RedisCache(try RedisUnderTest.configuration(), prefix: prefix, answerMax: .seconds(60))
            let access = try await begin(in: tier)
            let image = try #require(try await tier.truth.images(of: [access.id])[0])
            func leave() async throws -> CacheLeave {
                guard case .missing(let leave?) = try await cache.look(for: access.id, era: 7) else {
                    throw SojournError(.storeUnavailable, "no leave")
                }
                return leave
            }
            func isThere() async throws -> Bool {
                if case .copy(let copy) = try await cache.look(for: access.id, era: 7) { copy == image } else { false }
            }
            let first = try await leave()
            guard case .missing(nil) = try await cache.look(for: access.id, era: 7) else {
                Issue.record("two have leave at once")
                return
            }
            try await cache.remove([access.id])
            try await cache.bring([SessionCopy(leave: first, image: image, life: .seconds(60))])
            let second = try await leave()
            _ = try await client.send(RedisCommand("DEL", key: cache.key(access.id)))
            try await cache.bring([SessionCopy(leave: second, image: image, life: .seconds(60))])
            let third = try await leave()
            try await cache.bring([SessionCopy(leave: third, image: image, life: .seconds(60))])
            #expect(try await isThere())
            #expect((1...60_000).contains(try await client.send(RedisCommand("PTTL", key: cache.key(access.id))).int()))
            for _ in 0..<2 { try await cache.holdBack([access.id]) }
            try await cache.free([access.id])
            try await cache.remove([access.id])
            guard case .missing(nil) = try await cache.look(for: access.id, era: 7) else {
                Issue.record("a session that somebody holds back may be copied")
                return
            }
            try await cache.free([access.id])
            try await cache.bring([SessionCopy(leave: try await leave(), image: image, life: .seconds(60))])
            #expect(try await isThere())
            guard case .missing(_?) = try await cache.look(for: access.id, era: 8) else {
                Issue.record("a copy of another era answers")
                return
            }
            cache.close()
        }
    }

    @Test("a copy from another run of the server answers nobody")
    func otherRunsAreCold() async throws {
        try await withTier { tier, prefix, client in
            let access = try await begin(in: tier)
            try await warm(access, on: tier.nodes[0])
            let key = RedisCache(try RedisUnderTest.configuration(), prefix: prefix).key(access.id)
            let copy = try await client.send(RedisCommand("HGET", key: key, [.runID])).bytes()
            let tag = try await client.send(RedisCommand("HGET", key: key, ["T"])).string()
            let era = try #require(tag.split(separator: " ").first)
            let otherRun = String(repeating: "0", count: 40)
            _ = try await client.send(RedisCommand("HDEL", key: key, [.runID]))
            _ = try await client.send(
                RedisCommand(
                    "HSET", key: key,
                    ["T", RedisArgument("\(era) \(otherRun)"), RedisArgument(otherRun), RedisArgument(copy)]))
            #expect(try await tier.nodes[0].validation(access, freshness: .strict)?.source == .database)
        }
    }

    @Test("in the shadow, the database answers, and copies are made all the same")
    func shadow() async throws {
        var tiering = Tiering()
        tiering.phase = .shadow
        try await withTier(tiering) { tier, prefix, client in
            let access = try await begin(in: tier)
            let key = RedisCache(try RedisUnderTest.configuration(), prefix: prefix).key(access.id)
            while try await client.send(RedisCommand("HEXISTS", key: key, [.runID])).int() == 0 {
                #expect(try await tier.nodes[0].validation(access, freshness: .strict)?.source == .database)
            }
            #expect(try await tier.nodes[1].end([access]) == [true])
            #expect(try await client.send(RedisCommand("EXISTS", key: key)).int() == 0)
        }
    }

    @Test("without Redis, the database answers all, and an end is made once every node has had the time to hear of it")
    func withoutRedis() async throws {
        let truth = MemoryStore(clock: SystemWallClock())
        // Nobody listens on port 1.
        let cache = RedisCache(try RedisConfiguration(url: "redis://127.0.0.1:1"))
        let node = TieredStore(truth, cache: cache)
        // From this reading on, changes are written down.
        try await node.readOnce()
        let running = Task { try await node.run() }
        let digest = SecretDigest(bytes: [UInt8](repeating: 3, count: 32))
        let id = SessionID(at: SystemWallClock().now, random: .system)
        _ = try await node.create([NewSession(id: id, digest: digest)])[0].get()
        for _ in 0..<10 {
            #expect(try await node.validation(.digest(id, digest), freshness: .strict)?.source == .database)
        }
        let asked = ContinuousClock.now
        #expect(try await node.end([.digest(id, digest)]) == [true])
        #expect(asked.duration(to: .now) >= Tiering().trustLease)
        #expect(try await node.integrity().findings.contains { $0.check == "cache" && !$0.isGood })
        running.cancel()
        try await running.value
        cache.close()
    }
}

extension RedisTieringTests {
    @Test("while the database is down, a copy of the age that the caller allows answers, and is counted later")
    func staleIfDown() async throws {
        let switched = SwitchedStore()
        let prefix = "test:\(UUID())"
        let tier = try await TierUnderTest(
            switched, redis: RedisUnderTest.configuration(), prefix: prefix, clock: nil)
        let node = tier.nodes[0]
        let digest = SecretDigest(bytes: [UInt8](repeating: 3, count: 32))
        let access = SessionAccess.digest(SessionID(at: SystemWallClock().now, random: .system), digest)
        _ = try await node.create([NewSession(id: access.id, digest: digest)])[0].get()
        var count = 1
        while try await node.validation(access, freshness: .strict)?.source != .cache {
            count += 1
            await Task.yield()
        }
        switched.isDown.store(true, ordering: .relaxed)
        // Until the news are too old for a strict answer.
        while (try? await node.validation(access, freshness: .strict)) != nil {
            count += 1
            await Task.yield()
        }
        let answer = try await node.validation(access, freshness: .staleIfDown(.seconds(600)))
        #expect(answer?.source == .cache && (answer?.age ?? .zero) >= Tiering().trustLease)
        await #expect(throws: SojournError.self) {
            try await node.validation(access, freshness: .staleIfDown(.milliseconds(1)))
        }
        switched.isDown.store(false, ordering: .relaxed)
        try await tier.close()
        #expect(try await switched.memory.find([access])[0]?.session.requestCount == count + 1)
    }
}

/// An in-memory store that can be down.
private final class SwitchedStore: ForwardingStore, ItemStore, JournalStore, TruthStore {
    let memory = MemoryStore(clock: SystemWallClock())
    let isDown = Atomic(false)

    var capabilities: StoreCapabilities { memory.capabilities }
    var base: MemoryStore {
        get throws {
            if isDown.load(ordering: .relaxed) { throw SojournError(.storeUnavailable, "It is down.") }
            return memory
        }
    }
}
