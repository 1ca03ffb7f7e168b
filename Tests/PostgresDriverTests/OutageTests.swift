// SPDX-License-Identifier: Apache-2.0
import Foundation
import PostgresDriver
import PostgresTestSupport
import Testing

/// Connections that break. What counts is that each caller is told the truth, and that nothing is applied twice.
@Suite("Outages", .enabled(if: TestServer.isThere), .timeLimit(.minutes(5))) struct OutageTests {
    /// What callers were told about the numbers that they inserted.
    private struct Told: Sendable {
        var done: Set<Int> = []
        var nothing: Set<Int> = []
        var unknown: Set<Int> = []
    }

    /// Inserts numbers from many tasks while `trouble` goes on, and compares what was told with what is there.
    private func insertDuring(
        _ client: PostgresClient, _ schema: String, count: Int, retry: PostgresRetry = .never,
        _ trouble: @escaping @Sendable () async throws -> Void
    ) async throws -> Told {
        _ = try await client.query(PostgresCall(once: "CREATE TABLE \(schema).t (id int)"))
        let insert = PostgresStatement("INSERT INTO \(schema).t VALUES ($1)", [.int4])
        async let harm: Void = {
            let rows = PostgresCall(PostgresStatement("SELECT count(*) FROM \(schema).t"))
            while try await client.query(rows)[0].int(0) < 500 { await Task.yield() }
            try await trouble()
        }()
        let told = await withTaskGroup(of: Told.self) { group in
            for worker in 0..<64 {
                group.addTask {
                    var told = Told()
                    for number in stride(from: worker, to: count, by: 64) {
                        var arguments = PostgresArguments()
                        arguments.append(int4: Int32(number))
                        do throws(PostgresError) {
                            _ = try await client.query(PostgresCall(insert, arguments))
                            told.done.insert(number)
                        } catch {
                            if error.outcome == .unknown {
                                told.unknown.insert(number)
                            } else {
                                told.nothing.insert(number)
                            }
                        }
                    }
                    return told
                }
            }
            return await group.reduce(into: Told()) { all, one in
                all.done.formUnion(one.done)
                all.nothing.formUnion(one.nothing)
                all.unknown.formUnion(one.unknown)
            }
        }
        try await harm
        let rows = try await client.query(PostgresCall(once: "SELECT id FROM \(schema).t"), retry: .ifInterrupted)
        let ids = try rows.map { try $0.int(0) }
        #expect(Set(ids).count == ids.count, "something was applied twice")
        #expect(told.done.isSubset(of: ids), "something was promised and is gone")
        #expect(told.nothing.isDisjoint(with: ids), "something is there that did not happen")
        #expect(told.done.count + told.nothing.count + told.unknown.count == count)
        return told
    }

    @Test("sessions that are terminated under load") func terminated() async throws {
        let name = "victim \(UInt32.random(in: 0 ... .max))"
        try await TestServer.withSchema {
            $0.applicationName = name
        } _: { client, schema in
            let told = try await insertDuring(client, schema, count: 6000) {
                try await TestServer.withClient { executioner in
                    for _ in 0..<20 {
                        _ = try await executioner.query(
                            PostgresCall(
                                once: """
                                    SELECT pg_terminate_backend(pid)
                                    FROM pg_stat_activity
                                    WHERE application_name = '\(name)'
                                    """))
                        try await Task.sleep(for: .milliseconds(20))
                    }
                }
            }
            #expect(told.done.count > 5000)
        }
    }

    @Test("a server that crashes and is back at once", .enabled(if: PostgresPrograms.folder != nil))
    func crash() async throws {
        try await PrivateServer.run { server in
            let client = PostgresClient(try PostgresConfiguration(url: server.url()), logger: TestServer.logger)
            defer { client.close() }
            let told = try await insertDuring(client, "public", count: 20_000) {
                try await server.stop("immediate")
                try await server.start()
            }
            // Those under way at the crash, at most; who waited was served when the server was back.
            #expect(told.unknown.count <= 128)
            #expect(told.nothing.isEmpty)
        }
    }

    @Test("a server that is restarted in good order loses nobody", .enabled(if: PostgresPrograms.folder != nil))
    func restart() async throws {
        try await PrivateServer.run { server in
            // Without encryption: OpenSSL reads nothing more once a write has failed, and the server's farewell with it.
            let url = server.url("?sslmode=disable")
            let client = PostgresClient(try PostgresConfiguration(url: url), logger: TestServer.logger)
            defer { client.close() }
            let told = try await insertDuring(client, "public", count: 20_000) {
                try await server.stop("fast")
                try await server.start()
            }
            #expect(told.unknown.count <= 4)
            #expect(told.nothing.isEmpty)
        }
    }

    @Test(
        "a reply cut in the middle leaves the outcome unknown, and a read is simply read again", arguments: [1, 7, 30])
    func cutReply(bytes: Int) async throws {
        let url = try #require(TestServer.url.flatMap { URLComponents(string: $0) })
        let proxy = try Proxy(to: try #require(url.port))
        defer { proxy.stop() }
        try await TestServer.withClient {
            $0.hosts = [.init("127.0.0.1", port: proxy.port)]
            $0.connections = 1
        } _: { client in
            let call = PostgresCall(once: "SELECT generate_series(1, 100)")
            _ = try await client.query(call)
            proxy.set(.cut(after: bytes))
            let error = await expectFailure(.connectionLost) { try await client.query(call) }
            #expect(error?.outcome == .unknown)
            proxy.set(.cut(after: bytes))
            let rows = try await client.query(call, retry: .ifInterrupted)
            #expect(rows.count == 100)
        }
    }

    @Test("a connection cut within a transaction ends it, and it is not begun anew behind the caller's back")
    func cutTransaction() async throws {
        let url = try #require(TestServer.url.flatMap { URLComponents(string: $0) })
        let proxy = try Proxy(to: try #require(url.port))
        defer { proxy.stop() }
        try await TestServer.withSchema {
            $0.hosts = [.init("127.0.0.1", port: proxy.port)]
        } _: { client, schema in
            _ = try await client.query(PostgresCall(once: "CREATE TABLE \(schema).t (id int)"))
            let error = await expectFailure(.connectionLost) {
                try await client.withTransaction { transaction in
                    _ = try await transaction.run(PostgresCall(once: "INSERT INTO \(schema).t VALUES (1)"))
                    proxy.set(.cut(after: 1))
                    await expectFailure(.connectionLost) {
                        try await transaction.run(PostgresCall(once: "INSERT INTO \(schema).t VALUES (2)"))
                    }
                    _ = try await transaction.run(PostgresCall(once: "INSERT INTO \(schema).t VALUES (3)"))
                }
            }
            #expect(error?.outcome == .nothingHappened)
            let count = try await client.query(
                PostgresCall(once: "SELECT count(*) FROM \(schema).t"), retry: .ifInterrupted)
            #expect(try count[0].int(0) == 0)
        }
    }

    @Test("a server that falls silent costs its callers no more than their time") func silent() async throws {
        let url = try #require(TestServer.url.flatMap { URLComponents(string: $0) })
        let proxy = try Proxy(to: try #require(url.port))
        defer { proxy.stop() }
        try await TestServer.withClient {
            $0.hosts = [.init("127.0.0.1", port: proxy.port)]
            $0.answerTimeout = .seconds(2)
            $0.connectTimeout = .seconds(2)
            $0.outageGrace = .zero
        } _: { client in
            _ = try await client.query(PostgresCall(once: "SELECT 1"), lane: 0)
            proxy.set(.silent)
            let error = await expectFailure(.timedOut) {
                try await client.query(PostgresCall(once: "SELECT 1"), lane: 0)
            }
            #expect(error?.outcome == .unknown)
            // The next connection is taken and never answered. Who came before the old one was given up shares its fate.
            var code: PostgresError.Code?
            while code != .unreachable {
                do throws(PostgresError) {
                    _ = try await client.query(PostgresCall(once: "SELECT 1"), lane: 0)
                } catch {
                    code = error.code
                }
            }
            proxy.set(.pass)
            var isBack = false
            while !isBack { isBack = (try? await client.query(PostgresCall(once: "SELECT 1"), lane: 0)) != nil }
        }
    }
}
