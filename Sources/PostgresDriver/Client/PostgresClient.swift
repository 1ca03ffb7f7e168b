// SPDX-License-Identifier: Apache-2.0

internal import DriverSupport
public import Logging
internal import Metrics
public import ServiceLifecycle
internal import Synchronization

/// Whether a unit is sent again where its connection was lost before its answer had come.
public enum PostgresRetry: Sendable, Hashable {
    /// Not where it may have taken effect: the caller is told that its outcome is unknown. A unit of which it is
    /// certain that nothing happened is sent again all the same.
    case never
    /// Once, on the next connection: for reads, and for writes whose repetition does no harm.
    case ifInterrupted
}

/// A client of one PostgreSQL database, on libpq's pipeline mode.
///
/// - **Lanes.** A few connections are shared by all callers. What a caller sends is a unit: one implicit transaction
///   with a sync of its own, sent without waiting for the units before it. A failure never touches a neighbour.
/// - **Leases.** `withTransaction` borrows a connection of its own, from a small pool beside the lanes.
/// - **Answers.** A caller is answered once its commit was seen; at the latest when `answerTimeout` is over. What is
///   known of a failed unit's effect is `PostgresError.outcome`.
/// - **Outages.** Connections are made when they are first needed and made again when they are lost; callers wait
///   meanwhile for at most `outageGrace` and the attempt under way, but are told at once where the server refuses us.
///
/// Nothing starts in `init`. Run it in a service group for an orderly end, or call `close()`.
public final class PostgresClient: Sendable {
    let configuration: PostgresConfiguration
    let surroundings: LaneSurroundings
    let lanes: [Lane]
    let leases: LeasePool
    let listeners = Listeners()

    /// A client that connects when it is first used. A configuration that cannot work fails the first use.
    public init(_ configuration: PostgresConfiguration, logger: Logger) {
        self.configuration = configuration
        let surroundings = LaneSurroundings(
            configuration: configuration, pooling: PoolingKnowledge(configuration), logger: logger)
        self.surroundings = surroundings
        let queued = Tally()
        lanes = (0..<max(1, configuration.connections)).map { number in
            Lane(
                Lane.Settings(
                    name: "pg-lane-\(number)", window: configuration.inFlightMax, queueMax: configuration.queueMax,
                    queued: queued), surroundings)
        }
        leases = LeasePool(surroundings)
    }

    deinit {
        close()
    }

    /// How many connections are shared by all callers.
    public var laneCount: Int { lanes.count }

    /// Most time from a call to its answer, as configured.
    public var answerTimeout: Duration { configuration.answerTimeout }

    /// How many units wait to be sent on the shared connections.
    public var waitingCount: Int { lanes[0].settings.queued.value }

    /// Ends the client: who waits is refused, what is under way is finished, then the connections are closed. Returns
    /// at once.
    public func close() {
        leases.close()
        listeners.close()
        for lane in lanes { lane.close() }
    }
}

extension PostgresClient: Service {
    /// Waits for the service group's graceful shutdown or for cancellation, then closes the client, and returns when
    /// the last connection is closed. Connections do not need it to be running.
    public func run() async throws {
        try? await gracefulShutdown()
        close()
        await surroundings.farewell.wait()
    }
}

extension PostgresClient {
    /// Runs `calls` as one unit: one round trip, all or nothing, answered after the commit.
    ///
    /// - Parameters:
    ///   - lane: Which connection, from 0 to `laneCount - 1`; nil for the one with the least to do. What is sent to the
    ///     same lane is begun in its order.
    ///   - retry: Whether it may be sent again though its outcome is unknown.
    /// - Returns: One result per call.
    public func send(
        _ calls: [PostgresCall], lane: Int? = nil, retry: PostgresRetry = .never
    ) async throws(PostgresError) -> [PostgresRows] {
        if let mistake = configuration.mistake { throw mistake }
        for call in calls { if let refusal = call.refusal { throw refusal } }
        guard !calls.isEmpty else { return [] }
        let patience = configuration.answerTimeout
        let chosen = try chosenLane(lane)
        let waiter = Waiter(queued: chosen.settings.queued)
        var unit = Unit(content: .calls(calls), deadline: .now + patience, patience: patience, waiter: waiter)
        unit.isRepeatable = retry == .ifInterrupted
        return try await chosen.answer(to: unit)
    }

    /// Runs one call as a unit of its own. Parameters as in `send`.
    public func query(
        _ call: PostgresCall, lane: Int? = nil, retry: PostgresRetry = .never
    ) async throws(PostgresError) -> PostgresRows {
        guard let rows = try await send([call], lane: lane, retry: retry).first else {
            throw PostgresError(.unexpectedResult, "The database answered a statement without a result.")
        }
        return rows
    }

    /// Whether a transaction pooler stands before the server. Connects where that is not known yet.
    public var isTransactionPooled: Bool {
        get async throws(PostgresError) {
            if let known = surroundings.pooling.isTransactionPooled { return known }
            _ = try await query(PostgresCall(once: "SELECT 1"), retry: .ifInterrupted)
            return surroundings.pooling.isTransactionPooled ?? false
        }
    }

    private func chosenLane(_ number: Int?) throws(PostgresError) -> Lane {
        if let number {
            guard lanes.indices.contains(number) else {
                throw PostgresError(.invalidArgument, "There is no lane \(number); there are \(lanes.count).")
            }
            return lanes[number]
        }
        return lanes.min { $0.load.value < $1.load.value } ?? lanes[0]
    }
}

extension Lane {
    /// Queues `unit` and waits for its answer. A cancelled caller is answered at once.
    func answer(to unit: Unit) async throws(PostgresError) -> [PostgresRows] {
        let outcome: Waiter.Outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                unit.waiter.attach { continuation.resume(returning: $0) }
                enqueue(unit)
            }
        } onCancel: {
            unit.waiter.cancel()
        }
        return try outcome.get()
    }

    /// The same for who must not be interrupted.
    func answerRegardless(to unit: Unit) async throws(PostgresError) -> [PostgresRows] {
        let outcome: Waiter.Outcome = await withCheckedContinuation { continuation in
            unit.waiter.attach { continuation.resume(returning: $0) }
            enqueue(unit)
        }
        return try outcome.get()
    }
}
