// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import DriverSupport
internal import Logging
internal import Metrics
internal import NIOCore

/// The side of a lane that is on an event loop: it connects, writes what waits, and answers.
///
/// What to do is decided by values (`Flight`, `Outage`, `Handshake`), done here. Used on its event loop only, which is why
/// it may be handed to closures that run there.
final class LaneLoop: @unchecked Sendable {
    /// Most memory that is kept for what is written next.
    private static let outgoingKept = 1 << 20

    let lane: Lane
    let eventLoop: any EventLoop
    /// The connection, nil while there is none.
    var wire: Wire?
    /// What is under way on it.
    var flight = Flight(at: .now)
    /// Calls that are not written yet.
    var waiting: Deque<Call> = []
    private var runIDArgument: [UInt8] = []
    /// What the accord said of the connection.
    private var arrival = 0
    private var outage: Outage
    /// Calls that were refused and wait for the next connection.
    private var putBack: [Call] = []
    /// Why the connection is given up as soon as nothing is under way on it; nothing is written meanwhile.
    private var leaving: RedisError?
    private var followsReadOnly = false
    private var isConnecting = false
    private var isClosing = false
    private var isEnded = false
    private var isWorkPlanned = false
    private var retry: ContinuousClock.Instant?
    private var nextHeartbeat: ContinuousClock.Instant?
    private var nextReport = ContinuousClock.now
    private var alarm: (task: Scheduled<Void>, at: ContinuousClock.Instant)?
    private var catchUp = CatchUp()
    /// What is written next; kept, so that its memory is used again.
    private var outgoing = ByteBuffer()

    /// The other side of `lane`.
    init(_ lane: Lane, _ eventLoop: any EventLoop) {
        self.lane = lane
        self.eventLoop = eventLoop
        outage = lane.surroundings.outage
    }

    private var configuration: RedisConfiguration { lane.surroundings.configuration }
    private var logger: Logger { lane.surroundings.logger }

    /// Does what there is to do.
    func work() {
        eventLoop.assertInEventLoop()
        guard !isEnded else { return }
        isWorkPlanned = false
        isClosing = lane.take(into: &waiting)
        round(.now)
    }

    private func round(_ now: ContinuousClock.Instant) {
        if isClosing {
            refuse(.shutDown())
            if flight.isEmpty { return end() }
        } else if wire != nil {
            if isAstray { return lose(Self.astray) }
            if leaving != nil { wakeForWaiting() } else if !waiting.isEmpty { write(now) }
        } else {
            if let refusal = outage.refusal(at: now) { refuse(refusal) }
            let isWanted = !waiting.isEmpty || outage.isOn || lane.watcher != nil
            if isWanted, !isConnecting, retry.map({ $0 <= now }) ?? true { connect() }
            wakeForWaiting()
        }
        if now >= nextReport { report(now) }
    }

    /// Tells a caller, who then counts no more.
    private func settle(_ call: Call, _ tell: (Call) -> Void) {
        lane.load.add(-1)
        tell(call)
    }

    private func refuse(_ reason: RedisError) {
        let refused = Array(waiting)
        waiting.removeAll(keepingCapacity: true)
        for call in refused { settle(call) { $0.fail(reason) } }
    }

    private func end() {
        if wire != nil { disconnect() }
        guard !isConnecting else { return }
        isEnded = true
        alarm?.task.cancel()
        lane.loopEnded()
    }

    private func report(_ now: ContinuousClock.Instant) {
        nextReport = now + .seconds(1)
        Gauge(label: "redis.commands.waiting", dimensions: lane.surroundings.dimensions).record(lane.load.value)
    }
}

// MARK: - Writing

extension LaneLoop {
    /// Writes all that waits, at once.
    private func write(_ now: ContinuousClock.Instant) {
        outgoing.clear()
        var soonest: ContinuousClock.Instant?
        for call in waiting {
            guard call.markSent() else {
                lane.load.add(-1)
                continue
            }
            if let script = flight.missingScript(for: call, at: now) { append(script.loading) }
            if call.command.isAsking { append(RedisCommand("ASKING")) }
            append(call.command)
            flight.add(call, at: now)
            soonest = min(soonest ?? call.deadline, call.deadline)
        }
        waiting.removeAll(keepingCapacity: true)
        guard let soonest else { return }
        wake(by: soonest)
        send()
    }

