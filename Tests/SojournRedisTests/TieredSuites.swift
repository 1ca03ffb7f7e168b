// SPDX-License-Identifier: Apache-2.0

import Foundation
import RedisDriver
import Sojourn
import SojournRedis
import SojournSQLite
import SojournTesting
import Testing
import TierTestSupport

/// Two nodes with Redis before one store, against the suites that every store is proved with.
@Suite("Redis before a store", .timeLimit(.minutes(60)))
struct TieredSuites {
    @Test("keeps every example over the in-memory store", arguments: ConformanceSuite.cases)
    func keepsOverMemory(_ example: ConformanceCase) async throws {
        try await example.run(on: Self.overMemory)
    }

    @Test("keeps every example over SQLite", arguments: ConformanceSuite.cases)
    func keepsOverSQLite(_ example: ConformanceCase) async throws {
        try await example.run(on: Self.overSQLite)
    }

    @Test("is linearizable and keeps the laws, as far as the explorer sees")
    func explorerFindsNothing() async throws {
        try await Explorer(Self.overMemory).expectNoFailure()
    }

    @Test("is so over SQLite")
    func explorerFindsNothingOverSQLite() async throws {
        try await Explorer(Self.overSQLite, schedules: 300).expectNoFailure()
    }

    @Test("is so while copies are kept near, for calls that allow an answer of no age at all")
    func explorerFindsNothingNear() async throws {
        var tiering = Tiering()
        tiering.nearSessionsMax = 100
        let near = StoreUnderTest("near copies before Redis before MemoryStore") { [tiering] clock in
            try await Self.tier(MemoryStore(clock: clock), clock, tiering, .within(.zero))
        } settle: { store in
            try await (store as? TierUnderTest<MemoryStore>)?.settle()
        } close: { store in
            try await (store as? TierUnderTest<MemoryStore>)?.close()
        }
        try await Explorer(near, schedules: 300).expectNoFailure()
    }

    @Test("keeps the laws while Redis fails in every way")
    func lawsHoldWhileRedisFails() async throws {
        try await FailingRedis.run { redis in
            let store = Self.overSQLite("Failing Redis before SQLiteStore", redis.tier)
            try await Explorer(store, schedules: 20, faults: redis.faults).expectNoFailure()
            print("explorer: copies answered \(redis.copiesAnswered) validations before SQLite")
            #expect(redis.copiesAnswered > 0)
        }
    }

    private static let overMemory = StoreUnderTest("Redis before MemoryStore") { clock in
        try await tier(MemoryStore(clock: clock), clock)
    } settle: { store in
        try await (store as? TierUnderTest<MemoryStore>)?.settle()
    } close: { store in
        try await (store as? TierUnderTest<MemoryStore>)?.close()
    }

    private static let overSQLite = overSQLite("Redis before SQLiteStore") { try await tier($0, $1) }

    private static func overSQLite(
        _ name: String,
        _ tier: @escaping @Sendable (SQLiteStore, any WallClock) async throws -> TierUnderTest<SQLiteStore>
    ) -> StoreUnderTest {
        StoreUnderTest(name) { clock in
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sojourn-tier-\(UUID())").path
            return try await tier(SQLiteStore(path: folder + "/sojourn.db", clock: clock), clock)
        } settle: { store in
            try await (store as? TierUnderTest<SQLiteStore>)?.settle()
        } close: { store in
            guard let store = store as? TierUnderTest<SQLiteStore> else { return }
            try await store.close()
            try await store.truth.close()
            try FileManager.default.removeItem(at: URL(fileURLWithPath: store.truth.path).deletingLastPathComponent())
        }
    }

    private static func tier<Truth: TruthStore & ItemStore & JournalStore>(
        _ truth: Truth, _ clock: any WallClock, _ tiering: Tiering = Tiering(), _ freshness: Freshness = .strict
    ) async throws -> TierUnderTest<Truth> {
        try await TierUnderTest(
            truth, redis: RedisUnderTest.configuration(), prefix: "test:\(UUID())", clock: clock, tiering: tiering,
            freshness: freshness)
    }
}

/// The servers that `script/with-redis` started.
enum RedisUnderTest {
    /// How to connect to the one server, or to the cluster (`_CLUSTER`). A busy machine is waited for.
    static func configuration(_ kind: String = "") throws -> RedisConfiguration {
        let name = "SOJOURN_TEST_REDIS" + kind
        let url = try #require(ProcessInfo.processInfo.environment[name], "script/with-redis sets \(name)")
        var configuration = try RedisConfiguration(url: url)
        configuration.connectTimeout = .seconds(60)
        configuration.answerTimeout = .seconds(60)
        configuration.outageGrace = .seconds(60)
        return configuration
    }
}
