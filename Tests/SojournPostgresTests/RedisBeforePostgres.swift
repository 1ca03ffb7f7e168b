// SPDX-License-Identifier: Apache-2.0

import Foundation
import PostgresDriver
import RedisDriver
import Sojourn
import SojournPostgres
import SojournTesting
import Testing
import TierTestSupport

/// The Redis that `script/with-redis` started; nil where the tests run without.
private let redisURL = ProcessInfo.processInfo.environment["SOJOURN_TEST_REDIS"]

/// Two nodes with Redis before one database, which two processes write to, against the suites that every store is proved
/// with.
@Suite(
    "Redis before PostgreSQL", .onPostgres, .enabled(if: redisURL != nil, "needs Redis as well"),
    .timeLimit(.minutes(60)))
struct RedisBeforePostgres {
    private static let stores = TimedStores(pooled: false)

    private static let tiered = tiered("Redis before PostgresStore") { truth, clock in
        try await TierUnderTest(
            truth, redis: try RedisConfiguration(url: try #require(redisURL)), prefix: "test:\(UUID())", clock: clock)
    }

    private static func tiered(
        _ name: String,
        _ tier: @escaping @Sendable (TimedStore, any WallClock) async throws -> TierUnderTest<TimedStore>
    ) -> StoreUnderTest {
        StoreUnderTest(name) { clock in
            try await tier(try await stores.take(clock), clock)
        } settle: { store in
            try await (store as? TierUnderTest<TimedStore>)?.settle()
        } close: { store in
            guard let store = store as? TierUnderTest<TimedStore> else { return }
            try await store.close()
            await stores.give(store.truth)
        }
    }

    @Test("keeps every example", arguments: ConformanceSuite.cases)
    func keeps(_ example: ConformanceCase) async throws {
        try await example.run(on: Self.tiered)
    }

    @Test("is linearizable and keeps the laws, as far as the explorer sees")
    func explorerFindsNothing() async throws {
        try await Explorer(Self.tiered, schedules: 300).expectNoFailure()
    }

    @Test("keeps the laws while Redis fails in every way")
    func lawsHoldWhileRedisFails() async throws {
        try await FailingRedis.run { redis in
            let store = Self.tiered("Failing Redis before PostgresStore", redis.tier)
            try await Explorer(store, schedules: 20, faults: redis.faults).expectNoFailure()
            print("explorer: copies answered \(redis.copiesAnswered) validations before PostgreSQL")
            #expect(redis.copiesAnswered > 0)
        }
    }

    @Test("under load, while Redis fails, no live session is refused, no ended one opens, every validation is counted")
    func holdsUnderLoad() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        try await TierLoad(store) { id in
            let row = try #require(try await database.run("SELECT sojourn.end_session('\(id)')").first)
            #expect(try row.bool(0))
        }.run()
    }
}
