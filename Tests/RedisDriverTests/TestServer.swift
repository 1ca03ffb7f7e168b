// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import RedisDriver
import RedisTestSupport
import Testing

/// The server that tests run against, by the environment's word.
enum TestServer {
    /// Its URL, nil where there is no server.
    static let url = ProcessInfo.processInfo.environment["SOJOURN_TEST_REDIS"]
    /// Whether there is a server.
    static let isThere = url != nil

    /// A logger that says nothing below errors.
    static var logger: Logger {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return logger
    }

    /// Lends a client of its own to a test, and closes it. It is patient, as the machine may be busy, but for what the test
    /// changes, or its URL says of outages.
    static func withClient(
        url: String? = url, _ change: (inout RedisConfiguration) -> Void = { _ in },
        _ body: (RedisClient) async throws -> Void
    ) async throws {
        let url = try #require(url)
        var configuration = try RedisConfiguration(url: url)
        configuration.answerTimeout = .seconds(120)
        configuration.connectTimeout = .seconds(60)
        if !url.contains("outage_grace") { configuration.outageGrace = .seconds(60) }
        change(&configuration)
        let client = RedisClient(configuration, logger: logger)
        defer { client.close() }
        try await body(client)
    }

    /// A prefix for the keys of one test alone.
    static func prefix() -> String { "t\(UInt32.random(in: 0 ... .max)):" }
}

extension RedisServer {
    /// Where it is.
    var url: String { "redis://127.0.0.1:\(port)" }

    /// Lends a client of it, and closes that.
    func withClient(
        _ change: (inout RedisConfiguration) -> Void = { _ in }, _ body: (RedisClient) async throws -> Void
    ) async throws {
        try await TestServer.withClient(url: url, change, body)
    }
}

/// Asserts that `body` throws a `RedisError`, and lends it out.
@discardableResult func expectFailure<Value>(
    _ code: RedisError.Code, _ body: () async throws -> Value, sourceLocation: SourceLocation = #_sourceLocation
) async -> RedisError? {
    do {
        _ = try await body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as RedisError {
        #expect(error.code == code, "\(error.debugDescription)", sourceLocation: sourceLocation)
        return error
    } catch {
        Issue.record("\(error) was thrown", sourceLocation: sourceLocation)
    }
    return nil
}
