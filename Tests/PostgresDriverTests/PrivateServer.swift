// SPDX-License-Identifier: Apache-2.0
import Foundation
import PostgresDriver
import PostgresTestSupport

/// A PostgreSQL of one test alone, to be stopped and started at will: it asks the role `locked` for a password, the
/// role `secure` for encryption, and lets everybody else in.
struct PrivateServer: Sendable {
    /// Where it stands, with its certificates.
    let folder: String
    /// Its port on 127.0.0.1.
    let port: Int

    /// Lends a running server and stops it.
    static func run(_ body: (PrivateServer) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "pg-\(UInt32.random(in: 0 ... .max))").path
        let server = PrivateServer(folder: folder, port: try Sockets.freePort())
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await server.prepare()
        do {
            try await server.start()
            try await body(server)
        } catch {
            try? await server.stop()
            throw error
        }
        try await server.stop()
    }

    /// Starts it, and returns once it takes connections.
    func start() async throws {
        try await PostgresPrograms.runAsPostgres([
            "pg_ctl", "--pgdata=\(folder)/data", "--log=\(folder)/log", "--silent", "--wait", "start",
        ])
    }

    /// Stops it: `immediate` is a crash, `fast` ends all sessions.
    func stop(_ mode: String = "immediate") async throws {
        try await PostgresPrograms.runAsPostgres([
            "pg_ctl", "--pgdata=\(folder)/data", "--mode=\(mode)", "--silent", "--wait", "stop",
        ])
    }

    /// A URL for it.
    func url(user: String = "postgres", host: String = "127.0.0.1", database: String = "postgres", _ rest: String = "")
        -> String
    {
        "postgresql://\(user)@\(host):\(port)/\(database)\(rest)"
    }

    private func prepare() async throws {
        try await PostgresPrograms.makeFolder(folder)
        try await PostgresPrograms.runAsPostgres([
            "initdb", "--pgdata=\(folder)/data", "--username=postgres", "--auth=trust", "--no-sync",
            "--no-instructions",
        ])
        let certificate = """
            cd \(folder)
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
            openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout data/server.key -out server.csr
            echo subjectAltName=DNS:localhost >san
            openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile san -out data/server.crt
            openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=stranger -keyout other.key -out other.pem
            chmod 600 data/server.key
            cat >data/pg_hba.conf <<END
            host    all locked 127.0.0.1/32 scram-sha-256
            hostssl all secure 127.0.0.1/32 trust
            host    all secure 127.0.0.1/32 reject
            host    all all    127.0.0.1/32 trust
            END
            cat >>data/postgresql.conf <<END
            port = \(port)
            listen_addresses = '127.0.0.1'
            unix_socket_directories = '\(folder)'
            fsync = off
            ssl = on
            END
            """
        try await PostgresPrograms.runAsPostgres(["sh", "-ec", certificate])
    }
}
