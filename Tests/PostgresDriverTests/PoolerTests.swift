// SPDX-License-Identifier: Apache-2.0
import PostgresDriver
import Testing

/// The same through a transaction pooler.
@Suite("Pooler", .enabled(if: TestServer.isPoolerThere && TestServer.isThere), .timeLimit(.minutes(5)))
struct PoolerTests {
    @Test("a pooler is found out, and a server is not taken for one") func detection() async throws {
        for isPooled in [true, false] {
            let found = try await TestServer.withClient(pooled: isPooled) { try await $0.isTransactionPooled }
            #expect(found == isPooled)
        }
    }

    @Test("LISTEN is refused, with the way out") func listening() async throws {
        try await TestServer.withClient(pooled: true) { client in
            let error = await expectFailure(.pooled) { try await client.listen(to: "anything") }
            #expect(error?.description.contains("direct URL") == true)
        }
    }

    @Test("many callers of several lanes each get their own answer", arguments: [1, 64])
    func manyCallers(inFlight: Int) async throws {
        try await TestServer.withSchema(pooled: true) {
            $0.connections = 4
            $0.inFlightMax = inFlight
        } _: { client, schema in
            _ = try await client.query(PostgresCall(once: "CREATE TABLE \(schema).t (id int PRIMARY KEY)"))
            let statement = PostgresStatement("INSERT INTO \(schema).t VALUES ($1) RETURNING id * 2", [.int4])
            let failures = try await withThrowingTaskGroup(of: Int.self) { group in
                for number in 0..<1000 {
                    group.addTask {
                        var arguments = PostgresArguments()
                        arguments.append(int4: Int32(number % 10 == 0 ? 0 : number))
                        do {
                            let rows = try await client.query(PostgresCall(statement, arguments))
                            #expect(try rows[0].int(0) == (number % 10 == 0 ? 0 : number) * 2)
                            return 0
                        } catch let error as PostgresError {
                            #expect(error.sqlState == "23505", "\(error.debugDescription)")
                            return 1
                        }
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(failures == 99)
            let count = try await client.query(PostgresCall(once: "SELECT count(*) FROM \(schema).t"))
            #expect(try count[0].int(0) == 901)
        }
    }

    @Test("transactions beside units") func transactions() async throws {
        try await TestServer.withSchema(pooled: true) {
            $0.statementTimeout = .seconds(5)
        } _: { client, schema in
            _ = try await client.query(PostgresCall(once: "CREATE TABLE \(schema).t (id int)"))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<40 {
                    group.addTask {
                        try await client.withTransaction { transaction in
                            let insert = PostgresStatement("INSERT INTO \(schema).t VALUES ($1)", [.int4])
                            var arguments = PostgresArguments()
                            arguments.append(int4: Int32(number))
                            transaction.enqueue(PostgresCall(insert, arguments))
                            let limit = try await transaction.run(PostgresCall(once: "SHOW statement_timeout"))
                            #expect(try limit[0].text(0) == "5s")
                            transaction.enqueue(PostgresCall(insert, arguments))
                        }
                        _ = try await client.query(PostgresCall(once: "SELECT 1"))
                    }
                }
                try await group.waitForAll()
            }
            let count = try await client.query(PostgresCall(once: "SELECT count(*) FROM \(schema).t"))
            #expect(try count[0].int(0) == 80)
            // What was set for a transaction did not stay on the server's connection.
            let limit = try await client.query(PostgresCall(once: "SHOW statement_timeout"))
            #expect(try limit[0].text(0) == "0")
        }
    }
}
