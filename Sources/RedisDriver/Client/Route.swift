// SPDX-License-Identifier: Apache-2.0

/// The way to who answers: one server, wherever it is found, or the nodes of a cluster.
enum Route: Sendable {
    case server(Node)
    case cluster(Cluster)

    /// The way by the configuration's topology.
    init(_ surroundings: Surroundings) {
        let configuration = surroundings.configuration
        switch configuration.topology {
        case .single:
            let hosts = configuration.hosts
            let name = hosts.map { "\($0.name):\($0.port)" }.joined(separator: ",")
            let place = Node.Place(name: name, needsPrimary: hosts.count > 1) { () throws(RedisError) in hosts }
            self = .server(Node(place, surroundings))
        case .sentinel(let master):
            let sentinels = Sentinels(of: master, configuration)
            let place = Node.Place(name: master, needsPrimary: true) { () async throws(RedisError) in
                [try await sentinels.primary()]
            }
            self = .server(Node(place, surroundings))
        case .cluster: self = .cluster(Cluster(surroundings))
        }
    }

    /// How many servers a listener listens to.
    enum Extent {
        /// One, which hears from the others what is published.
        case anyServer
        /// All that keys are written to.
        case allPrimaries
    }

    /// Tells `listener` where to listen, now and whenever that changes.
    func post(_ listener: any Listener, at extent: Extent) {
        switch (self, extent) {
        case (.server(let node), _): listener.listen { [node.place] }
        case (.cluster(let cluster), .anyServer): listener.listen { [cluster.anywhere] }
        case (.cluster(let cluster), .allPrimaries): cluster.post(listener)
        }
    }

    /// Tells `listener` no more.
    func dismiss(_ listener: any Listener) {
        if case .cluster(let cluster) = self { cluster.dismiss(listener) }
    }

    /// How many commands wait for an answer, sent or not.
    var waitingCount: Int {
        switch self {
        case .server(let node): node.waitingCount
        case .cluster(let cluster): cluster.waitingCount
        }
    }

    /// Ends all that is on the way.
    func close() {
        switch self {
        case .server(let node): node.close()
        case .cluster(let cluster): cluster.close()
        }
    }

    /// Sends a command and waits for its answer until `deadline`.
    func send(_ command: RedisCommand, until deadline: ContinuousClock.Instant) async throws(RedisError) -> RedisValue {
        switch self {
        case .server(let node): try await node.send(command, until: deadline)
        case .cluster(let cluster): try await cluster.send(command, until: deadline)
        }
    }

    /// Sends commands, those for one server one right after the other, and waits for all answers until `deadline`.
    func send(_ commands: [RedisCommand], until deadline: ContinuousClock.Instant) async -> [Call.Outcome] {
        switch self {
        case .server(let node): await Node.send([Node.Parcel(node: node, commands: commands)], until: deadline)
        case .cluster(let cluster): await cluster.send(commands, until: deadline)
        }
    }

    /// Sends commands to every server that takes writes, and waits for all answers until `deadline`.
    func sendToEach(
        _ commands: [RedisCommand], until deadline: ContinuousClock.Instant
    ) async throws(RedisError) -> [String: [Call.Outcome]] {
        switch self {
        case .server(let node):
            [node.place.name: await Node.send([Node.Parcel(node: node, commands: commands)], until: deadline)]
        case .cluster(let cluster): try await cluster.sendToEach(commands, until: deadline)
        }
    }
}
