// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import DriverSupport
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Synchronization

/// What all lanes of a client share.
struct Surroundings: Sendable {
    let configuration: RedisConfiguration
    let logger: Logger
    /// How many connections there are.
    let connections = Tally()
    /// Who waits for the end of the lanes.
    let farewell = Farewell()

    /// No outage yet. Where somebody else may take over from a server that is gone, it pays to look often.
    var outage: Outage {
        let hasSuccessors = configuration.topology != .single || configuration.hosts.count > 1
        return Outage(grace: configuration.outageGrace, pauseMax: hasSuccessors ? .milliseconds(500) : .seconds(2))
    }

    /// What tells this client's gauges from those of others in the process.
    var dimensions: [(String, String)] { [("client", configuration.clientName)] }
}

/// One connection and its queue, from the side of the callers. The other side is `LaneLoop`, on an event loop, which
/// begins with the first call.
///
/// Callers only append to the queue. The first one after the loop has looked wakes it; what others add until it comes is
/// written with it, at once. That is all of the pipelining.
final class Lane: Sendable {
    private struct State {
        var queue: Deque<Call> = []
        var loop: LaneLoop?
        var isAwake = false
        var isClosed = false
    }

    let surroundings: Surroundings
    /// Which server.
    let place: Node.Place
    /// Who wants the connection to stand, calls or not, and hears what comes in on it.
    let watcher: (any LaneWatcher)?
    /// What keeps it with the other lanes to that server.
    let accord: Accord
    /// Where its connection is served.
    let eventLoop: any EventLoop
    /// How many calls wait or are under way.
    let load = Tally()
    private let state = Mutex(State())

    /// A lane without a connection yet.
    init(
        _ place: Node.Place, _ surroundings: Surroundings, _ accord: Accord = Accord(),
        watcher: (any LaneWatcher)? = nil,
        on eventLoop: any EventLoop = MultiThreadedEventLoopGroup.singleton.next()
    ) {
        self.eventLoop = eventLoop
        self.place = place
        self.surroundings = surroundings
        self.accord = accord
        self.watcher = watcher
    }
}

// MARK: - For callers

extension Lane {
    /// Queues `calls`, one right after the other, or tells their callers why not.
    func enqueue(_ calls: some Collection<Call>) {
        let queueMax = surroundings.configuration.queueMax
        let (refusal, woken): (RedisError?, LaneLoop?) = state.withLock { state in
            guard !state.isClosed else { return (.shutDown(), nil) }
            guard load.value + calls.count <= queueMax else {
                return (RedisError(.queueFull, "\(queueMax) calls wait for Redis already."), nil)
            }
            state.queue.append(contentsOf: calls)
            load.add(calls.count)
            guard !state.isAwake else { return (nil, nil) }
            state.isAwake = true
            return (nil, loop(&state))
        }
        if let woken { woken.eventLoop.execute { woken.work() } }
        if let refusal { for call in calls { call.fail(refusal) } }
    }

    /// Connects before there is work, for a lane with a watcher.
    func open() {
        let woken: LaneLoop? = state.withLock { state in state.isClosed ? nil : loop(&state) }
        if let woken { woken.eventLoop.execute { woken.work() } }
    }

    /// Ends the lane: what waits is refused, what is under way is finished first.
    func close() {
        let loop = state.withLock { state in
            state.isClosed = true
            return state.loop
        }
        if let loop { loop.eventLoop.execute { loop.work() } }
    }

    private func loop(_ state: inout State) -> LaneLoop {
        if let loop = state.loop { return loop }
        let loop = LaneLoop(self, eventLoop)
        state.loop = loop
        surroundings.farewell.enter()
        return loop
    }
}

// MARK: - For the loop

extension Lane {
    /// Lets go of the loop, which has ended.
    func loopEnded() {
        state.withLock { $0.loop = nil }
        surroundings.farewell.leave()
    }

    /// Moves what callers queued to the end of `waiting`; from the return on, the next caller wakes the loop.
    ///
    /// - Returns: Whether the lane is to end.
    func take(into waiting: inout Deque<Call>) -> Bool {
        state.withLock { state in
            state.isAwake = false
            if waiting.isEmpty {
                swap(&waiting, &state.queue)
            } else {
                waiting.append(contentsOf: state.queue)
                state.queue.removeAll(keepingCapacity: true)
            }
            return state.isClosed
        }
    }
}

/// Wants a lane's connection to stand, and hears what comes in on it. Called on the lane's event loop, which it must not
/// keep.
protocol LaneWatcher: Sendable {
    /// A connection was made; what is to be sent on it first, or why the server will not do.
    func connected(to server: ServerFacts) -> Result<[RedisCommand], RedisError>
    /// What was sent first was taken, or refused with this.
    func opened(_ failure: RedisError?)
    /// The server sent something on its own account.
    func received(_ push: [RedisValue])
    /// The connection is gone.
    func lost()
}

extension RedisError {
    /// The client was closed before the command was sent.
    static func shutDown(file: String = #fileID, line: Int = #line) -> Self {
        Self(.shutDown, "The Redis client has been closed.", file: file, line: line)
    }
}
