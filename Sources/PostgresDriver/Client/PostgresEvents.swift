// SPDX-License-Identifier: Apache-2.0

internal import DriverSupport
internal import Logging
internal import Synchronization

/// What a subscription tells.
public enum PostgresEvent: Sendable, Hashable {
    /// Somebody notified the channel. A hint, not a record: after `.lost` there may have been more.
    case notification(payload: String)
    /// The subscription stands, and was seen to work. What was committed before this may have gone unheard: look for it.
    case established
    /// The connection is gone; it is being made again.
    case lost
}

/// The events of one subscription, until the client is closed or the task that iterates is cancelled.
///
/// A reader that falls 1024 events behind loses the oldest: a later one is always still to come, so that who looks at
/// the database after each event misses nothing.
public struct PostgresEvents: AsyncSequence, Sendable {
    public typealias Element = PostgresEvent
    public typealias Failure = Never

    /// Most events that wait for the reader.
    static let waitingMax = 1024

    let stream: AsyncStream<PostgresEvent>

    public func makeAsyncIterator() -> AsyncStream<PostgresEvent>.Iterator {
        stream.makeAsyncIterator()
    }
}

extension PostgresClient {
    /// Subscribes to `channel`, on a connection of its own, which is made again whenever it is lost.
    ///
    /// - Parameter heartbeat: The time between two tests of the connection: a notification to a private channel, which
    ///   has to arrive. It takes a lock that the whole database shares, for a moment. Default: 20 s.
    /// - Throws: `.pooled` behind a transaction pooler, which delivers nothing to anybody; `.invalidArgument` for a
    ///   name that PostgreSQL would cut; otherwise where no connection can be made at all.
    public func listen(
        to channel: String, heartbeat: Duration = .seconds(20)
    ) async throws(PostgresError) -> PostgresEvents {
        guard (1...63).contains(channel.utf8.count), !channel.utf8.contains(0) else {
            throw PostgresError(.invalidArgument, "A channel's name has 1 to 63 bytes.")
        }
        if try await isTransactionPooled {
            throw PostgresError(
                .pooled,
                """
                LISTEN needs a connection of its own for good, and a transaction pooler lends one only for the time of \
                a transaction: configure the server's direct URL for this, the one that does not lead through the pooler.
                """)
        }
        let (stream, continuation) = AsyncStream.makeStream(
            of: PostgresEvent.self, bufferingPolicy: .bufferingNewest(PostgresEvents.waitingMax))
        let subscription = Subscription(
            Listening(
                channel: channel, probeChannel: "sojourn_probe_\(String(UInt64.random(in: 0 ... .max), radix: 36))",
                heartbeat: heartbeat, patience: configuration.answerTimeout),
            continuation, surroundings.logger)
        let lane = Lane(
            Lane.Settings(name: "pg-listen", window: 1, queueMax: nil, queued: Tally(), watcher: subscription),
            surroundings)
        guard listeners.add(lane) else { throw .shutDown() }
        continuation.onTermination = { [listeners] _ in
            listeners.remove(lane)
            lane.close()
        }
        lane.open()
        return PostgresEvents(stream: stream)
    }
}

/// Tells a subscription's reader what `Listening` decides.
private final class Subscription: LaneWatcher {
    private let state: Mutex<Listening>
    private let reader: AsyncStream<PostgresEvent>.Continuation
    private let logger: Logger

    init(_ listening: Listening, _ reader: AsyncStream<PostgresEvent>.Continuation, _ logger: Logger) {
        state = Mutex(listening)
        self.reader = reader
        self.logger = logger
    }

    func connected(at now: ContinuousClock.Instant) -> [PostgresCall] {
        state.withLock { listening in
            [listening.channel, listening.probeChannel].map { PostgresCall(once: "LISTEN \($0.asIdentifier)") }
        }
    }

    func opened(_ failure: PostgresError?) {
        if let failure { logger.error("LISTEN was refused", metadata: ["error": "\(failure.debugDescription)"]) }
        state.withLock { $0.subscribed(failure == nil, at: .now) }
    }

    func notified(channel: String, payload: String, at now: ContinuousClock.Instant) {
        tell(state.withLock { $0.notified(channel, payload, at: now) })
    }

    func lost() {
        tell(state.withLock { $0.disconnected() })
    }

    func tick(at now: ContinuousClock.Instant) -> WatcherOrder {
        let (channel, due) = state.withLock { ($0.probeChannel, $0.tick(at: now)) }
        var order = WatcherOrder(next: due.next)
        switch due.action {
        case .probe(let token): order.calls = [PostgresCall(once: "NOTIFY \(channel.asIdentifier), '\(token)'")]
        case .giveUp: order.declaresLost = true
        default: break
        }
        return order
    }

    func ended() {
        reader.finish()
    }

    private func tell(_ action: Listening.Action?) {
        switch action {
        case .established: reader.yield(.established)
        case .lost: reader.yield(.lost)
        case .notification(let payload): reader.yield(.notification(payload: payload))
        default: break
        }
    }
}

/// The lanes of all subscriptions, so that they end with the client.
final class Listeners: Sendable {
    private struct State {
        var lanes: [ObjectIdentifier: Lane] = [:]
        var isClosed = false
    }

    private let state = Mutex(State())

    /// Adds one; false where the client is closed.
    func add(_ lane: Lane) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.lanes[ObjectIdentifier(lane)] = lane
            return true
        }
    }

    /// Takes one out.
    func remove(_ lane: Lane) {
        _ = state.withLock { $0.lanes.removeValue(forKey: ObjectIdentifier(lane)) }
    }

    /// Closes all, and lets no more in.
    func close() {
        let lanes = state.withLock { state in
            state.isClosed = true
            defer { state.lanes = [:] }
            return Array(state.lanes.values)
        }
        for lane in lanes { lane.close() }
    }
}

extension String {
    /// Quoted as SQL wants a name that may hold anything.
    fileprivate var asIdentifier: String {
        "\"\(replacing("\"", with: "\"\""))\""
    }
}
