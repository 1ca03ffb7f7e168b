// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Sentinels, who know which server is the primary now.
///
/// They are asked before every connection, so that after a failover the next attempt to connect finds the new primary. A
/// Sentinel that was cut off from the others may still name the old one; whether a server is a primary is asked of itself
/// (`Node.Place.needsPrimary`), and the next attempt begins with the next Sentinel.
final class Sentinels: Sendable {
    private let master: String
    private let configuration: RedisConfiguration
    /// With whom to begin.
    private let next = Atomic<Int>(0)

    /// The Sentinels at the hosts of `configuration`, who call the primary `master`.
    init(of master: String, _ configuration: RedisConfiguration) {
        self.master = master
        var configuration = configuration
        configuration.user = configuration.sentinelUser
        configuration.password = configuration.sentinelPassword
        configuration.database = 0
        self.configuration = configuration
    }

    /// Where the primary is, by the first Sentinel that knows.
    ///
    /// - Throws: Why none of them said it.
    func primary() async throws(RedisError) -> RedisConfiguration.Host {
        let hosts = configuration.hosts
        let first = next.wrappingAdd(1, ordering: .relaxed).oldValue % hosts.count
        var failures: [RedisError] = []
        for host in hosts[first...] + hosts[..<first] {
            do throws(RedisError) {
                return try await primary(by: host)
            } catch {
                failures.append(error)
            }
        }
        throw Connector.summary(failures)
    }

    private func primary(by sentinel: RedisConfiguration.Host) async throws(RedisError) -> RedisConfiguration.Host {
        let question = RedisCommand("SENTINEL", ["GET-MASTER-ADDR-BY-NAME", .init(master)])
        let answer = try await Inquiry.ask(question, of: sentinel, configuration)
        guard !answer.isNull else {
            throw RedisError(.unreachable, "\(sentinel.name):\(sentinel.port): no primary is called \(master) there")
        }
        let parts = try answer.array()
        guard parts.count == 2,
            let host = RedisConfiguration.Host(name: try parts[0].string(), port: try parts[1].int(), beside: sentinel)
        else { throw RedisError(.unexpectedResult, "A Sentinel named no address of the primary.") }
        return host
    }
}
