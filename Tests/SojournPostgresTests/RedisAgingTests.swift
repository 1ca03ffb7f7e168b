// SPDX-License-Identifier: Apache-2.0

import Foundation
import PostgresDriver
import RedisDriver
import Sojourn
import SojournPostgres
import SojournRedis
import Synchronization
import Testing

/// Cycles of the rotation from PostgreSQL to Redis (C3).
@Suite(
    "Users and products take turns in Redis", .onPostgres, .enabled(if: agingRedisURL != nil, "needs Redis as well"),
    .timeLimit(.minutes(20)))
struct RedisAgingTests {
    /// What a test throws where a cycle shall break.
    private struct Broken: Error {}

    @Test("a cycle takes 500 rows never cached and the 500 cached longest ago; the hash says what the table does")
    func contents() async throws {
        try await AgingBench.run(users: 2000, products: 30) { bench in
            let worker = try bench.worker()
            let first = try await bench.cycle(worker)
            #expect(first.users == AgingTaken(new: 1000, old: 0) && first.products == AgingTaken(new: 30, old: 0))
            #expect(try await bench.rotation(.products).count == 30)
            let second = try await bench.cycle(worker)
            #expect(second.users == AgingTaken(new: 500, old: 500) && second.products == AgingTaken(new: 0, old: 30))
            let rotation = try await bench.rotation()
            #expect(rotation.count == 1000)
            for user in try await bench.retail.users(PageRequest(limit: 500)).items {
                // Users are numbered as they arrived: 0…499 were cached longest ago.
                #expect(rotation[user.id.text] == user.json && user.lastCachedAt == second.stamp)
            }
            #expect(rotation.keys.allSatisfy { $0 < "user-000500" || ("user-001000"..<"user-001500").contains($0) })
            let (status, cyclesMax) = try await worker.status()
            #expect(status.cycles == 2 && status.users.neverCached == 500 && status.users.cached == 1500)
            #expect(cyclesMax == 3 && status.users.longestWait != nil && status.products.longestWait == nil)
            let life = try await bench.redis.send(RedisCommand("PTTL", key: bench.served(.users))).int()
            #expect(life > 0 && life <= 1_000_000)
            #expect(try await bench.keys().filter { $0.contains(":next:") }.isEmpty)
        }
    }

    @Test("stubs are not cached, and arrive when they are completed; created_at and ids put nobody in front")
    func arrivals() async throws {
        try await AgingBench.run { bench in
            let sessions = Sessions(store: bench.store)
            var draft = SessionDraft()
            draft.userID = UserID(stored: "a-stub")
            _ = try await sessions.create(draft)
            _ = try await bench.retail.createUser(RetailUserDraft(id: UserID(stored: "z-first"), name: "Z"))
            var old = RetailUserDraft(id: UserID(stored: "b-later"), name: "B")
            old.createdAt = Timestamp(seconds: 0)
            _ = try await bench.retail.createUser(old)
            let worker = try bench.worker(new: 1, old: 1)
            #expect(try await worker.status().status.users.neverCached == 2)
            _ = try await bench.retail.createUser(RetailUserDraft(id: UserID(stored: "a-stub"), name: "A"))
            var seen: [Set<String>] = []
            for _ in 0..<3 {
                try await bench.cycle(worker)
                seen.append(Set(try await bench.rotation().keys))
            }
            #expect(seen == [["z-first", "b-later"], ["a-stub", "z-first"], ["b-later", "z-first"]])
        }
    }

    @Test("on the tables, too, every row is taken within the bound, whatever arrives and is deleted meanwhile")
    func boundOnTables() async throws {
        try await AgingBench.run(users: 90) { bench in
            let shares = AgingShares(new: 7, old: 5)
            let worker = try bench.worker(new: shares.new, old: shares.old)
            var next = 90
            for _ in 0..<3 {
                let status = try await worker.status().status
                let last = try await bench.number("SELECT max(arrival) FROM sojourn.users")
                let stamp =
                    try await bench.database.run("SELECT stamp FROM sojourn.aging")[0].optionalMicroseconds(0) ?? 0
                for _ in 0..<status.cyclesMax(shares) {
                    try await bench.add(users: next..<next + 9)
                    next += 9
                    try await bench.database.run(
                        "DELETE FROM sojourn.users WHERE user_id = (SELECT user_id FROM sojourn.users ORDER BY random() LIMIT 1)"
                    )
                    try await bench.cycle(worker)
                }
                let starved = try await bench.number(
                    """
                    SELECT count(*) FROM sojourn.users
                    WHERE arrival <= \(last)
                        AND (last_cached_at IS NULL
                            OR last_cached_at <= timestamptz 'epoch' + \(stamp) * interval '1 microsecond')
                    """)
                #expect(starved == 0)
            }
        }
    }

