// SPDX-License-Identifier: Apache-2.0

internal import BenchLoad
internal import Foundation
internal import Logging
internal import PostgresDriver
internal import RedisDriver
internal import Sojourn
internal import SojournPostgres
internal import SojournRedis

/// What users and products that take turns in Redis are worth (C5): transactions of PostgreSQL a minute, and how long readings
/// take, with and without them.
struct Aging {
    private let database: PostgresConfiguration
    private let cache: RedisRetailCache
    private let logger = Logger(label: "aging") { _ in SwiftLogNoOpLogHandler() }
    private static let users = 20_000

    /// A bench in an empty database and Redis.
    init(postgres: String, redis: String) throws {
        database = try PostgresConfiguration(url: postgres)
        cache = RedisRetailCache(try RedisConfiguration(url: redis), prefix: "aging", logger: logger)
    }

    /// Prints both figures: the second from three interleaved rounds of `seconds`, the median of each.
    func run(seconds: Int) async throws {
        let store = PostgresStore(database)
        try await store.migrate()
        let (plain, cached) = (Sessions(store: store), Sessions(store: store, retailCache: cache))
        let (retail, seed) = (try plain.retail, RetailSeed(1, locale: .ko))
        for start in stride(from: 0, to: Self.users, by: 1000) {
            _ = try await retail.createUsers((start..<start + 1000).map { seed.user($0) })
        }
        for start in stride(from: 0, to: Self.users / 10, by: 1000) {
            _ = try await retail.createProducts((start..<start + 1000).map { seed.product($0) })
        }
        _ = try await CacheWorker(sessions: cached, logger: logger).cycle()
        try await latencies(for: .seconds(seconds), RetailReader(sessions: plain), RetailReader(sessions: cached))
        store.close()
        try await transactions()
        cache.close()
    }

    /// How long readings take, by a single caller and by 64.
    private func latencies(for duration: Duration, _ plain: RetailReader, _ cached: RetailReader) async throws {
        let readings: [(String, @Sendable (RetailReader, inout SplitMix) async throws -> Bool)] = [
            ("a random user", { reader, _ in try await reader.randomUser() != nil }),
            (
                "a user by id, of 100",
                { reader, random in
                    try await reader.user(RetailSeed(1, locale: .ko).user(Int(random.next() % 100)).id) != nil
                }
            ),
            (
                "100 users, 100 products",
                { reader, _ in try await reader.sample(users: 100, products: 100).users.count == 100 }
            ),
        ]
        print(Self.row("p50 and p99 in ms", "callers", "database", "", "cache", "", "ratio"))
        for (what, read) in readings {
            for callers in [1, 64] {
                var rounds: [[Double]] = []
                for _ in 0..<3 {
                    var times: [Double] = []
                    for reader in [plain, cached] {
                        let taken = try await BenchLoad.latencies(for: duration, callers: callers) { _, random in
                            guard try await read(reader, &random) else {
                                throw SojournError(.invalidInput, "There is no row: \(what).")
                            }
                        }
                        times += [taken.percentile(50), taken.percentile(99)]
                    }
                    rounds.append(times + [times[0] / times[2]])
                }
                let medians = (0..<5).map { column in rounds.map { $0[column] }.sorted()[1] }
                print(Self.row(what, "\(callers)", medians.map { String(format: "%.3f", $0) }))
            }
        }
    }

    /// Ten minutes in which a random user is read each second, and every 50 s a cycle is run, as fast as it goes.
    private func transactions() async throws {
        // What the sessions before have done is counted within ten seconds after they have nothing more to do.
        try await Task.sleep(for: .seconds(12))
        var counts: [Double] = []
        for cache in [nil, cache] {
            let before = try await committed()
            let store = PostgresStore(database)
            let sessions = Sessions(store: store, retailCache: cache)
            let reader = try RetailReader(sessions: sessions)
            let worker = try cache.map { _ in try CacheWorker(sessions: sessions, logger: logger) }
            for second in 0..<600 {
                if second % 50 == 0 { _ = try await worker?.cycle() }
                _ = try await reader.randomUser()
            }
            store.close()
            try await Task.sleep(for: .seconds(2))
            counts.append(Double(try await committed() - before) / 10)
        }
        let texts = counts.map { String(format: "%.1f", $0) }
        print(
            Self.row(
                "transactions a minute", "1",
                [texts[0], "", texts[1], "", String(format: "%.1f", counts[0] / counts[1])]))
    }

    private static func row(_ what: String, _ callers: String, _ cells: [String]) -> String {
        what.padding(toLength: 25, withPad: " ", startingAt: 0)
            + ([callers] + cells).map { String(repeating: " ", count: max(1, 10 - $0.count)) + $0 }.joined()
    }

    private static func row(_ what: String, _ callers: String, _ cells: String...) -> String {
        row(what, callers, cells)
    }

    /// Transactions of this database so far.
    private func committed() async throws -> Int {
        // From another database, so that asking is not counted.
        var other = database
        other.database = "template1"
        let client = PostgresClient(other, logger: logger)
        defer { client.close() }
        var name = PostgresArguments()
        name.append(text: database.database)
        let statement = PostgresStatement("SELECT xact_commit FROM pg_stat_database WHERE datname = $1", [.text])
        let rows = try await client.query(PostgresCall(statement, name))
        guard let row = rows.first else { throw SojournError(.invalidInput, "The database is not there.") }
        return try row.int(0)
    }
}
