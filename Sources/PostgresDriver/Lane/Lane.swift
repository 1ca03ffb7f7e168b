// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import DriverSupport
internal import Logging
internal import Synchronization

/// What all lanes of a client share.
struct LaneSurroundings: Sendable {
    let configuration: PostgresConfiguration
    let pooling: PoolingKnowledge
    let logger: Logger
    /// How many connections there are.
    let connections = Tally()
    /// Who waits for the end of the lanes' threads.
    let farewell = Farewell()

    /// What tells this client's gauges from those of others in the process.
    var dimensions: [(String, String)] { [("application", configuration.applicationName)] }
}

/// One connection and its queue, from the side of the callers. The other side is `LaneLoop`, on a thread of its own,
/// which starts with the first unit.
final class Lane: Sendable {
    /// How one lane differs from another.
    struct Settings: Sendable {
        /// The thread's name.
        let name: String
        /// Most units under way.
        let window: Int
        /// Most units waiting, by `queued`; nil where others see to that.
        let queueMax: Int?
        /// How many units wait, here and in the lanes that share the number.
        let queued: Tally
        /// How long the connection is kept without work; nil for ever.
        var idleTimeout: Duration?
        /// Who wants a connection to stand, work or not, and hears what comes in on it.
        var watcher: (any LaneWatcher)?
    }

    /// What the thread gets when it looks for work.
    struct Orders {
        /// Units to be sent.
        var units: [Unit] = []
        /// Units whose time is up.
        var expired: [Unit] = []
        /// Units that must not be sent any more, and why.
        var refused: [(Unit, PostgresError)] = []
        /// What a connector brought.
        var connected: Result<Wire, PostgresError>?
        /// Whether the connection is to be given up.
        var dropsConnection = false
        /// Whether the lane is to end.
        var isClosing = false
        /// When the first of those who go on waiting has waited enough; nil where nobody waits.
        var nextDeadline: ContinuousClock.Instant?
    }

    private struct State {
        var queue: Deque<Unit> = []
        var connected: Result<Wire, PostgresError>?
        var isSleeping = false
        var isStarted = false
        var isClosing = false
        var dropsConnection = false
    }

    let settings: Settings
    let surroundings: LaneSurroundings
    /// Wakes the thread.
    let bell = Bell()
    /// How many units wait or are under way.
    let load = Tally()
    private let state = Mutex(State())

    /// A lane without a thread yet.
    init(_ settings: Settings, _ surroundings: LaneSurroundings) {
        self.settings = settings
        self.surroundings = surroundings
    }
}

// MARK: - For callers

extension Lane {
    /// Queues `unit`, or tells its waiter why not.
    func enqueue(_ unit: Unit) {
        let (refusal, isFirst, wakes): (PostgresError?, Bool, Bool) = state.withLock { state in
            if state.isClosing { return (.shutDown(), false, false) }
            if let max = settings.queueMax, settings.queued.value > max {
                return (PostgresError(.queueFull, "More than \(max) calls wait for the database."), false, false)
            }
            state.queue.append(unit)
            load.add(1)
            prune(&state)
            let wakes = state.isSleeping
            state.isSleeping = false
            defer { state.isStarted = true }
            return (nil, !state.isStarted, wakes)
        }
        if let refusal { unit.waiter.answer(.failure(refusal)) }
        if isFirst { start() }
        if wakes { bell.ring() }
    }

    /// Starts the thread before there is work, for a lane with a watcher.
    func open() {
        let isFirst = state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted && !state.isClosing
        }
        if isFirst { start() }
    }

    /// Gives the connection up; what is under way on it is lost.
    func dropConnection() {
        state.withLock { $0.dropsConnection = true }
        bell.ring()
    }

    /// Ends the lane: what waits is refused, what is under way is finished first.
    func close() {
        state.withLock { $0.isClosing = true }
        bell.ring()
    }

    /// Units of callers that gave up are taken out where the thread is: here only so that they cannot pile up while it
    /// has no connection.
    private func prune(_ state: inout State) {
        guard let max = settings.queueMax, state.queue.count > 2 * max else { return }
        let before = state.queue.count
        state.queue.removeAll { $0.waiter.isAnswered }
        load.add(state.queue.count - before)
    }

    private func start() {
        surroundings.farewell.enter()
        let isStarted = DriverThread.start(settings.name) { [self] in
            LaneLoop(self).run()
            surroundings.farewell.leave()
        }
        guard !isStarted else { return }
        surroundings.farewell.leave()
        let stranded = state.withLock { state in
            state.isClosing = true
            defer { state.queue.removeAll() }
            return state.queue
        }
        for unit in stranded {
            unit.waiter.answer(.failure(PostgresError(.unreachable, "The system has no thread left for a connection.")))
        }
    }
}

// MARK: - For the thread

extension Lane {
    /// What there is to do; from the return on, `enqueue` rings the bell where nobody waits any more.
    ///
    /// - Parameters:
    ///   - room: How many units may be sent now; nil where there is no connection.
    func orders(at now: ContinuousClock.Instant, room: Int?) -> Orders {
        state.withLock { state in
            var orders = Orders()
            orders.connected = state.connected
            state.connected = nil
            orders.dropsConnection = state.dropsConnection
            state.dropsConnection = false
            orders.isClosing = state.isClosing
            while let unit = state.queue.first {
                if state.isClosing {
                    orders.refused.append((unit, .shutDown()))
                } else if unit.deadline <= now {
                    orders.expired.append(unit)
                } else if room == nil, unit.connection != nil {
                    orders.refused.append((unit, .transactionLost()))
                } else if let room, orders.units.count < room {
                    orders.units.append(unit)
                } else {
                    break
                }
                state.queue.removeFirst()
            }
            orders.nextDeadline = state.queue.first?.deadline
            state.isSleeping = state.queue.isEmpty
            return orders
        }
    }

    /// Puts units that are to be sent again before all others, in their order.
    func putBack(_ units: [Unit]) {
        state.withLock { state in
            for unit in units.reversed() { state.queue.prepend(unit) }
        }
        // The round that puts them back has looked for orders already.
        bell.ring()
    }

    /// Takes out all that wait.
    func takeAll() -> [Unit] {
        state.withLock { state in
            defer { state.queue.removeAll() }
            return Array(state.queue)
        }
    }

    /// Hands over what a connector brought.
    func deliver(_ connected: Result<Wire, PostgresError>) {
        state.withLock { $0.connected = connected }
        bell.ring()
    }
}

extension PostgresError {
    /// The client was closed before the unit was sent.
    static func shutDown(file: String = #fileID, line: Int = #line) -> Self {
        Self(.shutDown, "The database client has been closed.", file: file, line: line)
    }

    /// The transaction's connection is gone, and the transaction with it.
    static func transactionLost(file: String = #fileID, line: Int = #line) -> Self {
        Self(
            .connectionLost, "The connection broke, and the transaction was rolled back.", file: file, line: line)
    }
}
