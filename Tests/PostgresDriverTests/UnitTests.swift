// SPDX-License-Identifier: Apache-2.0
import PostgresDriver
import Testing

/// Units against a real server: atomic, isolated from each other, answered at the commit.
@Suite("Units", .enabled(if: TestServer.isThere)) struct UnitTests {
    @Test("a query returns its rows") func query() async throws {
        try await TestServer.withClient { client in
            let statement = PostgresStatement("SELECT $1::bigint + 1, 'a' || $2::text", [.int8, .text])
            for number in 1...3 {
                var arguments = PostgresArguments()
                arguments.append(int8: Int64(number))
                arguments.append(text: "b")
                let rows = try await client.query(PostgresCall(statement, arguments))
                #expect(rows.count == 1)
                #expect(try rows[0].int(0) == number + 1)
                #expect(try rows[0].text(1) == "ab")
            }
        }
    }

    @Test("a unit is all or nothing") func atomic() async throws {
        try await TestServer.withSchema { client, schema in
            _ = try await client.send([
                PostgresCall(once: "CREATE TABLE \(schema).t (id int PRIMARY KEY)"),
                PostgresCall(once: "INSERT INTO \(schema).t VALUES (1)"),
            ])
            let error = await expectFailure(.server) {
                try await client.send([
                    PostgresCall(once: "INSERT INTO \(schema).t VALUES (2)"),
                    PostgresCall(once: "INSERT INTO \(schema).t VALUES (1)"),
                ])
            }
            #expect(error?.sqlState == "23505")
            #expect(error?.constraint == "t_pkey")
            #expect(error?.outcome == .nothingHappened)
            let count = try await client.query(PostgresCall(once: "SELECT count(*) FROM \(schema).t"))
            #expect(try count[0].int(0) == 1)
        }
    }

    @Test("an error touches no neighbour, however many units are under way") func neighbours() async throws {
        try await TestServer.withClient { client in
            let statement = PostgresStatement("SELECT 100 / $1::int", [.int4])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<500 {
                    group.addTask {
                        var arguments = PostgresArguments()
                        arguments.append(int4: number % 5 == 0 ? 0 : 10)
                        if number % 5 == 0 {
                            let error = await expectFailure(.server) {
                                try await client.query(PostgresCall(statement, arguments), lane: 0)
                            }
                            #expect(error?.sqlState == "22012")
                        } else {
                            let rows = try await client.query(PostgresCall(statement, arguments), lane: 0)
                            #expect(try rows[0].int(0) == 10)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test("a transaction commits what its body ran and enqueued") func transaction() async throws {
        try await TestServer.withSchema { client, schema in
            let seen = try await client.withTransaction { transaction in
                try await transaction.runScript(
                    "CREATE TABLE \(schema).t (id int); INSERT INTO \(schema).t VALUES (1);")
                transaction.enqueue(PostgresCall(once: "INSERT INTO \(schema).t VALUES (2)"))
                let rows = try await transaction.run(PostgresCall(once: "SELECT count(*) FROM \(schema).t"))
                transaction.enqueue(PostgresCall(once: "INSERT INTO \(schema).t VALUES (3)"))
                return try rows[0].int(0)
            }
            #expect(seen == 2)
            let count = try await client.query(PostgresCall(once: "SELECT count(*) FROM \(schema).t"))
            #expect(try count[0].int(0) == 3)
        }
    }

    @Test("a transaction whose body throws leaves nothing") func rollback() async throws {
        struct Change: Error {}
        try await TestServer.withSchema { client, schema in
            _ = try await client.query(PostgresCall(once: "CREATE TABLE \(schema).t (id int)"))
            await #expect(throws: Change.self) {
                try await client.withTransaction { transaction in
                    _ = try await transaction.run(PostgresCall(once: "INSERT INTO \(schema).t VALUES (1)"))
                    throw Change()
                }
            }
            let count = try await client.query(PostgresCall(once: "SELECT count(*) FROM \(schema).t"))
            #expect(try count[0].int(0) == 0)
        }
    }
}
