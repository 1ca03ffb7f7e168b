// SPDX-License-Identifier: Apache-2.0

internal import CPostgres
internal import DriverSupport
internal import Glibc
internal import Logging
internal import Metrics

/// The thread behind a lane: it connects, sends what waits, reads what comes, and answers.
///
/// One round: look for orders; send; wait for the socket, the bell or the next deadline; read. What to do is decided
/// by values (`Flight`, `Outage`, `PreparedStatements`), done here. Everything in here belongs to the one thread.
final class LaneLoop {
    let lane: Lane
    /// The connection, nil while there is none.
    var wire: Wire?
    /// Counts connections, so that a transaction can tell whether it is still on its own.
    var connection: UInt64 = 0
    /// What is under way on it.
    var flight = Flight()
    /// What is prepared on it.
    var statements: PreparedStatements
    /// Whether something is still to be written.
    var needsFlush = false
    /// Whether a script is under way, outside of the pipeline.
    var isInScript = false
    /// When the server last said something, or was last idle.
    var lastHeard = ContinuousClock.now
    private var outage: Outage
    private var isConnecting = false
    private var retry: ContinuousClock.Instant?
    private var nextReport = ContinuousClock.now

    /// The loop of `lane`.
    init(_ lane: Lane) {
        self.lane = lane
        statements = PreparedStatements(max: lane.surroundings.configuration.preparedMax)
        outage = Outage(grace: lane.surroundings.configuration.outageGrace)
    }

    private var logger: Logger { lane.surroundings.logger }

    /// Works until the lane is closed and nothing is under way any more.
    func run() {
        while let timeout = round() { wait(until: timeout) }
        if wire != nil { disconnect() }
        lane.settings.watcher?.ended()
    }

    /// Does what there is to do; until when to wait then, or nil at the end.
    private func round() -> ContinuousClock.Instant? {
        let now = ContinuousClock.now
        if let failure = overdue(now) { lose(failure) }
        let orders = lane.orders(at: now, room: wire == nil ? nil : isInScript ? 0 : max(0, window - flight.count))
        for unit in orders.expired { answer(unit) { $0.expire() } }
        for (unit, error) in orders.refused { answer(unit) { $0.answer(.failure(error)) } }
        if orders.dropsConnection, wire != nil {
            cancelInServer()
            lose(PostgresError(.connectionLost, "The connection was given up."))
        }
        if let outcome = orders.connected { finishConnecting(outcome, now) }
        if !orders.units.isEmpty { send(orders.units) }
        if orders.isClosing && flight.isEmpty { return nil }
        let watched = orders.isClosing ? nil : attend(now)
        let isWanted = orders.nextDeadline != nil || lane.settings.watcher != nil
        if wire == nil, isWanted, !orders.isClosing { connect(now) }
        flush()
        report(now)
        let deadlines = [orders.nextDeadline, watched, flight.nextDeadline, wire == nil ? retry : closing(now)]
        return deadlines.compactMap(\.self).min() ?? now + .seconds(3600)
    }

    /// Most units under way: one behind a pooler. pgbouncer 1.18 may hand the server to somebody else between two, and
    /// then loses a unit of ours without a word.
    private var window: Int {
        isPooled ? 1 : lane.settings.window
    }

    /// Whether a transaction pooler stands before the server.
    var isPooled: Bool { lane.surroundings.pooling.isTransactionPooled ?? false }

    /// Waits for the server, the bell, or `deadline`; then reads.
    private func wait(until deadline: ContinuousClock.Instant) {
        let events = Int16(POLLIN) | (needsFlush ? Int16(POLLOUT) : 0)
        var descriptors = [
            pollfd(fd: lane.bell.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: wire?.socket ?? -1, events: events, revents: 0),
        ]
        let ready = poll(&descriptors, 2, deadline.pollTimeout)
        guard ready > 0 else { return }
        if descriptors[0].revents != 0 { lane.bell.silence() }
        if descriptors[1].revents != 0 { read() }
    }

    /// Tells `unit`'s caller, who then counts no more as a load.
    func answer(_ unit: Unit, _ tell: (Waiter) -> Void) {
        lane.load.add(-1)
        tell(unit.waiter)
    }

    private func report(_ now: ContinuousClock.Instant) {
        guard now >= nextReport else { return }
        nextReport = now + .seconds(1)
        Gauge(label: "postgres.units.waiting", dimensions: lane.surroundings.dimensions)
            .record(lane.settings.queued.value)
    }
}

// MARK: - Deadlines

extension LaneLoop {
    /// Answers callers in flight whose time is up; why the connection has to be given up, or nil where it need not.
    private func overdue(_ now: ContinuousClock.Instant) -> PostgresError? {
        for unit in flight.expire(now) { unit.waiter.expire() }
        guard let patience = flight.patience, lastHeard + patience <= now else { return nil }
        cancelInServer()
        return PostgresError(.timedOut, "The database said nothing for \(patience) while it owed an answer.")
    }

