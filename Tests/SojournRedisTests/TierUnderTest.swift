// SPDX-License-Identifier: Apache-2.0

import Foundation
import RedisDriver
import Sojourn
import SojournRedis
import Testing

/// A tier over a store, with a prefix of its own in Redis, which runs until it is closed.
final class TierUnderTest<Base: TruthStore & ItemStore & JournalStore>: ForwardingStore, ItemStore, JournalStore {
    let base: TieredStore<Base>
    let cache: RedisCache
    private let running: Task<Void, any Error>

    var capabilities: StoreCapabilities { base.capabilities }

    /// A tier that has read the changes once, so that copies are answered by.
    init(
        _ truth: Base, clock: (any WallClock)?, tiering: Tiering = Tiering(), prefix: String = "test:\(UUID())",
        variable: String = "SOJOURN_TEST_REDIS"
    ) async throws {
        let url = try #require(ProcessInfo.processInfo.environment[variable], "script/with-redis sets \(variable)")
        cache = RedisCache(try RedisConfiguration(url: url), prefix: prefix)
        let tiered = TieredStore(truth, cache: cache, tiering: tiering, clock: clock)
        base = tiered
        running = Task { try await tiered.run() }
        try await tiered.readOnce()
    }

    func close() async throws {
        running.cancel()
        try await running.value
        cache.close()
    }
}
