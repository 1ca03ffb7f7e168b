// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import PostgresDriver
import RedisDriver
import Sojourn
import SojournPostgres
import SojournRedis
import Synchronization
import Testing

/// The Redis that `script/with-redis` started; nil where the tests run without.
let agingRedisURL = ProcessInfo.processInfo.environment["SOJOURN_TEST_REDIS"]

/// A database with users and products, and the Redis in which they take turns, each test's under a prefix of its own.
struct AgingBench: Sendable {
    let database: ScratchDatabase
    let store: PostgresStore
    let cache: RedisRetailCache
    let sessions: Sessions
    let retail: Retail
    let reader: RetailReader
    /// What looks into Redis past the cache.
    let redis: RedisClient
    let prefix: String

    /// Lends a bench and puts it away.
    static func run(
        users: Int = 0, products: Int = 0, copiesMax: Int = RowCopies.countMax,
        _ body: (AgingBench) async throws -> Void
    ) async throws {
        let bench = try await AgingBench(copiesMax: copiesMax)
        try await bench.add(users: 0..<users, products: 0..<products)
        try await body(bench)
        try await bench.cache.drop()
        bench.store.close()
        bench.cache.close()
        bench.redis.close()
    }

    private init(copiesMax: Int) async throws {
        database = try await ScratchDatabase()
        store = try database.store()
        prefix = "test:\(UUID())"
        var configuration = try RedisConfiguration(url: try #require(agingRedisURL))
        // A busy machine may take long; what is late is another test's matter.
        configuration.connectTimeout = .seconds(60)
        configuration.answerTimeout = .seconds(60)
        cache = RedisRetailCache(
            configuration, prefix: prefix, answerMax: .seconds(60), copiesMax: copiesMax, logger: TestServer.logger)
        redis = RedisClient(configuration, logger: TestServer.logger)
        sessions = Sessions(store: store, retailCache: cache)
        retail = try sessions.retail
        reader = try RetailReader(sessions: sessions, logger: TestServer.logger)
    }

    /// A worker, as another process would have it.
    func worker(
        new: Int = 500, old: Int = 500, interval: Duration = .seconds(50), cache: (any RetailCache)? = nil
    ) throws -> CacheWorker {
        var pace = CacheWorker.Pace()
        pace.shares = AgingShares(new: new, old: old)
        pace.interval = interval
        pace.restMax = .milliseconds(50)
        return try CacheWorker(
            sessions: Sessions(store: store, retailCache: cache ?? self.cache), pace: pace, logger: TestServer.logger)
    }

    /// Runs a cycle that must not find anybody at it.
    @discardableResult
    func cycle(_ worker: CacheWorker) async throws -> AgingCycle {
        guard case .done(let cycle) = try await worker.cycle() else { throw SojournError(.storeUnavailable, "Busy.") }
        return cycle
    }

    /// Adds users `user-N` and products `product-N`.
    func add(users: Range<Int> = 0..<0, products: Range<Int> = 0..<0) async throws {
        let seed = RetailSeed(1, locale: .ko)
        for start in stride(from: users.lowerBound, to: users.upperBound, by: 1000) {
            let numbers = start..<min(start + 1000, users.upperBound)
            _ = try await retail.createUsers(numbers.map { seed.user($0) })
        }
        for start in stride(from: products.lowerBound, to: products.upperBound, by: 1000) {
            let numbers = start..<min(start + 1000, products.upperBound)
            _ = try await retail.createProducts(numbers.map { seed.product($0) })
        }
    }

    /// The key of a kind's rotation.
    func served(_ kind: CachedKind) -> String { "\(prefix):{cache:\(kind.rawValue)}" }

    /// The rotation's rows of a kind, by id, as whoever speaks Redis sees them.
    func rotation(_ kind: CachedKind = .users) async throws -> [String: JSONValue] {
        let pairs = try await redis.send(RedisCommand("HGETALL", key: served(kind))).pairs()
        return Dictionary(
            uniqueKeysWithValues: try pairs.map { (try $0.key.string(), try JSONValue(parsing: $0.value.bytes())) })
    }

    /// The keys under the prefix.
    func keys() async throws -> Set<String> {
        Set(try await redis.send(RedisCommand("KEYS", [RedisArgument(prefix + ":*")])).array().map { try $0.string() })
    }

    /// One number out of the database.
    func number(_ sql: String) async throws -> Int {
        try #require(try await database.run(sql).first).int(0)
    }

    /// How many users were ever cached.
    func stamped() async throws -> Int {
        try await number("SELECT count(*) FROM sojourn.users WHERE last_cached_at IS NOT NULL")
    }
}

/// A cache that does something of the test's before or after it publishes, or before it drops all.
struct MeddlingCache: RetailCache {
    let base: any RetailCache
    var prepared: @Sendable () async throws -> Void = {}
    var published: @Sendable () async throws -> Void = {}
    var dropping: @Sendable () async throws -> Void = {}

    func ping() async throws { try await base.ping() }

    func prepare(_ rows: AgingRows, life: Duration) async throws -> AgingTicket {
        let ticket = try await base.prepare(rows, life: life)
        try await prepared()
        return ticket
    }

    func publish(_ ticket: AgingTicket) async throws {
        try await base.publish(ticket)
        try await published()
    }

    func drop() async throws {
        try await dropping()
        try await base.drop()
    }

    func sample(users: Int, products: Int) async throws -> AgingRows {
        try await base.sample(users: users, products: products)
    }

    func copy<Row: CachedRow>(_ type: Row.Type, of id: String) async throws -> Row? {
        try await base.copy(type, of: id)
    }

    func keep<Row: CachedRow>(_ rows: [Row], age: Duration) async throws { try await base.keep(rows, age: age) }

    func forget(_ kind: CachedKind, _ ids: [String]) async throws { try await base.forget(kind, ids) }
}
