// SPDX-License-Identifier: Apache-2.0

import Foundation
import PostgresDriver
import PostgresTestSupport
import Sojourn
import SojournPostgres

/// A PostgreSQL of one test alone, to be restarted at will: the one that all tests share must stay up. It keeps `fsync`
/// on, so that what survives its crashes is what would survive.
struct OwnServer: Sendable {
    /// Where it stands.
    let folder: String
    /// Its port on 127.0.0.1.
    let port: Int

    /// Lends a running server with our tables, and puts it away whatever comes of `body`.
    static func lend<Value>(_ body: (OwnServer) async throws -> Value) async throws -> Value {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sojourn-faults-\(UUID().uuidString)").path
        let server = OwnServer(folder: folder, port: try Sockets.freePort())
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await server.make()
        let outcome: Result<Value, any Error>
        do {
            try await server.control("start")
            let store = PostgresStore(server.configuration(), logger: TestServer.logger)
            defer { store.close() }
            try await store.migrate()
            outcome = .success(try await body(server))
        } catch {
            outcome = .failure(error)
        }
        // In a task of its own, since a test whose time is up is cancelled and must stop its server all the same.
        try await Task { try await server.control("--mode=immediate", "stop") }.value
        return try outcome.get()
    }

    /// A crash, and a start right after it; returns once it takes connections.
    func restart() async throws {
        try await control("--mode=immediate", "restart")
    }

    /// How to connect: straight, or to a proxy on `port`.
    func configuration(port: Int? = nil) -> PostgresConfiguration {
        PostgresConfiguration(
            hosts: [.init("127.0.0.1", port: port ?? self.port)], database: "postgres", user: "postgres")
    }

    private func make() async throws {
        try await PostgresPrograms.makeFolder(folder)
        try await PostgresPrograms.runAsPostgres([
            "initdb", "--pgdata=\(folder)/data", "--username=postgres", "--auth=trust", "--encoding=UTF8",
            "--locale=C.UTF-8", "--no-instructions",
        ])
        let settings = """
            cat >>'\(folder)/data/postgresql.conf' <<END
            port = \(port)
            listen_addresses = '127.0.0.1'
            unix_socket_directories = '\(folder)'
            logging_collector = off
            END
            """
        try await PostgresPrograms.runAsPostgres(["sh", "-ec", settings])
    }

    private func control(_ words: String...) async throws {
        try await PostgresPrograms.runAsPostgres(
            ["pg_ctl", "--pgdata=\(folder)/data", "--log=\(folder)/log", "--silent", "--wait"] + words)
    }
}
