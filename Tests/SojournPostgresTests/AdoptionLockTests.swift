// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournPostgres
import Testing

// Indexes and keys, while somebody else adopts the same table or adds partitions to it.
extension AdoptionTests {
    /// A database with `chatbot.conversations` by months, from January to March 2024, and turns of 20 sessions in it.
    private func months() async throws -> ScratchDatabase {
        let database = try await ScratchDatabase()
        try await database.run("CREATE SCHEMA chatbot")
        try await database.run(
            """
            CREATE TABLE chatbot.conversations (session_id uuid, conversation_time timestamptz NOT NULL, user_id text)
            PARTITION BY RANGE (conversation_time)
            """)
        for month in 1...3 { try await add(month, to: database) }
        try await database.run(
            """
            INSERT INTO chatbot.conversations (session_id, conversation_time)
            SELECT md5((n % 20)::text)::uuid, '2024-01-01'::timestamptz + n * interval '1 day'
            FROM generate_series(1, 85) AS n
            """)
        return database
    }

    /// Adds the partition of a month of 2024.
    private func add(_ month: Int, to database: ScratchDatabase) async throws {
        try await database.run(
            """
            CREATE TABLE chatbot.conversations_2024_0\(month) PARTITION OF chatbot.conversations
            FOR VALUES FROM ('2024-0\(month)-01') TO ('2024-0\(month + 1)-01')
            """)
    }

    @Test("of a table by months each gets its key without a long lock, and the parent theirs, for later months too")
    func partitioned() async throws {
        let database = try await months()
        let store = try database.store()
        defer { store.close() }
        let steps = Steps()
        let survey = try await store.survey(Self.order)
        #expect(survey.unindexed.count == 4)
        #expect(try await store.adopt(survey, batch: 7) { steps.note($0) }.made == 20)
        #expect(
            steps.all.suffix(4)
                == (1...3).map { .validating("chatbot.conversations_2024_0\($0)") }
                + [.validating("chatbot.conversations")])
        try await expectAdopted(store)
        // One key each, and those of the months are the parent's.
        #expect(try await int(database, Self.keys) == 4)
        #expect(try await int(database, "\(Self.keys) AND conparentid <> 0") == 3)
        try await add(5, to: database)
        let stray = "INSERT INTO chatbot.conversations VALUES (gen_random_uuid(), '2024-05-02')"
        let error = await #expect(throws: PostgresError.self) { try await database.run(stray) }
        #expect(error?.sqlState == "23503")
        try await expectAdopted(store)
        #expect(try await store.survey(Self.order).isAdopted)
    }

    @Test("two who adopt one table at once share the work, and make one key and one index")
    func twice() async throws {
        let database = try await database(rows: turns(200))
        let store = try database.store()
        defer { store.close() }
        async let one = adopt(store, batch: 3)
        async let other = adopt(store, batch: 3)
        _ = try await (one, other)
        try await expectAdopted(store)
        #expect(try await store.adoptions().first?.made == 200)
        #expect(try await int(database, Self.keys) == 1)
        #expect(try await int(database, Self.indexes) == 1)
    }

    @Test("two who adopt one table by months at once make one key and one index of each month and of the parent")
    func twiceByMonths() async throws {
        let database = try await months()
        let store = try database.store(connections: 4)
        defer { store.close() }
        let survey = try await store.survey(Self.order)
        let (indexing, signal) = AsyncStream.makeStream(of: Void.self)
        let adopt: @Sendable () async throws -> Void = {
            _ = try await store.adopt(survey, batch: 3) { step in
                if step == .indexing("chatbot.conversations") { signal.yield() }
            }
        }
        async let one: Void = adopt()
        async let other: Void = adopt()
        // Holds the parent until both have found it without an index.
        try await database.client.withTransaction { holder in
            _ = try await holder.run(
                PostgresCall(once: "LOCK TABLE ONLY chatbot.conversations IN ROW EXCLUSIVE MODE"))
            var both = indexing.makeAsyncIterator()
            for _ in 1...2 { await both.next() }
        }
        _ = try await (one, other)
        try await expectAdopted(store)
        #expect(try await store.adoptions().first?.made == 20)
        #expect(try await int(database, Self.keys) == 4)
        #expect(try await int(database, Self.indexes) == 4)
    }

    @Test("a partition that is added while the others' keys are validated is told of, and adopted by the next run")
    func addedMeanwhile() async throws {
        let database = try await months()
        try await database.run("CREATE INDEX ON chatbot.conversations (session_id)")
        let store = try database.store()
        defer { store.close() }
        let survey = try await store.survey(Self.order)
        let (validating, signal) = AsyncStream.makeStream(of: Never.self)
        let adoption = Task {
            try await store.adopt(survey, batch: 10) { step in
                if step == .validating("chatbot.conversations") { signal.finish() }
            }
        }
        // Holds the parent until its key is due; partitions can be attached meanwhile.
        try await database.client.withTransaction { holder in
            _ = try await holder.run(
                PostgresCall(once: "LOCK TABLE ONLY chatbot.conversations IN ROW EXCLUSIVE MODE"))
            for await _ in validating {}
            try await database.run("CREATE TABLE chatbot.april (LIKE chatbot.conversations)")
            try await database.run(
                """
                ALTER TABLE chatbot.conversations ATTACH PARTITION chatbot.april
                FOR VALUES FROM ('2024-04-01') TO ('2024-05-01')
                """)
            try await database.run("INSERT INTO chatbot.conversations VALUES (gen_random_uuid(), '2024-04-02')")
        }
        let error = await #expect(throws: SojournError.self) { try await adoption.value }
        #expect(error?.message == "chatbot.april became a partition meanwhile: run the command again.")
        #expect(try await int(database, Self.keys) == 3)
        #expect(try await adopt(store).made == 21)
        try await expectAdopted(store)
        #expect(try await int(database, Self.keys) == 5)
    }

    @Test("an index that an interruption left invalid is made anew")
    func invalidIndex() async throws {
        let database = try await database(rows: turns(3))
        for statement in Self.wreck { try await database.run(statement) }
        let store = try database.store()
        defer { store.close() }
        try await adopt(store)
        #expect(try await int(database, Self.indexes) == 1)
        try await expectAdopted(store)
    }

    @Test("an index that another's interruption left invalid is dropped, though the other has made a valid one since")
    func invalidIndexBesideAValidOne() async throws {
        let database = try await database(rows: turns(3))
        let store = try database.store()
        defer { store.close() }
        let survey = try await store.survey(Self.order)
        let (indexing, signal) = AsyncStream.makeStream(of: Never.self)
        // Makes both unseen, so that the adoption finds none, and waits for the lock under which indexes are made.
        let adoption = try await database.client.withTransaction { holder in
            for statement in Self.wreck + ["CREATE INDEX ON chatbot.conversations (session_id)"] {
                _ = try await holder.run(PostgresCall(once: statement))
            }
            let adoption = Task {
                try await store.adopt(survey, batch: 10) { step in
                    if Halt(step) == .indexing { signal.finish() }
                }
            }
            for await _ in indexing {}
            return adoption
        }
        _ = try await adoption.value
        #expect(try await int(database, Self.indexes) == 1)
        try await expectAdopted(store)
    }

    /// What makes an index as an interruption leaves it.
    private static let wreck = [
        "CREATE INDEX wreck ON chatbot.conversations (session_id)",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'chatbot.wreck'::regclass",
    ]
}