    @Test("of two workers that find a cycle due one runs it; a third that comes later finds it done")
    func onceOverAll() async throws {
        try await AgingBench.run(users: 3000) { bench in
            let (begun, goOn) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
            let slow = MeddlingCache(base: bench.cache) {
                begun.continuation.yield()
                for await _ in goOn.stream { break }
            }
            let running = Task { try await bench.worker(cache: slow).cycle() }
            for await _ in begun.stream { break }
            #expect(try await bench.worker().cycle() == .busy)
            goOn.continuation.yield()
            guard case .done = try await running.value else { throw Broken() }
            let order = AgingOrder(interval: .seconds(3600))
            guard case .notDue(let rest) = try await bench.store.age(order, into: bench.cache) else { throw Broken() }
            #expect(rest > .zero && rest <= .seconds(3600))
            #expect(try await bench.stamped() == 1000)
            #expect(try await bench.number("SELECT cycle FROM sojourn.aging") == 1)
        }
    }

    @Test("services share the cycles: together they run no more than are due")
    func services() async throws {
        try await AgingBench.run(users: 50) { bench in
            let workers = try (0..<3).map { _ in try bench.worker(new: 5, old: 5, interval: .seconds(3600)) }
            let running = workers.map { worker in Task { try await worker.run() } }
            while try await bench.number("SELECT cycle FROM sojourn.aging") == 0 { await Task.yield() }
            for task in running { task.cancel() }
            for task in running { try await task.value }
            #expect(try await bench.number("SELECT cycle FROM sojourn.aging") == 1)
            #expect(try await bench.rotation().count == 10)
        }
    }

    @Test("a service whose cache fails tries again until it does not, and then goes on at its pace")
    func failsAndGoesOn() async throws {
        try await AgingBench.run(users: 30) { bench in
            let attempts = Atomic(0)
            let failing = MeddlingCache(base: bench.cache) {
                if attempts.add(1, ordering: .relaxed).newValue < 4 { throw Broken() }
            }
            let worker = try bench.worker(new: 5, old: 5, interval: .seconds(3600), cache: failing)
            let running = Task { try await worker.run() }
            while try await bench.number("SELECT cycle FROM sojourn.aging") == 0 { await Task.yield() }
            running.cancel()
            try await running.value
            #expect(attempts.load(ordering: .relaxed) == 4)
            #expect(try await bench.stamped() == 10)
        }
    }

    @Test("a cycle that breaks before it published leaves what was served, and the same rows come next")
    func breaksBefore() async throws {
        try await AgingBench.run(users: 3000) { bench in
            try await bench.cycle(try bench.worker())
            let before = try await bench.rotation()
            let broken = MeddlingCache(base: bench.cache) { throw Broken() }
            await #expect(throws: (any Error).self) { try await bench.worker(cache: broken).cycle() }
            #expect(try await bench.rotation() == before)
            #expect(try await bench.stamped() == 1000)
            for key in try await bench.keys() {
                #expect(try await bench.redis.send(RedisCommand("PTTL", key: key)).int() > 0, "\(key)")
            }
            let next = try await bench.cycle(try bench.worker())
            #expect(next.number == 2 && next.users == AgingTaken(new: 500, old: 500))
        }
    }

    @Test("a worker that dies between publishing and commit stamps nothing: the rows it published come next")
    func diesBetween() async throws {
        try await AgingBench.run(users: 3000) { bench in
            try await bench.cycle(try bench.worker())
            let dying = MeddlingCache(
                base: bench.cache,
                published: {
                    let killed = try await bench.number(
                        """
                        WITH victims AS MATERIALIZED (
                            SELECT pid FROM pg_stat_activity
                            WHERE datname = current_database() AND state = 'idle in transaction')
                        SELECT count(*) FROM victims WHERE pg_terminate_backend(pid, 10000)
                        """)
                    #expect(killed == 1)
                })
            await #expect(throws: SojournError.self) { try await bench.worker(cache: dying).cycle() }
            #expect(try await bench.stamped() == 1000)
            let published = try await bench.rotation()
            try await bench.cycle(try bench.worker())
            let next = try await bench.rotation()
            #expect(published.count == 1000 && Set(next.keys) == Set(published.keys))
            #expect(try await bench.stamped() == 1500)
        }
    }

