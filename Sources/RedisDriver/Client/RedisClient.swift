// SPDX-License-Identifier: Apache-2.0

internal import DriverSupport
public import Logging
public import ServiceLifecycle

/// A client of Redis, or of what speaks its protocol: RESP3, or RESP2 where the server knows no better.
///
/// - **Pipelining.** All callers share a few connections. What they send while the event loop is on its way is written at once.
///   Answers come in order; each caller is resumed with its own.
/// - **Answers.** At the latest when `answerTimeout` is over. What is known of a failed command's effect is
///   `RedisError.outcome`.
/// - **Outages.** Connections are made when they are first needed and made again when they are lost. Callers whose command
///   was not written wait meanwhile for at most `outageGrace`, but are told at once where the server refuses us.
///
/// Nothing starts in `init`. Run it in a service group for an orderly end, or call `close()`.
public final class RedisClient: Sendable {
    let surroundings: Surroundings
    let route: Route
    let listeners = Listeners()
    /// Why the configuration cannot work, or nil.
    let mistake: RedisError?

    /// A client that connects when it is first used. A configuration that cannot work fails the first use.
    public init(_ configuration: RedisConfiguration, logger: Logger) {
        mistake = configuration.mistake
        surroundings = Surroundings(configuration: configuration, logger: logger)
        route = Route(surroundings)
    }

    deinit {
        close()
    }

    /// Most time from a call to its answer, as configured.
    public var answerTimeout: Duration { surroundings.configuration.answerTimeout }

    /// How many commands wait for an answer, sent or not.
    public var waitingCount: Int { route.waitingCount }

    /// Ends the client: who waits is refused, what is under way is finished, then the connections are closed. Returns
    /// at once.
    public func close() {
        listeners.close()
        route.close()
    }
}

extension RedisClient: Service {
    /// Waits for the service group's graceful shutdown or for cancellation, then closes the client, and returns when
    /// the last connection is closed. Connections do not need it to be running.
    public func run() async throws {
        try? await gracefulShutdown()
        close()
        await surroundings.farewell.wait()
    }
}

extension RedisClient {
    /// Sends a command and returns the server's answer.
    ///
    /// - Throws: The server's error as `.server`; otherwise why there is no answer.
    public func send(_ command: RedisCommand) async throws(RedisError) -> RedisValue {
        if let mistake { throw mistake }
        return try await route.send(command, until: .now + answerTimeout)
    }

    /// Sends commands as one pipeline: those that go to one server go there in their order, with nobody's between them.
    /// They are no transaction: each succeeds or fails by itself, and what a cluster's node redirects runs a little later.
    ///
    /// - Returns: One result per command.
    public func send(_ commands: [RedisCommand]) async -> [Result<RedisValue, RedisError>] {
        if let mistake { return commands.map { _ in .failure(mistake) } }
        return await route.send(commands, until: .now + answerTimeout)
    }

    /// Sends commands that have no key to every server that takes writes: the one server, or each primary of a cluster.
    ///
    /// - Returns: By server (`host:port`, or the name of its master), one result per command.
    /// - Throws: Where it is not known who they are.
    public func sendToEach(
        _ commands: [RedisCommand]
    ) async throws(RedisError) -> [String: [Result<RedisValue, RedisError>]] {
        if let mistake { throw mistake }
        return try await route.sendToEach(commands, until: .now + answerTimeout)
    }
}
