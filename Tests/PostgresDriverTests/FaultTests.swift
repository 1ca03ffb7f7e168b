// SPDX-License-Identifier: Apache-2.0
import PostgresDriver
import Testing

/// What goes wrong on a server that works.
@Suite("Faults", .enabled(if: TestServer.isThere), .timeLimit(.minutes(5))) struct FaultTests {
    /// The lock of this test alone.
    let lock = AdvisoryLock()

    @Test("a constraint that is checked at the commit fails its own unit, after its row was returned")
    func deferredConstraint() async throws {
        try await TestServer.withSchema { client, schema in
            _ = try await client.send([
                PostgresCall(once: "CREATE TABLE \(schema).a (id int PRIMARY KEY)"),
                PostgresCall(
                    once: "CREATE TABLE \(schema).b (a int REFERENCES \(schema).a DEFERRABLE INITIALLY DEFERRED)"),
                PostgresCall(once: "INSERT INTO \(schema).a VALUES (1)"),
            ])
            let insert = PostgresStatement("INSERT INTO \(schema).b VALUES ($1) RETURNING a", [.int4])
            let failed = try await withThrowingTaskGroup(of: Int?.self) { group in
                for number in 0..<200 {
                    group.addTask {
                        var arguments = PostgresArguments()
                        arguments.append(int4: number % 10 == 0 ? 2 : 1)
                        do {
                            _ = try await client.query(PostgresCall(insert, arguments), lane: 0)
                            return nil
                        } catch let error as PostgresError {
                            #expect(error.sqlState == "23503")
                            return number
                        }
                    }
                }
                return try await group.reduce(into: Set<Int>()) { failed, number in
                    if let number { failed.insert(number) }
                }
            }
            #expect(failed == Set(stride(from: 0, to: 200, by: 10)))
            let count = try await client.query(PostgresCall(once: "SELECT count(*) FROM \(schema).b"))
            #expect(try count[0].int(0) == 180)
        }
    }

    @Test("statements are prepared once, given up when there are too many, and prepared again") func eviction()
        async throws
    {
        try await TestServer.withClient {
            $0.preparedMax = 3
            $0.connections = 1
        } _: { client in
            let statements = (0..<5).map { PostgresStatement("SELECT \($0) + $1::int", [.int4]) }
            var arguments = PostgresArguments()
            arguments.append(int4: 100)
            for _ in 0..<3 {
                for (number, statement) in statements.enumerated() {
                    let rows = try await client.query(PostgresCall(statement, arguments))
                    #expect(try rows[0].int(0) == 100 + number)
                }
            }
            let names = try await client.query(PostgresCall(once: "SELECT count(*) FROM pg_prepared_statements"))
            #expect(try names[0].int(0) == 3)
        }
    }

    @Test("a statement that was skipped where it was first used is prepared by the next") func skipped() async throws {
        try await TestServer.withClient { client in
            let fails = PostgresCall(once: "SELECT 1 / 0")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<300 {
                    group.addTask {
                        let call = PostgresCall(PostgresStatement("SELECT \(number / 3)"))
                        if number % 3 == 0 {
                            await expectFailure(.server) { try await client.send([fails, call], lane: 0) }
                        } else {
                            let value = try await client.query(call, lane: 0)[0].int(0)
                            #expect(value == number / 3)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("a table that changes under a prepared statement goes unnoticed") func changedTable() async throws {
        try await TestServer.withSchema { client, schema in
            _ = try await client.query(PostgresCall(once: "CREATE TABLE \(schema).t (a int)"))
            let all = PostgresCall(PostgresStatement("SELECT * FROM \(schema).t"))
            for lane in 0..<2 { #expect(try await client.query(all, lane: lane).columnCount == 1) }
            _ = try await client.query(PostgresCall(once: "ALTER TABLE \(schema).t ADD b int"))
            for lane in 0..<2 { #expect(try await client.query(all, lane: lane).columnCount == 2) }
        }
    }

    @Test("the server's limit for a statement is an error of the server's") func statementTimeout() async throws {
        try await TestServer.withClient {
            $0.statementTimeout = .seconds(1)
        } _: { client in
            let error = await expectFailure(.server) {
                try await client.query(PostgresCall(once: "SELECT pg_sleep(60)"))
            }
            #expect(error?.sqlState == "57014")
            let rows = try await client.query(PostgresCall(once: "SELECT 1"))
            #expect(rows.count == 1)
        }
    }

    @Test("a transaction's patience is its statements' limit") func patience() async throws {
        try await TestServer.withClient { client in
            let error = await expectFailure(.server) {
                try await client.withTransaction(patience: .seconds(20)) { transaction in
                    _ = try await transaction.run(PostgresCall(once: "SELECT 1"))
                    let limit = try await transaction.run(PostgresCall(once: "SHOW statement_timeout"))
                    #expect(try limit[0].text(0) == "20s")
                    _ = try await transaction.run(PostgresCall(once: "SELECT 1 / 0"))
                }
            }
            #expect(error?.sqlState == "22012")
        }
    }

    @Test("one caller too many is told at once") func queueFull() async throws {
        try await TestServer.withClient {
            $0.connections = 1
            $0.inFlightMax = 1
            $0.queueMax = 5
        } _: { client in
            try await withThrowingTaskGroup(of: Int.self) { group in
                try await lock.hold {
                    // One is under way, five wait; whoever comes then is refused.
                    group.addTask { try await client.query(lock.wait).count }
                    try await lock.untilWaiting(1)
                    for _ in 0..<5 {
                        group.addTask { try await client.query(PostgresCall(once: "SELECT 1")).count }
                    }
                    while client.waitingCount < 5 { await Task.yield() }
                    let error = await expectFailure(.queueFull) {
                        try await client.query(PostgresCall(once: "SELECT 1"))
                    }
                    #expect(error?.outcome == .nothingHappened)
                }
                try await group.waitForAll()
            }
        }
    }
}
