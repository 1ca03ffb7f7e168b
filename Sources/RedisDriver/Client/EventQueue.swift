// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import Logging
internal import Synchronization

/// How one kind of events comes about.
struct Watching<Event: Sendable>: Sendable {
    /// Told once the server has taken what opens it.
    let began: Event
    /// Told when the connection is gone.
    let lost: Event
    /// What opens it.
    let opening: @Sendable (ServerFacts) -> Result<[RedisCommand], RedisError>
    /// The event that a push tells of, if it does.
    let read: @Sendable ([RedisValue]) -> Event?
}

/// Which of the connections that a subscription needs stand: it stands while all of them do. Decisions only.
struct Standing {
    private var needed: Set<String> = []
    private var standing: Set<String> = []

    /// Whether all stand that are needed.
    var isWhole: Bool { !needed.isEmpty && standing == needed }

    /// These are needed from now on, and no others.
    mutating func need(_ names: Set<String>) {
        needed = names
        standing.formIntersection(names)
    }

    /// This one stands, or does not any more.
    mutating func note(_ name: String, stands: Bool) {
        if !stands { standing.remove(name) } else if needed.contains(name) { standing.insert(name) }
    }
}

/// Events between the lanes on which they come in and their reader.
final class EventQueue<Event: Sendable>: Listener {
    private struct State {
        var events: Deque<Event> = []
        var lanes: [String: Lane] = [:]
        var standing = Standing()
        var isClosed = false
    }

    /// Most events that wait for the reader.
    private static var waitingMax: Int { 1024 }

    fileprivate let watching: Watching<Event>
    private let ringer: AsyncStream<Void>.Continuation
    private let surroundings: Surroundings
    private let state = Mutex(State())

    /// A queue of what `watching` reads; the ringer rings whenever something is queued.
    init(_ watching: Watching<Event>, _ ringer: AsyncStream<Void>.Continuation, _ surroundings: Surroundings) {
        self.watching = watching
        self.ringer = ringer
        self.surroundings = surroundings
    }

    /// The next event, nil where none waits.
    func take() -> Event? {
        state.withLock { $0.events.popFirst() }
    }

    func listen(at places: () -> [Node.Place]) {
        let (new, old) = change { state -> ([Lane], [Lane]) in
            guard !state.isClosed else { return ([], []) }
            let places = places()
            let names = Set(places.map(\.name))
            let old = state.lanes.filter { !names.contains($0.key) }
            for name in old.keys { state.lanes[name] = nil }
            var new: [Lane] = []
            for place in places where state.lanes[place.name] == nil {
                let lane = Lane(place, surroundings, watcher: Post(queue: self, name: place.name))
                state.lanes[place.name] = lane
                new.append(lane)
            }
            state.standing.need(names)
            return (new, Array(old.values))
        }
        for lane in new { lane.open() }
        for lane in old { lane.close() }
    }

    func close() {
        let lanes = state.withLock { state in
            state.isClosed = true
            defer { state.lanes = [:] }
            return state.lanes
        }
        for lane in lanes.values { lane.close() }
        ringer.finish()
    }

    /// The connection to the place with this name was opened, or refused.
    func opened(_ name: String, _ failure: RedisError?) {
        if let failure {
            surroundings.logger.error(
                "Redis refused a subscription", metadata: ["error": "\(failure.debugDescription)"])
        } else {
            change { $0.standing.note(name, stands: true) }
        }
    }

    /// That connection is gone.
    func lost(_ name: String) {
        change { $0.standing.note(name, stands: false) }
    }

    /// The server sent something on its own account. What comes while the subscription does not stand is nobody's.
    func received(_ push: [RedisValue]) {
        guard let event = watching.read(push) else { return }
        change { if $0.standing.isWhole { queue(event, &$0) } }
    }

    /// Changes the state, tells where the subscription begins or ceases to stand by that, and rings where there is something
    /// to read.
    private func change<Value>(_ body: (inout State) -> Value) -> Value {
        let (value, rings) = state.withLock { state in
            let wasWhole = state.standing.isWhole
            let value = body(&state)
            if state.standing.isWhole != wasWhole { queue(wasWhole ? watching.lost : watching.began, &state) }
            return (value, !state.events.isEmpty)
        }
        if rings { ringer.yield() }
        return value
    }

    private func queue(_ event: Event, _ state: inout State) {
        guard state.events.count >= Self.waitingMax else { return state.events.append(event) }
        state.events = state.standing.isWhole ? [watching.lost, watching.began] : [watching.lost]
    }
}

/// Hears what comes in on one of a queue's lanes.
private struct Post<Event: Sendable>: LaneWatcher {
    let queue: EventQueue<Event>
    let name: String

    func connected(to server: ServerFacts) -> Result<[RedisCommand], RedisError> { queue.watching.opening(server) }
    func opened(_ failure: RedisError?) { queue.opened(name, failure) }
    func received(_ push: [RedisValue]) { queue.received(push) }
    func lost() { queue.lost(name) }
}

/// Listens on lanes of its own until it is closed.
protocol Listener: AnyObject, Sendable {
    /// Listens at these places from now on, by a connection to each, and at no others.
    func listen(at places: () -> [Node.Place])
    /// Closes the lanes, for good.
    func close()
}

/// All that listen, so that they end with the client.
final class Listeners: Sendable {
    /// Nil once the client is closed.
    private let all = Mutex<[ObjectIdentifier: any Listener]?>([:])

    /// Adds one; false where the client is closed.
    func add(_ listener: any Listener) -> Bool {
        all.withLock { all in
            all?[ObjectIdentifier(listener)] = listener
            return all != nil
        }
    }

    /// Takes one out.
    func remove(_ listener: any Listener) {
        _ = all.withLock { $0?.removeValue(forKey: ObjectIdentifier(listener)) }
    }

    /// Closes all, and lets no more in.
    func close() {
        let open = all.withLock { all in
            defer { all = nil }
            return all ?? [:]
        }
        for listener in open.values { listener.close() }
    }
}
