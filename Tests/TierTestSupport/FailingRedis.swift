// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import PostgresTestSupport
internal import RedisDriver
internal import RedisTestSupport
package import Sojourn
internal import SojournRedis
package import SojournTesting
internal import Synchronization

/// A Redis of two nodes that fails in every way, as the explorer says. The second node's way to it may fail as well, which
/// the first does not notice.
package final class FailingRedis: Sendable {
    private let server: RedisServer
    private let proxy: FaultyProxy
    private let copies = Atomic(0)
    private static let trustLease = Duration.milliseconds(200)

    /// How many validations copies answered, of all tiers so far.
    package var copiesAnswered: Int { copies.load(ordering: .relaxed) }

    /// Lends a server and puts it away.
    package static func run(_ body: (FailingRedis) async throws -> Void) async throws {
        try await RedisServer.run { server in
            let redis = FailingRedis(server, try FaultyProxy(to: server.port))
            defer { redis.proxy.stop() }
            try await body(redis)
        }
    }

    private init(_ server: RedisServer, _ proxy: FaultyProxy) {
        self.server = server
        self.proxy = proxy
    }

    /// Two nodes before a store, on a server that is well, with a lease that outages do not draw out.
    package func tier<Truth: TruthStore & ItemStore & JournalStore>(
        before truth: Truth, _ clock: any WallClock
    ) async throws -> TierUnderTest<Truth> {
        try await mend()
        var tiering = Tiering()
        tiering.trustLease = Self.trustLease
        return try await TierUnderTest(
            truth, ways: [server.port, proxy.port].map(Self.way), prefix: "test:\(UUID())", clock: clock,
            tiering: tiering, answerMax: RedisCache.answerMax, onCopy: { self.copies.add(1, ordering: .relaxed) })
    }

    private static func way(to port: Int) -> RedisConfiguration {
        var way = RedisConfiguration(hosts: [RedisConfiguration.Host("127.0.0.1", port: port)])
        way.answerTimeout = .seconds(60)
        way.outageGrace = .zero
        return way
    }

    /// Makes all well.
    private func mend() async throws {
        proxy.speak()
        if try await !tell(RedisCommand("PING")) { try await restart(keepingSnapshot: false) }
    }

    /// Kills the server, if it runs, and starts it.
    private func restart(keepingSnapshot: Bool) async throws {
        server.kill()
        if !keepingSnapshot { try? FileManager.default.removeItem(atPath: server.folder + "/dump.rdb") }
        try await server.start()
    }

    /// Tells the server something over a connection of its own; false where it is down.
    @discardableResult
    private func tell(_ command: RedisCommand) async throws -> Bool {
        // A schedule that was shortened may have left it so.
        server.resume()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let client = RedisClient(Self.way(to: server.port), logger: logger)
        defer { client.close() }
        switch await client.send([command])[0] {
        case .success: return true
        case .failure(let failure) where failure.code == .unreachable: return false
        case .failure(let failure): throw failure
        }
    }
}

extension FailingRedis {
    /// What may happen to it. The nodes are given the time to find it again, some calls later.
    package var faults: [Fault] {
        [
            [flush], [kill, startEmpty, find], [save, hear, kill, startStale, find], [stop, goOn, find],
            [standStill, find],
            [silence(.requestsLost), speak, find], [silence(.repliesLost), speak, find],
            [silence(.stalled), speak, find],
        ].map(Fault.init)
    }

    private var flush: Fault.Act {
        Fault.Act("Redis is flushed") { _ in try await self.tell(RedisCommand("FLUSHALL")) }
    }

    /// Otherwise whoever has not removed the copy of what changed does so once Redis is back.
    private var hear: Fault.Act {
        Fault.Act("Every node hears of what changed") { _ in try await Task.sleep(for: Self.trustLease) }
    }

    private var kill: Fault.Act { Fault.Act("Redis is killed") { _ in self.server.kill() } }

    private var startEmpty: Fault.Act {
        Fault.Act("Redis starts again, empty") { _ in try await self.restart(keepingSnapshot: false) }
    }

    private var save: Fault.Act {
        Fault.Act("Redis saves a snapshot") { _ in try await self.tell(RedisCommand("SAVE")) }
    }

    private var startStale: Fault.Act {
        Fault.Act("Redis starts again from its snapshot") { _ in try await self.restart(keepingSnapshot: true) }
    }

    private var stop: Fault.Act { Fault.Act("Redis stands still") { _ in self.server.pause() } }

    private var goOn: Fault.Act { Fault.Act("Redis goes on") { _ in self.server.resume() } }

    private var standStill: Fault.Act {
        Fault.Act("Redis stands still for longer than nodes wait") { _ in
            self.server.pause()
            try await Task.sleep(for: RedisCache.answerMax * 1.2)
            self.server.resume()
        }
    }

    private func silence(_ silence: FaultyProxy.Silence) -> Fault.Act {
        Fault.Act("Redis and the second node do not hear each other: \(silence)") { _ in
            self.proxy.fallSilent(silence)
        }
    }

    private var speak: Fault.Act {
        Fault.Act("Redis and the second node hear each other again") { _ in self.proxy.speak() }
    }

    private var find: Fault.Act {
        Fault.Act("The nodes find Redis again") { store in try await (store as? any RedisFinder)?.findRedis() }
    }
}
