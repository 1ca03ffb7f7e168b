// SPDX-License-Identifier: Apache-2.0

internal import DriverSupport
internal import Logging
internal import Synchronization

/// The nodes of a cluster and the map that says which of them serves a key.
///
/// Nodes are connected to when a command first goes to them. The map is fetched when it is first needed, when a node redirects
/// us or says that it cannot serve, and when the connection to one was lost: every attempt to connect again asks for it, so
/// that a failover is seen as soon as the cluster knows of it. What waits for a node that a newer map does not name goes to
/// whom it names instead.
final class Cluster: Sendable {
    private struct State {
        var map = SlotMap()
        var nodes: [RedisConfiguration.Host: Node] = [:]
        var upkeep = MapUpkeep()
        /// What is known of there being no map.
        var outage: Outage
        /// How many of those who may know the map were asked first.
        var inquiries = 0
        /// Who listens to all primaries.
        var listeners: [ObjectIdentifier: any Listener] = [:]
        /// Whether the map is fetched at every heartbeat, as long as somebody listens.
        var isBeating = false
        var isClosed = false
    }

    let surroundings: Surroundings
    private let state: Mutex<State>

    /// The cluster that the configured hosts are nodes of, without a map yet.
    init(_ surroundings: Surroundings) {
        self.surroundings = surroundings
        state = Mutex(State(outage: surroundings.outage))
    }

    /// How many commands wait for an answer of a node.
    var waitingCount: Int { state.withLock(\.nodes).values.reduce(0) { $0 + $1.waitingCount } }

    /// Closes all nodes, for good.
    func close() {
        let nodes = state.withLock { state in
            state.isClosed = true
            defer { state.nodes = [:] }
            return state.nodes
        }
        for node in nodes.values { node.close() }
    }
}

// MARK: - Who serves what

extension Cluster {
    /// Where a command is to go.
    enum Destination {
        /// There.
        case node(RedisConfiguration.Host, Node)
        /// Nobody is known to serve it.
        case unknown
        /// Nowhere, and it is no use to wait.
        case refused(RedisError)
    }

    /// Where a command for `slot`, nil for any, is to go now.
    func destination(_ target: ClusterCourse.Target, _ slot: HashSlot?) -> Destination {
        state.withLock { state in
            guard !state.isClosed else { return .refused(.shutDown()) }
            let host: RedisConfiguration.Host? =
                switch target {
                case .owner: slot.map { state.map[$0] } ?? state.map.primaries.randomElement()
                case .node(let host), .asking(let host): host
                }
            guard let host else { return state.outage.refusal(at: .now).map(Destination.refused) ?? .unknown }
            if let node = state.nodes[host] { return .node(host, node) }
            let node = Node(place(host), surroundings)
            state.nodes[host] = node
            return .node(host, node)
        }
    }

    /// The nodes that serve slots, as far as is known.
    var primaries: [Node] {
        state.withLock(\.map.primaries).compactMap { host in
            if case .node(_, let node) = destination(.node(host), nil) { node } else { nil }
        }
    }

    /// Takes in what a command learned on its way.
    func learn(from decision: ClusterCourse.Decision) {
        if let moved = decision.moved { state.withLock { $0.map.move(moved.slot, to: moved.node) } }
        if decision.isMapStale { wantMap() }
    }

    /// Where the node at `host` is. Every attempt to connect to it but the first doubts the map.
    private func place(_ host: RedisConfiguration.Host) -> Node.Place {
        let isFirst = Atomic(true)
        return Node.Place(name: "\(host.name):\(host.port)", needsPrimary: false) { [weak self] () throws(RedisError) in
            if !isFirst.exchange(false, ordering: .relaxed) { self?.wantMap() }
            return [host]
        }
    }
}

// MARK: - The map

extension Cluster {
    /// Sees to it that the map is fetched.
    func wantMap() {
        guard state.withLock({ !$0.isClosed && $0.upkeep.want() }) else { return }
        surroundings.farewell.enter()
        // Nobody waits for it, as any command may be served before it is done. It ends once nobody wants the map.
        Task {
            repeat {
                let next = ContinuousClock.now + MapUpkeep.pause
                try? await Task.sleep(until: max(next, await fetchMap() ?? next), clock: .continuous)
            } while state.withLock { $0.upkeep.goesOn() && !$0.isClosed }
            surroundings.farewell.leave()
        }
    }

