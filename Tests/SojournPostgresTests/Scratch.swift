// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import PostgresDriver
import Sojourn
import SojournPostgres
import SojournTesting
import Testing

/// The servers that `script/with-postgres` started.
enum TestServer {
    /// The URL of PostgreSQL's superuser; nil where the tests run without a server.
    static let url = ProcessInfo.processInfo.environment["SOJOURN_TEST_POSTGRES"]
    /// The same through pgbouncer, in transaction mode.
    static let poolerURL = ProcessInfo.processInfo.environment["SOJOURN_TEST_PGBOUNCER"]
    /// A log that nobody reads.
    static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// The URL of the server, or of the pooler before it.
    static func address(pooled: Bool) throws -> String {
        try #require(pooled ? poolerURL : url, "Run the tests by script/test, which starts the servers.")
    }

    /// How to connect to a database of the server, directly or through the pooler.
    static func configuration(_ database: String, pooled: Bool = false) throws -> PostgresConfiguration {
        var configuration = try PostgresConfiguration(url: address(pooled: pooled))
        configuration.database = database
        // A busy machine may take long; what is late is another suite's matter.
        configuration.answerTimeout = .seconds(60)
        return configuration
    }

    /// Runs a statement that PostgreSQL wants outside of any transaction.
    static func administer(_ sql: String) async throws {
        let client = PostgresClient(try configuration("postgres"), logger: logger)
        defer { client.close() }
        _ = try await client.runAlone(PostgresCall(once: sql), patience: .seconds(60))
    }
}

extension Trait where Self == ConditionTrait {
    /// Runs only where `script/with-postgres` started the servers, as `script/test` does.
    static var onPostgres: Self {
        .enabled(if: TestServer.url != nil, "needs PostgreSQL: run the tests by script/test")
    }
}

/// A database of its own for one test; the server is thrown away with it.
struct ScratchDatabase: Sendable {
    /// Its name.
    let name: String
    /// For what tests look at and do beside the store.
    let client: PostgresClient

    /// Makes the database, by default with the tables in it.
    init(migrated: Bool = true) async throws {
        name = Self.freshName()
        let template = migrated ? try await Self.template.value : "template1"
        try await TestServer.administer("CREATE DATABASE \(name) TEMPLATE \(template)")
        client = PostgresClient(try TestServer.configuration(name), logger: TestServer.logger)
    }

    /// A store on the database.
    func store(pooled: Bool = false, connections: Int = 2) throws -> PostgresStore {
        var configuration = try TestServer.configuration(name, pooled: pooled)
        configuration.connections = connections
        return PostgresStore(configuration, logger: TestServer.logger)
    }

    /// Another server: a process with a store on the database.
    func worker(pooled: Bool = false, connections: Int = 2) throws -> WorkerProcess {
        try WorkerProcess(url: TestServer.address(pooled: pooled), database: name, connections: connections)
    }

    /// Runs one statement.
    @discardableResult
    func run(_ sql: String) async throws -> PostgresRows {
        try await client.query(PostgresCall(once: sql))
    }

    private static func freshName() -> String {
        "test_" + UUID().uuidString.lowercased().replacing("-", with: "")
    }

    /// A database with the tables and nothing in them, made once.
    private static let template = Task {
        let name = freshName()
        try await TestServer.administer("CREATE DATABASE \(name)")
        let store = PostgresStore(try TestServer.configuration(name), logger: TestServer.logger)
        try await store.migrate()
        store.close()
        // A connection that is still closing would keep the database from being copied.
        try await TestServer.administer("ALTER DATABASE \(name) ALLOW_CONNECTIONS false")
        try await TestServer.administer(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '\(name)'")
        return name
    }
}
