// SPDX-License-Identifier: Apache-2.0

internal import Testing

/// A cluster of one test alone, whose nodes may be killed: three primaries, each with a replica, and a node that does not answer
/// for two seconds is failed over.
package struct RedisCluster: Sendable {
    /// All nodes; the first three began as primaries.
    package let nodes: [RedisServer]

    /// Lends a cluster in which every node knows every other, and puts it away.
    package static func run(_ body: (RedisCluster) async throws -> Void) async throws {
        // A replica asks for votes however long it has not heard of its primary: a slow machine would be too late otherwise.
        let options = [
            "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-replica-validity-factor", "0",
        ]
        var nodes: [RedisServer] = []
        defer { for node in nodes { node.putAway() } }
        for _ in 0..<6 { nodes.append(try await RedisServer.started(options)) }
        let addresses = nodes.map { "127.0.0.1:\($0.port)" }
        _ = try await Programs.run(
            ["redis-cli", "--cluster", "create"] + addresses + ["--cluster-replicas", "1", "--cluster-yes"])
        let cluster = RedisCluster(nodes: nodes)
        for node in nodes {
            try await wait(until: "the cluster is joined") { try await cluster.isJoined(node) }
        }
        try await body(cluster)
    }

    /// The node that serves `slot`, as a node that is up says.
    package func primary(of slot: Int, askedOf node: RedisServer) async throws -> RedisServer {
        let line = try await node.tell("CLUSTER", "NODES").split(separator: "\n").first { line in
            line.split(separator: " ").dropFirst(8).contains { range in
                let ends = range.split(separator: "-").compactMap { Int($0) }
                return ends.count <= 2 && ends.first.map { $0...(ends.last ?? $0) ~= slot } ?? false
            }
        }
        return try #require(line.flatMap(server))
    }

    /// The replica of `primary`, nil where it has none.
    package func replica(of primary: RedisServer) async throws -> RedisServer? {
        let id = try await name(of: primary)
        return try await primary.tell("CLUSTER", "NODES").split(separator: "\n").first {
            $0.contains("slave \(id) ")
        }.flatMap(server)
    }

    /// The node's name in the cluster.
    package func name(of node: RedisServer) async throws -> String { try await node.tell("CLUSTER", "MYID") }

    /// The server that a line of `CLUSTER NODES` is about.
    private func server(_ line: Substring) -> RedisServer? {
        nodes.first { line.contains(" 127.0.0.1:\($0.port)@") }
    }

    /// Whether the node knows all six, finds every slot served, and has its replica or its primary.
    private func isJoined(_ node: RedisServer) async throws -> Bool {
        let known = try await node.tell("CLUSTER", "NODES").split(separator: "\n")
        let replication = try await node.tell("INFO", "replication")
        return try await node.tell("CLUSTER", "INFO").contains("cluster_state:ok")
            && known.count { $0.contains(" connected") } == nodes.count
            && known.count { $0.contains("slave ") } == nodes.count / 2
            && (replication.contains("master_link_status:up") || replication.contains("state=online"))
    }
}