    /// Asks one after the other of those who may know, beginning with another one each time: one that was cut off from the
    /// others goes on believing in its own map.
    ///
    /// - Returns: When to try again where nobody answered.
    private func fetchMap() async -> ContinuousClock.Instant? {
        let (hosts, first) = state.withLock { state in
            state.upkeep.begin()
            state.inquiries += 1
            let hosts = self.hosts(by: state.map)
            return (hosts, state.inquiries % hosts.count)
        }
        var failures: [RedisError] = []
        for host in hosts[first...] + hosts[..<first] where !state.withLock(\.isClosed) {
            do throws(RedisError) {
                let answer = try await Inquiry.ask(
                    RedisCommand("CLUSTER", ["SLOTS"]), of: host, surroundings.configuration)
                adopt(try SlotMap(answer, from: host))
                return nil
            } catch {
                failures.append(error)
            }
        }
        guard !state.withLock(\.isClosed) else { return nil }
        let failure = Connector.summary(failures)
        let (isFirst, retry) = state.withLock { state in
            let isFirst = !state.outage.isOn
            return (isFirst, state.outage.failed(failure, at: .now, chance: .random(in: 0...1)))
        }
        surroundings.logger.log(
            level: isFirst ? .warning : .debug, "No node tells the cluster's map",
            metadata: ["error": "\(failure.debugDescription)"])
        return retry
    }

    /// All nodes by `map`, and the configured ones.
    private func hosts(by map: SlotMap) -> [RedisConfiguration.Host] {
        let known = map.primaries + map.replicas
        return known + surroundings.configuration.hosts.filter { !known.contains($0) }
    }

    /// From now on this is the map. Nodes that it does not name as primaries are put away.
    private func adopt(_ map: SlotMap) {
        let (dropped, listeners) = state.withLock { state in
            state.map = map
            state.outage.ended(at: .now)
            let dropped = state.nodes.filter { !map.primaries.contains($0.key) }
            for host in dropped.keys { state.nodes[host] = nil }
            return (dropped, state.listeners)
        }
        for node in dropped.values { node.close() }
        for listener in listeners.values { tell(listener) }
    }
}

// MARK: - Listening

extension Cluster {
    /// Any node that can be connected to.
    var anywhere: Node.Place {
        Node.Place(name: "cluster", needsPrimary: false) { [weak self] () throws(RedisError) in
            guard let self else { throw .shutDown() }
            wantMap()
            return state.withLock { hosts(by: $0.map) }.shuffled()
        }
    }

    /// Tells `listener` of all primaries, now and whenever the map changes. Nothing may be sent for long while somebody
    /// listens, so the map is fetched at every heartbeat.
    func post(_ listener: any Listener) {
        let beats = state.withLock { state in
            state.listeners[ObjectIdentifier(listener)] = listener
            defer { state.isBeating = true }
            return !state.isBeating
        }
        tell(listener)
        wantMap()
        guard beats else { return }
        let heartbeat = surroundings.configuration.heartbeat
        // It belongs to all who listen, and ends a heartbeat after the last of them at most.
        Task { [weak self] in
            repeat { try? await Task.sleep(for: heartbeat) } while self?.beat() ?? false
        }
    }

    /// Tells `listener` no more.
    func dismiss(_ listener: any Listener) {
        state.withLock { $0.listeners[ObjectIdentifier(listener)] = nil }
    }

    private func tell(_ listener: any Listener) {
        listener.listen { state.withLock { $0.map.primaries }.map(place) }
    }

    /// - Returns: Whether there is to be another one.
    private func beat() -> Bool {
        let beats = state.withLock { state in
            state.isBeating = !state.listeners.isEmpty && !state.isClosed
            return state.isBeating
        }
        if beats { wantMap() }
        return beats
    }
}
