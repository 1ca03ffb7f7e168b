// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournPostgres
import Testing

@Suite("Locks of partitions", .onPostgres, .timeLimit(.minutes(5)))
struct PartitionLockTests {
    /// A month ready for a step, which is `2026-12` for one that is made and `2026-08` else.
    private func prepare(_ months: Months, for verb: String) async throws -> PartitionStep {
        _ = try await months.turn(in: "2026-08")
        if ["attach", "empty", "drop"].contains(verb) { try await months.apply(try months.keeper(keep: 2)) }
        if verb == "finish" {
            try await months.database.client.withTransaction(patience: .seconds(60)) { reader in
                _ = try await reader.run(PostgresCall(once: "SELECT count(*) FROM sojourn.conversations"))
                #expect(try await months.store.perform(try months.step("detach", "2026-08")) == .busy)
            }
        }
        return try months.step(verb, verb == "create" ? "2026-12" : "2026-08")
    }

    /// The functions behind a step, as far as they run in a transaction.
    private func functions(of verb: String) -> [String] {
        switch verb {
        case "create", "attach": ["add_month"]
        case "detach": ["secure_month", "check_month"]
        case "finish": ["finish_detach"]
        default: ["\(verb)_month"]
        }
    }

    @Test(
        "each step takes the locks that it tells of, and no stronger ones",
        arguments: ["create", "attach", "detach", "finish", "empty", "drop"])
    func told(_ verb: String) async throws {
        let months = try await Months()
        defer { months.store.close() }
        let step = try await prepare(months, for: verb)
        let table = step.month.table
        let taken = try await months.database.client.withTransaction(patience: .seconds(60)) { transaction in
            // A dropped table has no name any more: its number is noted before.
            let old = try await transaction.run(
                PostgresCall(once: "SELECT coalesce(to_regclass('sojourn.\(table)')::oid::bigint, 0)"))
            for function in functions(of: verb) {
                let done = try await transaction.run(
                    PostgresCall(once: "SELECT sojourn.\(function)('\(step.month)-01')"))
                #expect(try done.first?.bool(0) == true)
            }
            return try await transaction.run(
                PostgresCall(
                    once: """
                        SELECT CASE WHEN l.relation = \(try #require(old.first).int(0)) THEN '\(table)' ELSE c.relname END, l.mode
                        FROM pg_locks AS l
                        LEFT JOIN pg_class AS c ON c.oid = l.relation
                        WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'
                            AND (c.relnamespace = 'sojourn'::regnamespace AND c.relkind IN ('r', 'p')
                                OR l.relation = \(try #require(old.first).int(0)))
                        """)
            ).map { (table: try $0.text(0), mode: try $0.text(1)) }
        }
        // The strongest lock per table; what conflicts with no ordinary work is not told.
        let modes = ["ShareUpdateExclusiveLock", "ShareRowExclusiveLock", "AccessExclusiveLock"]
        var strongest: [String: Int] = [:]
        for lock in taken {
            guard let mode = modes.firstIndex(of: lock.mode) else { continue }
            strongest[lock.table] = max(mode, strongest[lock.table] ?? 0)
        }
        let expected = step.locks.map { ($0.table, PartitionLock.Mode.allCases.firstIndex(of: $0.mode) ?? 0) }
        if verb == "detach" {
            // Its second half is that of `finish`.
            #expect(strongest == ["session_master": 1, table: 1])
        } else {
            #expect(strongest == Dictionary(uniqueKeysWithValues: expected))
        }
    }

