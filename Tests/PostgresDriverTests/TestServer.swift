// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import PostgresDriver
import Testing

/// The servers that tests run against, by the environment's word.
enum TestServer {
    /// A superuser's URL, nil where there is no server.
    static let url = ProcessInfo.processInfo.environment["SOJOURN_TEST_POSTGRES"]
    /// The same database through a transaction pooler.
    static let pooledURL = ProcessInfo.processInfo.environment["SOJOURN_TEST_PGBOUNCER"]
    /// Whether there is a server.
    static let isThere = url != nil
    /// Whether there is a pooler.
    static let isPoolerThere = pooledURL != nil

    /// A logger that says nothing below errors.
    static var logger: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }

    /// What the tests' configuration starts from.
    static func configuration(pooled: Bool = false) throws -> PostgresConfiguration {
        try PostgresConfiguration(url: #require(pooled ? pooledURL : url))
    }

    /// Lends a client of its own to a test, and closes it.
    @discardableResult static func withClient<Value: Sendable>(
        pooled: Bool = false, _ change: (inout PostgresConfiguration) -> Void = { _ in },
        _ body: (PostgresClient) async throws -> Value
    ) async throws -> Value {
        var configuration = try configuration(pooled: pooled)
        change(&configuration)
        let client = PostgresClient(configuration, logger: logger)
        defer { client.close() }
        return try await body(client)
    }

    /// Lends a schema with a random name, and drops it.
    @discardableResult static func withSchema<Value: Sendable>(
        pooled: Bool = false, _ change: (inout PostgresConfiguration) -> Void = { _ in },
        _ body: (PostgresClient, String) async throws -> Value
    ) async throws -> Value {
        let schema = "t\(UInt32.random(in: 0 ... .max))"
        return try await withClient { owner in
            _ = try await owner.query(PostgresCall(once: "CREATE SCHEMA \(schema)"))
            do {
                let value = try await withClient(pooled: pooled, change) { try await body($0, schema) }
                _ = try await owner.query(PostgresCall(once: "DROP SCHEMA \(schema) CASCADE"))
                return value
            } catch {
                _ = try? await owner.query(PostgresCall(once: "DROP SCHEMA \(schema) CASCADE"))
                throw error
            }
        }
    }
}

/// Asserts that `body` throws a `PostgresError`, and lends it out.
@discardableResult func expectFailure<Value>(
    _ code: PostgresError.Code, _ body: () async throws -> Value, sourceLocation: SourceLocation = #_sourceLocation
) async -> PostgresError? {
    do {
        _ = try await body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as PostgresError {
        #expect(error.code == code, "\(error.debugDescription)", sourceLocation: sourceLocation)
        return error
    } catch {
        Issue.record("\(error) was thrown", sourceLocation: sourceLocation)
    }
    return nil
}
