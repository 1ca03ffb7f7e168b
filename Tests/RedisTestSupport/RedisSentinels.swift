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
    ///   - password: The servers' password, if they have one.
    ///   - sentinelPassword: The sentinels'.
    package static func run(
        password: String? = nil, sentinelPassword: String? = nil, _ body: (RedisSentinels) async throws -> Void
    ) async throws {
        var all: [RedisServer] = []
        defer { for server in all { server.putAway() } }
        let secrets = password.map { ["--requirepass", $0, "--masterauth", $0] } ?? []
        let primary = try await RedisServer.started(secrets)
        all.append(primary)
        all.append(try await RedisServer.started(secrets + ["--replicaof", "127.0.0.1", "\(primary.port)"]))
        var rules = """
            sentinel monitor \(name) 127.0.0.1 \(primary.port) 2
            sentinel down-after-milliseconds \(name) 1500
            sentinel failover-timeout \(name) 10000

            """
        if let password { rules += "sentinel auth-pass \(name) \"\(password)\"\n" }
        if let sentinelPassword { rules += "requirepass \"\(sentinelPassword)\"\n" }
        for _ in 0..<3 { all.append(try await RedisServer.started(as: .sentinel(rules: rules))) }
        let group = RedisSentinels(servers: Array(all[..<2]), sentinels: Array(all[2...]))
        for sentinel in group.sentinels {
            try await wait(until: "the sentinels know each other") {
                try await isWatching(sentinel, password: sentinelPassword)
            }
        }
        try await body(group)
    }

    /// Whether the sentinel knows the replica and the two other sentinels.
    private static func isWatching(_ sentinel: RedisServer, password: String?) async throws -> Bool {
        let lines = try await sentinel.tell("-a", password ?? "", "SENTINEL", "MASTER", name).split(separator: "\n")
        func fact(_ name: Substring) -> Substring? {
            lines.firstIndex(of: name).map { lines[$0 + 1] }
        }
        return fact("num-slaves") == "1" && fact("num-other-sentinels") == "2"
    }
}
