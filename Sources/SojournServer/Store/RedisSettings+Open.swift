// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import RedisDriver
internal import Sojourn
internal import SojournRedis

extension RedisSettings {
    /// The store on this Redis, which was reached and takes writes.
    ///
    /// - Throws: `SojournError`: what the store throws, `invalidInput` where a file that the URL names cannot be used.
    func open() async throws -> RedisStore {
        let store = RedisStore(try checked(), prefix: prefix)
        do {
            try await store.ping()
            return store
        } catch {
            store.close()
            throw error
        }
    }

    /// The cache on this Redis, which need not be there yet.
    ///
    /// - Throws: `SojournError` with code `invalidInput` where a file that the URL names cannot be used.
    func openCache() throws -> RedisCache { RedisCache(try checked(), prefix: prefix) }

    /// Users and products on this Redis, which need not be there yet. Throws as `openCache`.
    func openRetailCache() throws -> RedisRetailCache { RedisRetailCache(try checked(), prefix: prefix) }

    private func checked() throws -> RedisConfiguration {
        do {
            var configuration = try configuration()
            // One for each loop on which requests may be answered; those that nobody needs are not made.
            configuration.connections = System.coreCount
            return configuration
        } catch {
            throw SojournError(.invalidInput, "\(error)", field: "REDIS_URL", underlying: error)
        }
    }
}
