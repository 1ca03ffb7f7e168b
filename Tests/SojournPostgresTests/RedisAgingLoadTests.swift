// SPDX-License-Identifier: Apache-2.0

import Foundation
import PostgresDriver
import RedisDriver
import Sojourn
import SojournPostgres
import SojournRedis
import Synchronization
import Testing

/// Two workers run cycles while rows are added, changed and deleted and readers look on (C3). `script/soak aging` runs more
/// of them: `AGING_CYCLES`, `AGING_USERS`.
@Suite(
    "Rows take turns under load", .onPostgres, .enabled(if: agingRedisURL != nil, "needs Redis as well"),
    .timeLimit(.minutes(60)))
struct RedisAgingLoadTests {
    private static func setting(_ name: String, _ standard: Int) -> Int {
        ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? standard
    }

    /// What was done to rows, by when at the latest, by the database's clock.
    private final class Log: Sendable {
        struct Change: Sendable {
            /// The version that it has now; nil where it was deleted.
            let version: Int?
            let by: Timestamp
        }

        let changes = Mutex<[String: Change]>([:])
        let isOver = Atomic(false)
        let reads = Atomic(0)
    }

    @Test(
        "no reader sees fewer than 1,000 rows, rows of two cycles, or one older than its cycle; no row waits too long")
    func holds() async throws {
        let (cycles, users) = (Self.setting("AGING_CYCLES", 10), Self.setting("AGING_USERS", 2000))
        try await AgingBench.run(users: users, products: users / 10) { bench in
            try await bench.cycle(try bench.worker())
            let log = Log()
            try await withThrowingTaskGroup(of: Void.self) { group in
                let workers = try (0..<2).map { _ in try bench.worker(interval: .milliseconds(20)) }
                let running = workers.map { worker in Task { try await worker.run() } }
                for number in 0..<2 { group.addTask { try await change(bench, log, number) } }
                for _ in 0..<2 { group.addTask { try await look(bench, log) } }
                group.addTask { try await watch(bench, log, until: cycles) }
                do {
                    try await group.waitForAll()
                } catch {
                    log.isOver.store(true, ordering: .relaxed)
                    for task in running { task.cancel() }
                    throw error
                }
                for task in running { task.cancel() }
                for task in running { try await task.value }
            }
            let changed = log.changes.withLock { $0.count }
            print("aging: \(cycles) cycles, \(changed) rows changed, \(log.reads.load(ordering: .relaxed)) readings")
        }
    }

    /// Adds, changes and deletes users until all is over.
    private func change(_ bench: AgingBench, _ log: Log, _ worker: Int) async throws {
        var number = 0
        while !log.isOver.load(ordering: .relaxed) {
            number += 1
            let id = "user-\(RedisAgingLoadTests.digits(.random(in: 0..<2000)))"
            var version: Int?
            switch number % 4 {
            case 0:
                let new = RetailUserDraft(id: UserID(stored: "\(worker)-\(number)"), name: "New")
                _ = try await bench.retail.createUser(new)
                continue
            case 1 where number % 20 == 1:
                _ = try await bench.sessions.erase(UserID(stored: id))
            default:
                var patch = RetailUserPatch()
                patch.age = .set(.random(in: 0...150))
                guard let row = try await bench.retail.updateUser(UserID(stored: id), patch) else { continue }
                version = row.version
            }
            let by = try await bench.database.run("SELECT sojourn.clock()")[0].microseconds(0)
            let change = Log.Change(version: version, by: Timestamp(microseconds: by))
            log.changes.withLock { changes in
                // Of two who change a row, what the later version says stays; a deletion is the last word.
                guard let old = changes[id] else { return changes[id] = change }
                guard let new = version, let before = old.version else {
                    return changes[id] = Log.Change(version: nil, by: max(old.by, change.by))
                }
                if new > before { changes[id] = change }
            }
        }
    }

    private static func digits(_ number: Int) -> String {
        String(repeating: "0", count: 6 - "\(number)".count) + "\(number)"
    }

    /// Reads the whole rotation again and again, as whoever speaks Redis would.
    private func look(_ bench: AgingBench, _ log: Log) async throws {
        while !log.isOver.load(ordering: .relaxed) {
            let committed = Timestamp(
                microseconds: try await bench.database.run("SELECT stamp FROM sojourn.aging")[0].microseconds(0))
            let known = log.changes.withLock { $0 }
            let rotation = try await bench.rotation()
            #expect(rotation.count == 1000)
            var stamps: Set<String> = []
            for (id, row) in rotation {
                guard case .object(let members) = row, case .string(let stamp)? = members["last_cached_at"] else {
                    Issue.record("\(id) is no row")
                    continue
                }
                stamps.insert(stamp)
                // Times are cut to milliseconds.
                guard let change = known[id], change.by.text < stamp else { continue }
                let version = members["version"]?.wholeNumber.map { Int($0) } ?? 0
                #expect(change.version.map { version >= $0 } ?? false, "\(id) is older than its cycle")
            }
            #expect(stamps.count == 1 && stamps.allSatisfy { $0 >= committed.text }, "\(stamps)")
            log.reads.add(1, ordering: .relaxed)
        }
    }

    /// Asks for the bound, waits for so many cycles, and looks whether every row that was there was cached; again until
    /// enough cycles were run. One cycle more than the bound, since rows that are being changed when they would be stamped
    /// are cached without, and take a place in the next.
    private func watch(_ bench: AgingBench, _ log: Log, until cycles: Int) async throws {
        defer { log.isOver.store(true, ordering: .relaxed) }
        func cycle() async throws -> Int { try await bench.number("SELECT cycle FROM sojourn.aging") }
        while try await cycle() < cycles {
            let status = try await bench.store.agingStatus()
            let row = try await bench.database.run(
                "SELECT (SELECT max(arrival) FROM sojourn.users), cycle, stamp FROM sojourn.aging")[0]
            let (last, begun, stamp) = (try row.int(0), try row.int(1), try row.microseconds(2))
            let bound = status.cyclesMax(AgingShares())
            while try await cycle() <= begun + bound { try await Task.sleep(for: .milliseconds(5)) }
            let starved = try await bench.number(
                """
                SELECT count(*) FROM sojourn.users
                WHERE arrival <= \(last)
                    AND (last_cached_at IS NULL
                        OR last_cached_at <= timestamptz 'epoch' + \(stamp) * interval '1 microsecond')
                """)
            #expect(starved == 0, "\(starved) rows waited for more than \(bound) cycles")
            print("aging: every row within \(bound) cycles")
        }
    }
}
