// SPDX-License-Identifier: Apache-2.0

internal import Testing

/// A primary, a replica and three sentinels of one test alone: a primary that does not answer for 1.5 seconds is failed over.
package struct RedisSentinels: Sendable {
    /// What the sentinels call their primary.
    package static let name = "sojourn"
    /// The primary and its replica, as they began.
    package let servers: [RedisServer]
    /// Those who watch them.
    package let sentinels: [RedisServer]

    /// Lends servers and sentinels that know each other, and puts them away.
    ///
    /// - Parameters:
    ///   - options: Options of the servers, as in `RedisServer.run`.
    ///   - rules: More lines of the sentinels' configuration, such as their password.
    package static func run(
        options: [String] = [], rules: String = "", _ body: (RedisSentinels) async throws -> Void
    ) async throws {
        var all: [RedisServer] = []
        defer { for server in all { server.putAway() } }
        let primary = try await RedisServer.started(options)
        all.append(primary)
        let replica = try await RedisServer.started(options + ["--replicaof", "127.0.0.1", "\(primary.port)"])
        all.append(replica)
        let watch = """
            sentinel monitor \(name) 127.0.0.1 \(primary.port) 2
            sentinel down-after-milliseconds \(name) 1500
            sentinel failover-timeout \(name) 10000
            \(rules)

            """
        for _ in 0..<3 { all.append(try await RedisServer.started(as: .sentinel(rules: watch))) }
        let group = RedisSentinels(servers: [primary, replica], sentinels: Array(all.dropFirst(2)))
        for sentinel in group.sentinels {
            try await wait(until: "the sentinels know each other") { try await group.isWatching(sentinel) }
        }
        try await body(group)
    }

    /// Whether the sentinel knows the replica and the two other sentinels.
    private func isWatching(_ sentinel: RedisServer) async throws -> Bool {
        let lines = try await sentinel.tell("SENTINEL", "MASTER", Self.name).split(separator: "\n")
        func fact(_ name: Substring) -> Substring? {
            lines.firstIndex(of: name).map { lines[$0 + 1] }
        }
        return fact("num-slaves") == "1" && fact("num-other-sentinels") == "2"
    }
}
