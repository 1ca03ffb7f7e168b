// SPDX-License-Identifier: Apache-2.0
import Foundation
import PostgresDriver
import PostgresTestSupport
import ServiceLifecycle
import Testing

/// How a connection comes about, or does not.
@Suite("Connecting", .enabled(if: TestServer.isThere), .timeLimit(.minutes(5))) struct ConnectingTests {
    /// Runs one statement with a client of its own.
    private func tryOut(_ configuration: PostgresConfiguration) async throws {
        let client = PostgresClient(configuration, logger: TestServer.logger)
        defer { client.close() }
        _ = try await client.query(PostgresCall(once: "SELECT 1"))
    }

    @Test("the first host that works is taken") func severalHosts() async throws {
        var configuration = try TestServer.configuration()
        configuration.hosts.insert(.init("127.0.0.1", port: try Sockets.freePort()), at: 0)
        configuration.targetsPrimary = true
        try await tryOut(configuration)
    }

    @Test("where nobody listens, callers are told when the grace is over, and not before") func refused() async throws {
        var configuration = try TestServer.configuration()
        configuration.hosts = [.init("127.0.0.1", port: try Sockets.freePort())]
        configuration.outageGrace = .milliseconds(200)
        let start = ContinuousClock.now
        let error = await expectFailure(.unreachable) { try await tryOut(configuration) }
        #expect(error?.outcome == .nothingHappened)
        #expect(error?.message.contains("refused") == true)
        #expect(error?.description == "The database cannot be reached.")
        let waited = start.duration(to: .now)
        #expect(waited >= .milliseconds(200) && waited < .seconds(60))
    }

    @Test("a host that swallows packets costs its time only, and the next one serves") func swallowing() async throws {
        let (descriptor, port) = try Sockets.listener()
        defer { close(descriptor) }
        var configuration = try TestServer.configuration()
        configuration.hosts.insert(.init("127.0.0.1", port: port), at: 0)
        configuration.connectTimeout = .seconds(2)
        try await tryOut(configuration)
    }

    @Test("a database that is not there is told at once") func missingDatabase() async throws {
        var configuration = try TestServer.configuration()
        configuration.database = "nowhere"
        configuration.outageGrace = .seconds(3600)
        let error = await expectFailure(.unreachable) { try await tryOut(configuration) }
        #expect(error?.sqlState == "3D000")
    }

    @Test("a configuration that cannot work fails the first use") func mistake() async throws {
        var configuration = try TestServer.configuration()
        configuration.connections = 0
        await expectFailure(.configuration) { try await tryOut(configuration) }
        configuration = try TestServer.configuration()
        configuration.hosts = []
        await expectFailure(.configuration) { try await tryOut(configuration) }
    }

    @Test("passwords, by whatever way they come", .enabled(if: PostgresPrograms.folder != nil)) func passwords()
        async throws
    {
        try await PrivateServer.run { server in
            let owner = PostgresClient(try PostgresConfiguration(url: server.url()), logger: TestServer.logger)
            defer { owner.close() }
            _ = try await owner.query(PostgresCall(once: "CREATE ROLE locked LOGIN PASSWORD 'open sesame'"))
            var configuration = try PostgresConfiguration(url: server.url(user: "locked"))
            let path = "\(server.folder)/password"
            try Data("open sesame\n".utf8).write(to: URL(filePath: path))
            let right: [PostgresPassword] = [.fixed("open sesame"), .file(path), .command(["cat", path])]
            for password in right {
                configuration.password = password
                try await tryOut(configuration)
            }
            configuration.outageGrace = .seconds(3600)
            for password in [.fixed("hunter2"), .none] as [PostgresPassword] {
                configuration.password = password
                let error = await expectFailure(.unreachable) { try await tryOut(configuration) }
                #expect(error?.debugDescription.contains("hunter2") == false)
                #expect(error?.message.contains("password") == true)
            }
            configuration.password = .command(["false"])
            await expectFailure(.configuration) { try await tryOut(configuration) }
        }
    }

    @Test("encryption and whom it trusts", .enabled(if: PostgresPrograms.folder != nil)) func encryption() async throws
    {
        try await PrivateServer.run { server in
            let owner = PostgresClient(try PostgresConfiguration(url: server.url()), logger: TestServer.logger)
            defer { owner.close() }
            _ = try await owner.query(PostgresCall(once: "CREATE ROLE secure LOGIN"))
            let authority = "sslrootcert=\(server.folder)/ca.pem"
            let stranger = "sslrootcert=\(server.folder)/other.pem"
            let good = [
                ("127.0.0.1", "?sslmode=prefer"), ("127.0.0.1", "?sslmode=require"),
                ("127.0.0.1", "?sslmode=verify-ca&\(authority)"), ("localhost", "?sslmode=verify-full&\(authority)"),
            ]
            for (host, parameters) in good {
                try await tryOut(try PostgresConfiguration(url: server.url(user: "secure", host: host, parameters)))
            }
            let bad = [
                ("127.0.0.1", "?sslmode=disable"), ("127.0.0.1", "?sslmode=verify-full&\(authority)"),
                ("localhost", "?sslmode=verify-full&\(stranger)"), ("localhost", "?sslmode=verify-full"),
                ("localhost", "?sslmode=verify-ca&sslrootcert=/nowhere"),
            ]
            for (host, parameters) in bad {
                var configuration = try PostgresConfiguration(url: server.url(user: "secure", host: host, parameters))
                configuration.outageGrace = .seconds(3600)
                await expectFailure(.unreachable) { try await tryOut(configuration) }
            }
        }
    }

    @Test("a graceful shutdown finishes what is under way, and refuses the rest") func shutdown() async throws {
        let lock = AdvisoryLock()
        let client = PostgresClient(try TestServer.configuration(), logger: TestServer.logger)
        let group = ServiceGroup(services: [client], logger: TestServer.logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            try await lock.hold {
                tasks.addTask { _ = try await client.query(lock.wait) }
                try await lock.untilWaiting(1)
                await group.triggerGracefulShutdown()
                var isRefusing = false
                while !isRefusing {
                    do throws(PostgresError) {
                        _ = try await client.query(PostgresCall(once: "SELECT 1"))
                    } catch {
                        isRefusing = error.code == .shutDown
                    }
                }
                await expectFailure(.shutDown) { try await client.withTransaction { _ in } }
                await expectFailure(.shutDown) { try await client.listen(to: "x") }
            }
            try await tasks.waitForAll()
        }
    }
}
