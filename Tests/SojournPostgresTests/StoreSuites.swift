// SPDX-License-Identifier: Apache-2.0

import SojournTesting
import Testing

/// The PostgreSQL store against the suites that every store is proved with: every example runs on two stores over one
/// database, in two processes, call by call in turn, directly and through pgbouncer in transaction mode.
@Suite("The PostgreSQL store", .onPostgres)
struct StoreSuites {
    private static let direct = under("PostgresStore", pooled: false)
    private static let pooled = under("PostgresStore behind pgbouncer", pooled: true)

    private static func under(_ name: String, pooled: Bool) -> StoreUnderTest {
        let stores = TimedStores(pooled: pooled)
        return StoreUnderTest(name) { clock in
            try await stores.take(clock)
        } close: { store in
            if let store = store as? TimedStore { await stores.give(store) }
        }
    }

    @Test("keeps every example", arguments: ConformanceSuite.cases)
    func keeps(_ example: ConformanceCase) async throws {
        try await example.run(on: Self.direct)
    }

    @Test("keeps every example behind a transaction pooler", arguments: ConformanceSuite.cases)
    func keepsPooled(_ example: ConformanceCase) async throws {
        try await example.run(on: Self.pooled)
    }

    @Test("is linearizable and keeps the laws, as far as the explorer sees")
    func explorerFindsNothing() async throws {
        try await Explorer(Self.direct).expectNoFailure()
    }

    @Test("is so behind a transaction pooler as well")
    func explorerFindsNothingPooled() async throws {
        try await Explorer(Self.pooled, schedules: 200).expectNoFailure()
    }
}