    @Test("who was thought dead cannot publish once another has begun, nor a hash that lost rows")
    func fencing() async throws {
        try await AgingBench.run(users: 1200) { bench in
            let rows = AgingRows(users: try await bench.store.randomUsers(700))
            let distinct = Array(Dictionary(rows.users.map { ($0.id, $0) }, uniquingKeysWith: { $1 }).values)
            let late = try await bench.cache.prepare(AgingRows(users: distinct), life: .seconds(60))
            try await bench.cycle(try bench.worker())
            let served = try await bench.rotation()
            await #expect(throws: SojournError.self) { try await bench.cache.publish(late) }
            #expect(try await bench.rotation() == served)
            let lossy = try await bench.cache.prepare(AgingRows(users: distinct), life: .seconds(60))
            let next = bench.served(.users) + ":next:" + lossy.id
            _ = try await bench.redis.send(RedisCommand("HDEL", key: next, [RedisArgument(distinct[0].id.text)]))
            await #expect(throws: SojournError.self) { try await bench.cache.publish(lossy) }
            #expect(try await bench.rotation() == served)
        }
    }

    @Test(
        "a row that somebody has locked is cached and waits for nobody; rows deleted and changed meanwhile do no harm")
    func locked() async throws {
        try await AgingBench.run(users: 10) { bench in
            let meddling = MeddlingCache(base: bench.cache) {
                _ = try await bench.sessions.erase(UserID(stored: "user-000001"))
                var patch = RetailUserPatch()
                patch.age = .set(99)
                _ = try await bench.retail.updateUser(UserID(stored: "user-000002"), patch)
            }
            let worker = try bench.worker(new: 5, old: 5, cache: meddling)
            try await bench.database.client.withTransaction { transaction in
                _ = try await transaction.run(
                    PostgresCall(once: "SELECT 1 FROM sojourn.users WHERE user_id = 'user-000000' FOR UPDATE"))
                try await bench.cycle(worker)
            }
            let rotation = try await bench.rotation()
            #expect(rotation.count == 10 && rotation["user-000000"] != nil)
            #expect(try await bench.stamped() == 8)
            try await bench.cycle(try bench.worker(new: 5, old: 5))
            let next = try await bench.rotation()
            #expect(next.count == 9 && next["user-000001"] == nil)
            #expect(next["user-000002"] == (try await bench.retail.user(UserID(stored: "user-000002")))?.json)
            #expect(try await bench.stamped() == 9)
        }
    }

    @Test("stamps go forward though the clock is set back, and a cycle is due then")
    func clockSetBack() async throws {
        try await AgingBench.run(users: 20) { bench in
            let first = try await bench.cycle(try bench.worker(new: 2, old: 2))
            try await bench.database.run(
                "UPDATE sojourn.aging SET began_at = began_at + interval '1 day', stamp = stamp + interval '1 day'")
            let order = AgingOrder(shares: AgingShares(new: 2, old: 2), interval: .seconds(50))
            guard case .done(let second) = try await bench.store.age(order, into: bench.cache) else { throw Broken() }
            #expect(second.stamp > first.stamp + .seconds(86_000))
            let third = try await bench.cycle(try bench.worker(new: 2, old: 2))
            #expect(third.stamp > second.stamp)
        }
    }

    @Test("what was cached is forgotten: every row waits again, in the order of arrival, and the hashes are gone")
    func reset() async throws {
        try await AgingBench.run(users: 2500, products: 3) { bench in
            let worker = try bench.worker()
            for _ in 0..<3 { try await bench.cycle(worker) }
            _ = try await bench.reader.user(UserID(stored: "user-000001"))
            #expect(try await worker.reset() == 2003)
            #expect(try await bench.keys().isEmpty)
            #expect(try await worker.status().status.users.neverCached == 2500)
            #expect(try await worker.status().status.lastCycleAge == nil)
            try await bench.cycle(worker)
            #expect(try await bench.rotation().keys.max() == "user-000999")
        }
    }

    @Test("no row counts as cached that is not, where a worker wakes up while all is forgotten")
    func resetMeetsWorker() async throws {
        try await AgingBench.run(users: 30) { bench in
            try await bench.cycle(try bench.worker(new: 5, old: 5))
            let meddling = MeddlingCache(
                base: bench.cache, dropping: { try await bench.cycle(try bench.worker(new: 5)) })
            _ = try await bench.worker(cache: meddling).reset()
            #expect(try await bench.stamped() == 0)
            #expect(try await bench.rotation().isEmpty)
        }
    }

    @Test("where there are no rows any more nothing is served")
    func empty() async throws {
        try await AgingBench.run(users: 3) { bench in
            let worker = try bench.worker()
            try await bench.cycle(worker)
            #expect(try await bench.rotation().count == 3)
            try await bench.database.run("DELETE FROM sojourn.users")
            #expect(try await bench.cycle(worker).users.total == 0)
            #expect(try await bench.rotation().isEmpty)
            #expect(try await bench.reader.randomUser() == nil)
        }
    }
}