    /// Writes what was put together, and keeps its memory unless that is much.
    private func send() {
        wire?.write(outgoing)
        if outgoing.capacity > Self.outgoingKept { outgoing = ByteBuffer() }
    }

    private func append(_ command: RedisCommand) {
        guard !command.runIDOffsets.isEmpty else {
            outgoing.writeBytes(command.wire)
            return
        }
        var start = 0
        for offset in command.runIDOffsets {
            outgoing.writeBytes(command.wire[start..<offset])
            outgoing.writeBytes(runIDArgument)
            start = offset
        }
        outgoing.writeBytes(command.wire[start...])
    }

    /// Writes commands of our own, for the watcher; tells of the answer to each of those that are answered.
    private func write(own commands: [RedisCommand], _ told: @escaping @Sendable (_ isLast: Bool, RedisError?) -> Void)
    {
        let now = ContinuousClock.now
        let deadline = now + configuration.answerTimeout
        outgoing.clear()
        for (index, command) in commands.enumerated() {
            append(command)
            guard command.isAnswered else { continue }
            let isLast = index == commands.count - 1
            let call = Call(
                command, deadline: deadline,
                caller: .handler { outcome in
                    if case .failure(let error) = outcome { told(isLast, error) } else { told(isLast, nil) }
                })
            _ = call.markSent()
            lane.load.add(1)
            flight.add(call, at: now)
        }
        wake(by: deadline)
        send()
    }
}

// MARK: - Reading

extension LaneLoop: WireReader {
    func received(_ frame: FrameDecoder.Frame) {
        if isAstray { return lose(Self.astray) }
        switch flight.receive(frame, at: .now) {
        case .nothing: break
        case .answer(let call, let outcome): settle(call) { $0.answer(outcome) }
        case .again(let call):
            waiting.append(call)
            planWork()
        case .elsewhere(let call, let reason):
            putBack.append(call)
            leaving = leaving ?? reason
        case .push(let elements): lane.watcher?.received(elements)
        case .giveUp(let error): wire?.fail(error)
        }
        guard flight.isEmpty else { return }
        if let leaving { lose(leaving) } else if isClosing { planWork() }
    }

    func ended(_ reason: RedisError) {
        lose(reason)
    }

    /// Works once what is being read has been read.
    private func planWork() {
        guard !isWorkPlanned else { return }
        isWorkPlanned = true
        eventLoop.execute { self.work() }
    }
}

// MARK: - Time

extension LaneLoop {
    /// Wakes the loop at `instant` at the latest.
    private func wake(by instant: ContinuousClock.Instant) {
        if let alarm, alarm.at <= instant { return }
        alarm?.task.cancel()
        let delay = max(.zero, ContinuousClock.now.duration(to: instant))
        let task = eventLoop.scheduleTask(in: TimeAmount(delay)) { self.tick() }
        alarm = (task, instant)
    }

    private func wakeForWaiting() {
        if let soonest = waiting.lazy.map(\.deadline).min() { wake(by: soonest) }
        if let graceEnd = outage.graceEnd, !waiting.isEmpty { wake(by: graceEnd) }
        if let retry, !isConnecting { wake(by: retry) }
    }

    private func tick() {
        let now = ContinuousClock.now
        // Where the loop was held up, answers may have come that it has not read: those first, then whose time is up.
        if let alarm, catchUp.putsOff(alarm.at, at: now) {
            self.alarm = nil
            return wake(by: now + CatchUp.pause)
        }
        alarm = nil
        guard !isEnded else { return }
        for call in flight.expire(now) { call.expire() }
        waiting.removeAll { call in
            guard call.deadline <= now || call.isAnswered else { return false }
            settle(call) { $0.expire() }
            return true
        }
        let patience = configuration.answerTimeout
        if let since = flight.owedSince, since + patience <= now {
            lose(RedisError(.connectionLost, "Redis owed an answer for \(patience), so the connection was given up."))
        }
        if let due = nextHeartbeat, due <= now, wire != nil {
            nextHeartbeat = now + configuration.heartbeat
            // Where an answer is owed already, its absence tells as much.
            if flight.isEmpty { write(own: [RedisCommand("PING")]) { _, _ in } }
        }
        work()
        wakeForWaiting()
        guard wire != nil else { return }
        if let deadline = flight.nextDeadline { wake(by: deadline) }
        if let since = flight.owedSince { wake(by: since + patience) }
        if let nextHeartbeat { wake(by: nextHeartbeat) }
    }
}

// MARK: - Connecting and losing

