// SPDX-License-Identifier: Apache-2.0

import Foundation
import RedisDriver
import Sojourn
import SojournRedis
import SojournTesting
import Testing

/// Redis before a database, against the suites that every store is proved with.
@Suite("Redis over the in-memory store")
struct TieredSuites {
    @Test("keeps every example, with counts told at once", arguments: ConformanceSuite.cases)
    func keeps(_ example: ConformanceCase) async throws {
        try await example.run(on: Self.tiered)
    }

    @Test("is linearizable and keeps the laws, as far as the explorer sees")
    func explorerFindsNothing() async throws {
        try await Explorer(Self.tiered).expectNoFailure()
    }

    private static let tiered = StoreUnderTest("RedisCache over MemoryStore") { clock in
        try await TierUnderTest(MemoryStore(clock: clock), clock: clock)
    } settle: { store in
        try await (store as? TierUnderTest<MemoryStore>)?.base.flush()
    } close: { store in
        try await (store as? TierUnderTest<MemoryStore>)?.close()
    }
}
