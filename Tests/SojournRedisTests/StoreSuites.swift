// SPDX-License-Identifier: Apache-2.0

import Foundation
import RedisDriver
import Sojourn
import SojournRedis
import SojournTesting
import Testing

/// The Redis store against the suites that every store is proved with, on one server and on a cluster of 3 + 3. Each
/// example has a prefix of its own, on servers that are thrown away afterwards.
@Suite("The Redis store", .timeLimit(.minutes(60)))
struct RedisStoreSuites {
    @Test("keeps every example on one server", arguments: ConformanceSuite.cases)
    func keeps(_ example: ConformanceCase) async throws {
        try await example.run(on: .redis(""))
    }

    @Test("keeps every example on a cluster", arguments: ConformanceSuite.cases)
    func keepsOnACluster(_ example: ConformanceCase) async throws {
        try await example.run(on: .redis("_CLUSTER"))
    }

    @Test("is linearizable and keeps the laws, as far as the explorer sees", arguments: ["", "_CLUSTER"])
    func explorerFindsNothing(_ kind: String) async throws {
        try await Explorer(.redis(kind)).expectNoFailure()
    }
}

extension StoreUnderTest {
    /// The store on one server, or on the cluster.
    static func redis(_ kind: String) -> StoreUnderTest {
        StoreUnderTest("RedisStore\(kind)") { clock in
            RedisStore(try RedisUnderTest.configuration(kind), prefix: "test:\(UUID())", clock: clock)
        } close: { store in
            (store as? RedisStore)?.close()
        }
    }
}