extension LaneLoop {
    private func connect() {
        isConnecting = true
        retry = nil
        let connector = Connector(configuration: configuration, place: lane.place, eventLoop: eventLoop)
        // The loop must not wait. The task ends with the attempt, which has a time limit.
        Task {
            let outcome = await connector.connect()
            eventLoop.execute { self.finishConnecting(outcome) }
        }
    }

    private func finishConnecting(_ outcome: Result<(Wire, ServerFacts), RedisError>) {
        eventLoop.assertInEventLoop()
        isConnecting = false
        let now = ContinuousClock.now
        switch outcome {
        case .success((let made, _)) where isClosing: made.close()
        case .success((let made, let server)) where made.isOpen: begin(made, server, now)
        case .success: missed(RedisError(.unreachable, "Redis closed the connection at once."), now)
        case .failure(let failure): missed(failure, now)
        }
        round(now)
    }

    private func begin(_ made: Wire, _ server: ServerFacts, _ now: ContinuousClock.Instant) {
        wire = made
        made.reader = self
        runIDArgument = server.runIDArgument
        arrival = lane.accord.arrived(at: runIDArgument)
        flight = Flight(
            at: now,
            Flight.Conditions(
                subscribesOverRESP2: lane.watcher != nil && server.protocolVersion == 2,
                followsReadOnly: followsReadOnly))
        followsReadOnly = false
        countConnection(1)
        nextHeartbeat = now + configuration.heartbeat
        wake(by: now + configuration.heartbeat)
        if let watcher = lane.watcher { open(watcher, on: made, to: server) } else { stands() }
    }

    /// Whether the connection leads to a server that the others have left.
    private var isAstray: Bool { !lane.accord.holds(arrival) }
    private static let astray = RedisError(.connectionLost, "Other connections lead to another server by now.")

    /// The connection does what it is for.
    private func stands() {
        if outage.isOn { logger.notice("Redis is back", metadata: metadata()) }
        outage.ended(at: .now)
    }

    private func missed(_ failure: RedisError, _ now: ContinuousClock.Instant) {
        let isFirst = !outage.isOn
        retry = outage.failed(failure, at: now, chance: .random(in: 0...1))
        logger.log(level: isFirst ? .warning : .debug, "No connection to Redis", metadata: metadata(failure))
    }

    /// The connection is gone, or no longer trusted: everyone on it is answered or sent again.
    private func lose(_ reason: RedisError) {
        eventLoop.assertInEventLoop()
        guard wire != nil else { return }
        let (repeated, failed) = flight.lose()
        followsReadOnly = leaving?.serverCode == "READONLY"
        disconnect()
        waiting.prepend(contentsOf: putBack + repeated)
        putBack = []
        retry = outage.lost(reason, at: .now, chance: .random(in: 0...1))
        lane.watcher?.lost()
        Counter(label: "redis.connections.lost").increment()
        logger.warning("A connection to Redis was lost", metadata: metadata(reason))
        for call in failed { settle(call) { $0.fail(reason) } }
        round(.now)
    }

    private func disconnect() {
        wire?.close()
        wire = nil
        leaving = nil
        nextHeartbeat = nil
        countConnection(-1)
    }

    private func countConnection(_ difference: Int) {
        lane.surroundings.connections.add(difference)
        Gauge(label: "redis.connections", dimensions: lane.surroundings.dimensions)
            .record(lane.surroundings.connections.value)
    }

    private func metadata(_ error: RedisError? = nil) -> Logger.Metadata {
        var metadata: Logger.Metadata = ["server": "\(lane.place.name)"]
        if let error { metadata["error"] = "\(error.debugDescription)" }
        return metadata
    }
}

// MARK: - Watching

extension LaneLoop {
    /// Sends what the watcher wants first, and a test behind it, whose answer tells that all was taken: subscriptions are
    /// confirmed by pushes, not by answers.
    private func open(_ watcher: any LaneWatcher, on made: Wire, to server: ServerFacts) {
        let opening: [RedisCommand]
        switch watcher.connected(to: server) {
        case .success(let commands): opening = commands
        case .failure(let failure):
            watcher.opened(failure)
            return made.fail(failure)
        }
        // Answers to calls of our own are told on this event loop.
        write(own: opening + [RedisCommand("PING")]) { [self] isLast, failure in
            guard wire === made, isLast || failure != nil else { return }
            watcher.opened(failure)
            if let failure { made.fail(failure) } else { stands() }
        }
    }
}