    /// Asks the server to give up what is under way: it does not notice that nobody listens any more, and would keep the
    /// statement's locks to its end. It is only asked, on a thread that may block: it may be gone.
    private func cancelInServer() {
        guard !flight.isEmpty, let canceller = wire?.canceller else { return }
        _ = DriverThread.start("pg-cancel") { canceller.cancel() }
    }

    /// When the connection is next given up for silence or for lack of work; does the latter where it is time.
    private func closing(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        if let patience = flight.patience { return lastHeard + patience }
        guard let wire, let timeout = lane.settings.idleTimeout, wire.isOutsideTransaction else { return nil }
        guard lastHeard + timeout <= now else { return lastHeard + timeout }
        disconnect()
        return nil
    }

    /// Asks the watcher, if there is one, what it wants; when to ask again.
    private func attend(_ now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        guard let watcher = lane.settings.watcher, wire != nil else { return nil }
        let order = watcher.tick(at: now)
        if order.declaresLost {
            lose(PostgresError(.connectionLost, "A notification that was sent for a test did not arrive."))
        } else if !order.calls.isEmpty {
            sendForWatcher(order.calls) { _ in }
        }
        return order.next
    }

    /// Sends calls that nobody waits for.
    private func sendForWatcher(_ calls: [PostgresCall], _ told: @escaping @Sendable (PostgresError?) -> Void) {
        let patience = lane.surroundings.configuration.answerTimeout
        let waiter = Waiter(queued: lane.settings.queued)
        waiter.attach { outcome in
            if case .failure(let failure) = outcome { told(failure) } else { told(nil) }
        }
        lane.load.add(1)
        send([Unit(content: .calls(calls), deadline: .now + patience, patience: patience, waiter: waiter)])
    }
}

// MARK: - Connecting and losing

extension LaneLoop {
    private func connect(_ now: ContinuousClock.Instant) {
        guard !isConnecting, retry.map({ $0 <= now }) ?? true else { return }
        isConnecting = true
        retry = nil
        let surroundings = lane.surroundings
        let connector = Connector(
            configuration: surroundings.configuration, pooling: surroundings.pooling, logger: surroundings.logger)
        // The connector keeps the lane until it is done; what it brings after the lane's end is closed with it.
        let isStarted = DriverThread.start("pg-connect") { [lane] in lane.deliver(connector.connect()) }
        if !isStarted {
            lane.deliver(.failure(PostgresError(.unreachable, "The system has no thread left for a connection.")))
        }
    }

    private func finishConnecting(_ outcome: Result<Wire, PostgresError>, _ now: ContinuousClock.Instant) {
        isConnecting = false
        switch outcome {
        case .success(let made):
            if outage.isOn { logger.notice("PostgreSQL is back", metadata: ["lane": "\(lane.settings.name)"]) }
            outage.ended()
            wire = made
            connection += 1
            lastHeard = now
            statements = PreparedStatements(max: statements.max)
            countConnection(1)
            // This round looked for orders before there was a connection.
            lane.bell.ring()
            if let watcher = lane.settings.watcher {
                sendForWatcher(watcher.connected(at: now)) { watcher.opened($0) }
            }
        case .failure(let failure):
            let isFirst = !outage.isOn
            let (next, tellsWaiting) = outage.failed(
                at: now, isLasting: failure.isLasting, chance: .random(in: 0...1))
            retry = next
            logger.log(
                level: isFirst ? .warning : .debug, "No connection to PostgreSQL",
                metadata: ["lane": "\(lane.settings.name)", "error": "\(failure.debugDescription)"])
            guard tellsWaiting else { return }
            for unit in lane.takeAll() { answer(unit) { $0.answer(.failure(failure)) } }
        }
    }

    /// The connection is gone, or no longer trusted: everyone on it is answered or sent again.
    func lose(_ reason: PostgresError) {
        var repeated: [Unit] = []
        for settled in flight.lose(reason, isDirect: !isPooled) {
            if let outcome = settled.outcome {
                finish(settled.unit, outcome)
            } else {
                repeated.append(settled.unit)
            }
        }
        putBack(repeated)
        disconnect()
        outage.lost(at: .now)
        lane.settings.watcher?.lost()
        Counter(label: "postgres.connections.lost").increment()
        logger.warning(
            "A connection to PostgreSQL was lost",
            metadata: ["lane": "\(lane.settings.name)", "error": "\(reason.debugDescription)"])
    }

    /// Queues units once more, but for those that nobody waits for.
    func putBack(_ units: [Unit]) {
        var waiting: [Unit] = []
        for var unit in units {
            unit.repeats += 1
            if unit.waiter.markQueued() { waiting.append(unit) } else { lane.load.add(-1) }
        }
        if !waiting.isEmpty { lane.putBack(waiting) }
    }

    private func disconnect() {
        wire = nil
        needsFlush = false
        isInScript = false
        countConnection(-1)
    }

    private func countConnection(_ difference: Int) {
        lane.surroundings.connections.add(difference)
        Gauge(label: "postgres.connections", dimensions: lane.surroundings.dimensions)
            .record(lane.surroundings.connections.value)
    }
}
