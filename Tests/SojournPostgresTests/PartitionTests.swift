// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournPostgres
import Testing

@Suite("Partitions", .onPostgres, .timeLimit(.minutes(5)))
struct PartitionTests {
    @Test("months ahead are made over the turn of the year, once, and gaps are filled")
    func ahead() async throws {
        let months = try await Months()
        defer { months.store.close() }
        #expect(try await months.store.partitions().ahead == .zero)
        let keeper = try months.keeper()
        let made = ["2026-11", "2026-12", "2027-01", "2027-02"]
        #expect(try await months.apply(keeper) == made.map { "create \($0) done" })
        #expect(try await months.apply(keeper) == [])
        #expect(try await months.all == made.map { "\($0) attached" })
        let status = try await months.store.partitions()
        #expect(status.reach.text == "2027-03-01T00:00:00.000Z" && !status.isShort)
        #expect(status.partitions[1].span == PartitionMonth("2026-12")?.span)
        #expect(status.partitions.allSatisfy { $0.rows == nil && $0.bytes > 0 })
        try await months.database.run("DROP TABLE sojourn.conversations_2026_12")
        #expect(try await months.apply(keeper) == ["create 2026-12 done"])
        #expect(try await months.store.perform(try months.step("create", "2026-12")) == .unneeded)
    }

    @Test("the bounds are read whatever the session's time zone")
    func timeZone() async throws {
        let months = try await Months()
        defer { months.store.close() }
        try await months.apply(try months.keeper())
        try await months.database.run("ALTER DATABASE \(months.database.name) SET timezone = 'Asia/Seoul'")
        let later = try months.database.store()
        defer { later.close() }
        #expect(try await later.partitions().partitions[0].span == PartitionMonth("2026-11")?.span)
    }

