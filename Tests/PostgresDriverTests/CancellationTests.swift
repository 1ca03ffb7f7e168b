// SPDX-License-Identifier: Apache-2.0
import PostgresDriver
import Testing

/// Callers that give up, by themselves or by the clock. One session holds a lock for which the others wait.
@Suite("Giving up", .enabled(if: TestServer.isThere), .timeLimit(.minutes(5))) struct CancellationTests {
    /// The lock of this test alone.
    let lock = AdvisoryLock()

    @Test("a caller cancelled before its turn is told that nothing happened") func queued() async throws {
        try await TestServer.withSchema {
            $0.connections = 1
            $0.inFlightMax = 1
        } _: { client, schema in
            _ = try await client.query(PostgresCall(once: "CREATE TABLE \(schema).t (id int)"))
            try await withThrowingTaskGroup(of: Void.self) { group in
                try await lock.hold {
                    group.addTask { _ = try await client.query(lock.wait) }
                    try await lock.untilWaiting(1)
                    let waiting = Task {
                        try await client.query(PostgresCall(once: "INSERT INTO \(schema).t VALUES (1)"))
                    }
                    while client.waitingCount < 1 { await Task.yield() }
                    waiting.cancel()
                    let error = await expectFailure(.cancelled) { try await waiting.value }
                    #expect(error?.outcome == .nothingHappened)
                    #expect(client.waitingCount == 0)
                }
                try await group.waitForAll()
            }
            let count = try await client.query(PostgresCall(once: "SELECT count(*) FROM \(schema).t"))
            #expect(try count[0].int(0) == 0)
        }
    }

    @Test("a caller cancelled after its unit was sent is told at once that the outcome is unknown") func sent()
        async throws
    {
        try await TestServer.withClient { client in
            try await lock.hold {
                let waiting = Task { try await client.query(lock.wait) }
                try await lock.untilWaiting(1)
                waiting.cancel()
                let error = await expectFailure(.cancelled) { try await waiting.value }
                #expect(error?.outcome == .unknown)
            }
            let rows = try await client.query(PostgresCall(once: "SELECT 1"), lane: 0)
            #expect(rows.count == 1)
        }
    }

    @Test("a caller who was cancelled before is not heard") func before() async throws {
        try await TestServer.withClient { client in
            let call = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await client.query(PostgresCall(once: "SELECT 1"))
            }
            let error = await expectFailure(.cancelled) { try await call.value }
            #expect(error?.outcome == .nothingHappened)
        }
    }

    @Test("a silent server costs the caller its time, and then the connection") func answerTimeout() async throws {
        try await TestServer.withClient {
            $0.answerTimeout = .seconds(2)
            $0.connections = 1
        } _: { client in
            // The connection is there before the clock counts.
            try await answered(by: client)
            try await lock.hold {
                let error = await expectFailure(.timedOut) { try await client.query(lock.wait) }
                #expect(error?.outcome == .unknown)
                // Behind a statement that never ends nobody is answered; on a new connection everybody is.
                try await answered(by: client)
                // The statement that was given up does not go on waiting in the server.
                try await lock.untilWaiting(atMost: 0)
            }
        }
    }

    /// Asks until there is an answer: to connect anew may take a busy machine longer than one caller waits. Where there
    /// never is one, the suite's time limit ends the test.
    private func answered(by client: PostgresClient) async throws {
        while true {
            do {
                let rows = try await client.query(PostgresCall(once: "SELECT 1"), retry: .ifInterrupted)
                #expect(rows.count == 1)
                return
            } catch let error where error.code == .timedOut {
                continue
            }
        }
    }

    @Test("who finds all connections lent waits its turn, or for as long as it may") func leases() async throws {
        try await TestServer.withClient {
            $0.leasesMax = 1
            $0.answerTimeout = .seconds(3)
        } _: { client in
            try await client.withTransaction { outer in
                _ = try await outer.run(PostgresCall(once: "SELECT 1"))
                let error = await expectFailure(.timedOut) {
                    try await client.withTransaction { _ = try await $0.run(PostgresCall(once: "SELECT 1")) }
                }
                #expect(error?.outcome == .nothingHappened)
                let waiting = Task {
                    try await client.withTransaction { try await $0.run(PostgresCall(once: "SELECT 1")) }
                }
                waiting.cancel()
                await expectFailure(.cancelled) { try await waiting.value }
            }
        }
    }

    @Test("one connection serves fifty transactions, one after the other") func turns() async throws {
        try await TestServer.withClient {
            $0.leasesMax = 1
        } _: { client in
            let turns = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<50 {
                    group.addTask {
                        try await client.withTransaction { try await $0.run(PostgresCall(once: "SELECT 1")) }.count
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(turns == 50)
        }
    }

    @Test("a transaction that was cancelled leaves nothing, and its connection serves the next") func transaction()
        async throws
    {
        try await TestServer.withSchema {
            $0.leasesMax = 1
        } _: { client, schema in
            _ = try await client.query(PostgresCall(once: "CREATE TABLE \(schema).t (id int)"))
            try await lock.hold {
                let transaction = Task {
                    try await client.withTransaction { transaction in
                        _ = try await transaction.run(PostgresCall(once: "INSERT INTO \(schema).t VALUES (1)"))
                        _ = try await transaction.run(lock.wait)
                    }
                }
                try await lock.untilWaiting(1)
                transaction.cancel()
                await expectFailure(.cancelled) { try await transaction.value }
            }
            let count = try await client.withTransaction { transaction in
                try await transaction.run(PostgresCall(once: "SELECT count(*) FROM \(schema).t"))
            }
            #expect(try count[0].int(0) == 0)
        }
    }

    @Test("ten thousand wait, and each is answered") func tenThousand() async throws {
        try await TestServer.withClient { client in
            let statement = PostgresStatement("SELECT $1::int", [.int4])
            try await withThrowingTaskGroup(of: Int.self) { group in
                try await lock.hold {
                    for lane in 0..<client.laneCount {
                        group.addTask { try await client.query(lock.wait, lane: lane).count }
                    }
                    try await lock.untilWaiting(client.laneCount)
                    for number in 0..<10_000 {
                        group.addTask {
                            var arguments = PostgresArguments()
                            arguments.append(int4: Int32(number))
                            return try await client.query(PostgresCall(statement, arguments))[0].int(0)
                        }
                    }
                    while client.waitingCount < 9_000 { await Task.yield() }
                }
                let sum = try await group.reduce(0, +)
                #expect(sum == 10_000 * 9_999 / 2 + client.laneCount)
            }
        }
    }
}
