// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import RedisDriver
import Sojourn
import SojournPostgres
import SojournRedis
import Testing

/// What the cache is worth (C5): transactions of the database a minute, and how long readings take, with and without it. One
/// read a second and a cycle every 50 s, run as fast as they go.
struct AgingFigures {
    private let bench: AgingBench
    private static let minutes = 10

    init(_ bench: AgingBench) {
        self.bench = bench
    }

    func print() async throws {
        // What the sessions before have done is counted within ten seconds after they have nothing more to do.
        try await Task.sleep(for: .seconds(12))
        let without = try await transactions { sessions in
            let reader = try RetailReader(sessions: sessions, logger: TestServer.logger)
            for _ in 0..<Self.minutes * 60 { _ = try await reader.randomUser() }
        }
        let with = try await transactions(cached: true) { sessions in
            let reader = try RetailReader(sessions: sessions, logger: TestServer.logger)
            let worker = try CacheWorker(sessions: sessions, logger: TestServer.logger)
            for second in 0..<Self.minutes * 60 {
                if second % 50 == 0 { try await bench.cycle(worker) }
                _ = try await reader.randomUser()
            }
        }
        Swift.print("aging: transactions a minute: \(without) without the cache, \(with) with it")
        #if DEBUG
        Swift.print("aging: a debug build, whose own work is most of what readings take here:")
        #endif
        let plain = try RetailReader(sessions: Sessions(store: bench.store), logger: TestServer.logger)
        for (what, read) in [
            ("a random user", { (reader: RetailReader) in try await reader.randomUser() != nil }),
            ("a user by id", { (reader: RetailReader) in try await reader.user(UserID(stored: "user-001999")) != nil }),
            (
                "100 users and products",
                { (reader: RetailReader) in try await reader.sample(users: 100, products: 100).users.count == 100 }
            ),
        ] {
            for (name, reader) in [("database", plain), ("cache", bench.reader)] {
                var times: [Duration] = []
                for _ in 0..<2000 {
                    let began = ContinuousClock.now
                    #expect(try await read(reader))
                    times.append(began.duration(to: .now))
                }
                times.sort()
                Swift.print("aging: \(what) from the \(name): p50 \(times[1000]), p99 \(times[1980])")
            }
        }
    }

    /// How many transactions of this database a minute's work takes.
    private func transactions(
        cached: Bool = false, _ body: (Sessions) async throws -> Void
    ) async throws -> Double {
        let before = try await committed()
        let store = try bench.database.store()
        try await body(Sessions(store: store, retailCache: cached ? bench.cache : nil))
        store.close()
        // A session that is over has told what it did.
        try await Task.sleep(for: .seconds(2))
        return Double(try await committed() - before) / Double(Self.minutes)
    }

    private func committed() async throws -> Int {
        // From another database, so that asking is not counted.
        let client = PostgresClient(try TestServer.configuration("postgres"), logger: TestServer.logger)
        defer { client.close() }
        let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = '\(bench.database.name)'"
        return try #require(try await client.query(PostgresCall(once: sql)).first).int(0)
    }
}