    @Test("a month that retires is kept with its turns, which still go with their session, and comes back")
    func keeping() async throws {
        let months = try await Months()
        defer { months.store.close() }
        let first = try await months.turn(in: "2026-08")
        _ = try await months.turn(in: "2026-08")
        let keeper = try months.keeper(keep: 2)
        #expect(try await months.apply(keeper).last == "detach 2026-08 done")
        #expect(try await months.all.first == "2026-08 kept")
        #expect(try await months.count("conversations") == 0)
        try await months.database.run("DELETE FROM sojourn.session_master WHERE session_id = '\(first)'")
        #expect(try await months.count("conversations_2026_08") == 1)
        let orphans = try await months.store.integrity().findings.filter { $0.check.hasPrefix("orphans") }
        #expect(orphans.allSatisfy { $0.isGood })
        // The whole once, and what is kept once: attached months are counted with the whole.
        #expect(
            orphans.map(\.check).filter { $0.contains("conversations") } == [
                "orphans in sojourn.conversations.session_id", "orphans in sojourn.conversations_2026_08.session_id",
            ])
        #expect(try await months.apply(keeper) == [])
        // And back and forth again.
        for _ in 0..<2 {
            #expect(try await months.store.perform(try months.step("attach", "2026-08")) == .done)
            #expect(try await months.count("conversations") == 1)
            #expect(try await months.apply(keeper) == ["detach 2026-08 done"])
        }
    }

    @Test("a month that retires is dropped where the policy says so, and so is what was kept before")
    func dropping() async throws {
        let months = try await Months()
        defer { months.store.close() }
        _ = try await months.turn(in: "2026-07")
        _ = try await months.turn(in: "2026-08")
        try await months.apply(try months.keeper(keep: 3))
        #expect(try await months.all.first == "2026-07 kept")
        let told = try await months.apply(try months.keeper(keep: 2, .drop))
        #expect(
            told == [
                "empty 2026-07 done", "drop 2026-07 done", "detach 2026-08 done", "empty 2026-08 done",
                "drop 2026-08 done",
            ])
        #expect(try await months.all.first == "2026-11 attached")
        #expect(try await months.store.perform(try months.step("drop", "2026-08")) == .unneeded)
    }

    @Test("what is attached is neither emptied nor dropped")
    func attachedIsSafe() async throws {
        let months = try await Months()
        defer { months.store.close() }
        _ = try await months.turn(in: "2026-08")
        #expect(try await months.store.perform(try months.step("empty", "2026-08")) == .unneeded)
        #expect(try await months.store.perform(try months.step("drop", "2026-08")) == .unneeded)
        #expect(try await months.store.perform(try months.step("finish", "2026-08")) == .unneeded)
        #expect(try await months.count("conversations") == 1)
    }

    @Test("what a detaching left half done is finished, and no turn is orphaned meanwhile")
    func halfDone() async throws {
        let months = try await Months()
        defer { months.store.close() }
        let session = try await months.turn(in: "2026-08")
        let detach = try months.step("detach", "2026-08")
        try await months.database.client.withTransaction(patience: .seconds(60)) { reader in
            _ = try await reader.run(PostgresCall(once: "SELECT count(*) FROM sojourn.conversations"))
            #expect(try await months.store.perform(detach) == .busy)
            #expect(try await months.all.first == "2026-08 detaching")
            let plan = PartitionPlan(for: try await months.store.partitions(), policy: PartitionPolicy())
            #expect(plan.steps.first == .finish(detach.month))
            try await months.database.run("DELETE FROM sojourn.session_master WHERE session_id = '\(session)'")
            #expect(try await months.count("conversations_2026_08") == 0)
            // A turn of that month waits for its end.
            #expect(try await months.store.perform(.attach(detach.month)) == .busy)
        }
        #expect(try await months.store.perform(detach) == .done)
        #expect(try await months.all.first == "2026-08 kept")
        #expect(try await months.store.perform(detach) == .unneeded)
    }

    @Test("two nodes at the same months both end well, and one leads")
    func twoNodes() async throws {
        let months = try await Months()
        let other = Months(months.database, try months.database.store())
        defer {
            months.store.close()
            other.store.close()
        }
        for month in ["2026-05", "2026-06", "2026-07"] { _ = try await months.turn(in: month) }
        let keepers = [try months.keeper(keep: 2, .drop), try other.keeper(keep: 2, .drop)]
        let told = try await withThrowingTaskGroup(of: [String].self) { group in
            for keeper in keepers { group.addTask { try await months.apply(keeper) } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(!told.contains { $0.hasSuffix("failed") }, "\(told)")
        #expect(try await months.all == ["2026-11", "2026-12", "2027-01", "2027-02"].map { "\($0) attached" })
        let led = try await months.store.leadingPartitions {
            let both = try await other.store.leadingPartitions {}
            #expect(!both)
            // Whoever leads is in nobody's way.
            let outcome = try await other.store.perform(try months.step("create", "2027-03"))
            #expect(outcome == .done)
        }
        #expect(led)
        #expect(try await other.store.leadingPartitions {})
    }

    @Test("at the turn of the month the next one is made, and too little room is told")
    func turnOfMonth() async throws {
        let months = try await Months(at: "2026-11-30 23:59:59.999999+00")
        defer { months.store.close() }
        let keeper = try months.keeper()
        try await months.apply(keeper)
        try await months.set("2026-12-01 00:00:00+00")
        #expect(try await months.apply(keeper) == ["create 2027-03 done"])
        func finding() async throws -> IntegrityReport.Finding? {
            try await months.store.integrity().findings.first { $0.check == "months ahead" }
        }
        #expect(try await finding()?.isGood == true)
        try await months.set("2027-03-26 00:00:00+00")
        #expect(try await finding()?.isGood == false)
        #expect(try await finding()?.detail.contains("missing from 2027-04 on") == true)
    }

    @Test("the view of the last week follows every five minutes, and the search index every minute")
    func chores() async throws {
        let months = try await Months()
        defer { months.store.close() }
        try await months.apply(try months.keeper())
        func write() async throws {
            try await months.database.run(
                """
                WITH s AS (SELECT sojourn.start_session() AS id)
                INSERT INTO sojourn.conversations (session_id, input_text) SELECT id, 'hello there' FROM s
                """)
        }
        func unsorted() async throws -> Int {
            let rows = try await months.database.run(
                "SELECT gin_clean_pending_list('sojourn.conversations_2026_11_turn_text_idx')")
            return try #require(rows.first).int(0)
        }
        try await write()
        try await months.store.tidyPartitions()
        #expect(try await months.count("recent_conversations") == 1)
        #expect(try await unsorted() == 0)
        try await write()
        try await months.store.tidyPartitions()
        #expect(try await months.count("recent_conversations") == 1)
        #expect(try await unsorted() > 0)
        try await months.set("2026-11-21 12:05:00+00")
        try await write()
        try await months.store.tidyPartitions()
        #expect(try await months.count("recent_conversations") == 3)
        #expect(try await unsorted() == 0)
        try await months.database.run("REFRESH MATERIALIZED VIEW sojourn.recent_conversations WITH NO DATA")
        try await months.set("2026-11-21 12:00:00+00")
        try await months.store.tidyPartitions()
        #expect(try await months.count("recent_conversations") == 3)
    }

    @Test("a chore that fails is named, and the other one is done; one that meets an ANALYZE waits for it")
    func choreInTheWay() async throws {
        let months = try await Months()
        defer { months.store.close() }
        _ = try await months.turn(in: "2026-11")
        let analysis = PostgresCall(once: "ANALYZE sojourn.recent_conversations")
        try await withThrowingTaskGroup(of: Void.self) { group in
            try await months.database.client.withTransaction(patience: .seconds(60)) { analyzing in
                _ = try await analyzing.run(analysis)
                group.addTask { try await months.store.tidyPartitions() }
                try await months.waits()
            }
            try await group.waitForAll()
        }
        try await months.set("2026-11-21 12:05:00+00")
        try await months.database.run(
            "ALTER FUNCTION sojourn.refresh_recent_conversations() SET lock_timeout = '50ms'")
        try await months.database.client.withTransaction(patience: .seconds(60)) { analyzing in
            _ = try await analyzing.run(analysis)
            let error = await #expect(throws: SojournError.self) { try await months.store.tidyPartitions() }
            #expect(error?.code == .storeUnavailable && error?.message.contains("recent_conversations") == true)
        }
        let due = try await months.database.run("SELECT chore FROM sojourn.chores WHERE done_at < sojourn.clock()")
        #expect(try due.map { try $0.text(0) } == ["refresh recent_conversations"])
    }

    @Test("the months are shown while one of them is dropped")
    func beingDropped() async throws {
        let months = try await Months()
        defer { months.store.close() }
        _ = try await months.turn(in: "2026-08")
        try await withThrowingTaskGroup(of: [String].self) { group in
            try await months.database.client.withTransaction(patience: .seconds(60)) { dropping in
                _ = try await dropping.run(PostgresCall(once: "DROP TABLE sojourn.conversations_2026_08"))
                group.addTask { try await months.all }
                try await months.waits()
            }
            #expect(try await group.next() == [])
        }
    }

    @Test("a month belongs to the owner of the tables, also where a member of that role makes it")
    func owner() async throws {
        let months = try await Months()
        defer { months.store.close() }
        let member = "member_\(months.database.name)"
        try await months.database.run("CREATE ROLE \(member) IN ROLE CURRENT_USER")
        try await months.database.client.withTransaction { transaction in
            transaction.enqueue(PostgresCall(once: "SET LOCAL ROLE \(member)"))
            _ = try await transaction.run(PostgresCall(once: "SELECT sojourn.add_month('2026-08-01')"))
        }
        let owners = try await months.database.run(
            "SELECT DISTINCT tableowner::text FROM pg_tables WHERE tablename LIKE 'conversations%'")
        #expect(owners.count == 1)
    }

    @Test("through a transaction pooler months are made; detaching needs the way around it, and says so")
    func pooled() async throws {
        let months = try await Months(pooled: true)
        defer { months.store.close() }
        _ = try await months.turn(in: "2026-08")
        let detach = try months.step("detach", "2026-08")
        let error = await #expect(throws: SojournError.self) { try await months.store.perform(detach) }
        #expect(error?.message.contains("SOJOURN_PG_DIRECT_URL") == true)
        let name = months.database.name
        let around = PostgresStore(
            try TestServer.configuration(name, pooled: true), direct: try TestServer.configuration(name),
            logger: TestServer.logger)
        defer { around.close() }
        #expect(try await around.perform(detach) == .done)
    }
}
