// SPDX-License-Identifier: Apache-2.0

internal import RedisDriver
internal import Sojourn
internal import SojournRedis

extension RedisSettings {
    /// The store on this Redis, which was reached and takes writes.
    ///
    /// - Throws: `SojournError`: what the store throws, `invalidInput` where a file that the URL names cannot be used.
    func open() async throws -> RedisStore {
        let configuration: RedisConfiguration
        do {
            configuration = try self.configuration()
        } catch {
            throw SojournError(.invalidInput, "\(error)", field: "REDIS_URL", underlying: error)
        }
        let store = RedisStore(configuration, prefix: prefix)
        do {
            try await store.ping()
            return store
        } catch {
            store.close()
            throw error
        }
    }
}