    @Test(
        "a step that meets a writer gives up; while it waits, turns are read, pages unless it locks sessions against readers",
        arguments: ["create", "attach", "detach", "drop"])
    func waiting(_ verb: String) async throws {
        let months = try await Months()
        defer { months.store.close() }
        let step = try await prepare(months, for: verb)
        let reader = try await months.turn(in: "2026-11")
        try await withThrowingTaskGroup(of: PartitionOutcome?.self) { group in
            try await months.database.client.withTransaction(patience: .seconds(60)) { writer in
                _ = try await writer.run(
                    PostgresCall(once: "UPDATE sojourn.session_master SET request_count = request_count + 1"))
                // Whoever reads a page meanwhile comes through when the step gives up, if not before.
                async let page: Void = months.page(of: reader)
                #expect(try await months.store.perform(step) == .busy)
                try await page
                // Let it wait for as long as this takes.
                let function = functions(of: verb)[0]
                try await months.database.run("ALTER FUNCTION sojourn.\(function)(date) SET lock_timeout = '50s'")
                group.addTask { try await months.store.perform(step) }
                try await months.waits()
                _ = try await months.database.client.send([
                    PostgresCall(once: "SET LOCAL statement_timeout = '20s'"),
                    PostgresCall(once: "SELECT count(*) FROM sojourn.conversations"),
                ])
                if step.locks.contains(PartitionLock("session_master", .accessExclusive)) {
                    group.addTask {
                        try await months.page(of: reader)
                        return nil
                    }
                    try await months.waits(for: 2)
                } else {
                    try await months.page(of: reader)
                    try await months.waits()
                }
            }
            let outcomes = try await group.reduce(into: []) { $0.append($1) }
            #expect(outcomes.compactMap(\.self) == [.done])
        }
    }

    @Test(
        "nobody waits, with a snapshot that a detaching would wait for, until somebody else is done with a month",
        arguments: ["add_month", "secure_month", "finish_detach", "empty_month", "drop_month"])
    func held(_ function: String) async throws {
        let months = try await Months()
        defer { months.store.close() }
        try await months.database.client.withTransaction(patience: .seconds(60)) { holder in
            _ = try await holder.run(PostgresCall(once: "SELECT sojourn.hold_months()"))
            let error = await #expect(throws: PostgresError.self) {
                _ = try await months.database.client.send([
                    PostgresCall(once: "SET LOCAL lock_timeout = '20s'"),
                    PostgresCall(once: "SELECT sojourn.\(function)('2026-11-01')"),
                ])
            }
            #expect(error?.sqlState == "55P03" && error?.message.contains("somebody else changes a month") == true)
        }
    }

    @Test("who leads holds no snapshot: what was left half done is finished meanwhile")
    func leading() async throws {
        let months = try await Months()
        defer { months.store.close() }
        let step = try await prepare(months, for: "finish")
        let isLeading = try await months.store.leadingPartitions {
            let outcome = try await months.store.perform(step)
            #expect(outcome == .done)
        }
        #expect(isLeading)
    }

    @Test("a keeper goes on trying until the writer is done")
    func patience() async throws {
        let months = try await Months()
        defer { months.store.close() }
        let keeper = try months.keeper(attemptsMax: .max)
        try await withThrowingTaskGroup(of: [String].self) { group in
            try await months.database.client.withTransaction(patience: .seconds(60)) { writer in
                _ = try await writer.run(PostgresCall(once: "LOCK TABLE sojourn.session_master IN ROW EXCLUSIVE MODE"))
                group.addTask { try await months.apply(keeper) }
                for _ in 0..<3 { try await months.waits() }
            }
            #expect(try await group.next()?.first == "create 2026-11 done")
        }
    }

    @Test("between its two halves a detaching waits for readers, and holds no lock itself")
    func halves() async throws {
        let months = try await Months()
        defer { months.store.close() }
        _ = try await months.turn(in: "2026-08")
        try await withThrowingTaskGroup(of: Void.self) { group in
            try await months.database.client.withTransaction(patience: .seconds(60)) { reader in
                _ = try await reader.run(PostgresCall(once: "SELECT count(*) FROM sojourn.conversations"))
                group.addTask {
                    _ = try await months.database.client.runAlone(
                        PostgresCall(
                            once: """
                                ALTER TABLE sojourn.conversations
                                DETACH PARTITION sojourn.conversations_2026_08 CONCURRENTLY
                                """), patience: .seconds(60))
                }
                let waiting = """
                    SELECT count(l.relation) FROM pg_stat_activity AS a
                    LEFT JOIN pg_locks AS l ON l.pid = a.pid AND l.locktype = 'relation'
                    WHERE a.datname = current_database() AND a.wait_event = 'virtualxid'
                    HAVING count(*) > 0
                    """
                var held: Int?
                while held == nil { held = try await months.database.run(waiting).first?.int(0) }
                #expect(held == 0)
                #expect(try await months.count("conversations") == 0)
            }
            try await group.waitForAll()
        }
        #expect(try await months.all.first == "2026-08 kept")
    }
}
