// SPDX-License-Identifier: Apache-2.0

import Foundation
import RedisDriver
import RedisTestSupport
import SojournTesting
import Synchronization
import Testing
import TierTestSupport

@testable import Sojourn

/// Near copies before a real Redis.
@Suite("Near copies before Redis", .timeLimit(.minutes(10)))
struct RedisNearCacheTests {
    /// An age that every answer of a test has.
    private static let anyAge = Freshness.within(.seconds(3600))

    /// Two nodes whose news count for an hour: within a test, a node hears of the other's changes by Redis alone.
    private func withTier(
        _ redis: RedisConfiguration, _ body: (TierUnderTest<MemoryStore>) async throws -> Void
    ) async throws {
        var tiering = Tiering()
        tiering.nearSessionsMax = 100
        tiering.trustLease = .seconds(3600)
        let tier = try await TierUnderTest(
            MemoryStore(clock: SystemWallClock()), redis: redis, prefix: "test:\(UUID())", clock: nil, tiering: tiering)
        try await body(tier)
        try await tier.close()
    }

    private func begin(in tier: TierUnderTest<MemoryStore>) async throws -> SessionAccess {
        let digest = SecretDigest(bytes: (0..<32).map { _ in .random(in: 0...255) })
        let id = SessionID(at: SystemWallClock().now, random: .system)
        _ = try await tier.truth.create([NewSession(id: id, digest: digest)])[0].get()
        return .digest(id, digest)
    }

    /// Whether a node has a near copy of a session.
    private func hasCopy(_ access: SessionAccess, _ node: TieredStore<MemoryStore>) -> Bool {
        node.state.withLock { $0.near.copy(of: access.id, at: .now) != nil }
    }

    /// Validates on a node until it has a near copy.
    private func warm(_ access: SessionAccess, on node: TieredStore<MemoryStore>) async throws {
        try await wait(until: "a copy is kept near") {
            let answer = try await node.validation(access, freshness: Self.anyAge)
            #expect(answer != nil)
            return hasCopy(access, node)
        }
    }

    @Test("a change through another node takes them, on one server and on a cluster", arguments: ["", "_CLUSTER"])
    func changes(_ kind: String) async throws {
        try await withTier(RedisUnderTest.configuration(kind)) { tier in
            let other = try await begin(in: tier)
            try await warm(other, on: tier.nodes[1])
            for _ in 0..<5 {
                let access = try await begin(in: tier)
                try await warm(access, on: tier.nodes[1])
                #expect(try await tier.nodes[0].end([access]) == [true])
                try await wait(until: "the near copy is gone") { !hasCopy(access, tier.nodes[1]) }
                #expect(try await tier.nodes[1].validation(access, freshness: Self.anyAge) == nil)
                let forged = SessionAccess.digest(other.id, SecretDigest(bytes: [UInt8](repeating: 1, count: 32)))
                #expect(try await tier.nodes[1].validation(forged, freshness: Self.anyAge) == nil)
            }
            #expect(hasCopy(other, tier.nodes[1]))
        }
    }

    @Test("lost tracking and a flush of Redis take all, and they come back")
    func losses() async throws {
        try await RedisServer.run { server in
            let redis = try RedisConfiguration(url: "redis://127.0.0.1:\(server.port)")
            try await withTier(redis) { tier in
                let node = tier.nodes[0]
                let access = try await begin(in: tier)
                try await warm(access, on: node)
                let trackers = try await server.tell("CLIENT", "LIST").split(separator: "\n").filter {
                    // Flag B: it tracks by prefixes.
                    $0.contains(#/ flags=[^ ]*B/#)
                }
                #expect(trackers.count == tier.nodes.count)
                for tracker in trackers {
                    let id = try #require(tracker.firstMatch(of: #/^id=([0-9]+) /#)?.1)
                    try await server.tell("CLIENT", "KILL", "ID", String(id))
                }
                try await wait(until: "the near copy is gone") { !hasCopy(access, node) }
                try await warm(access, on: node)
                try await server.tell("FLUSHALL")
                try await wait(until: "the near copy is gone") { !hasCopy(access, node) }
                try await warm(access, on: node)
                server.kill()
                try await wait(until: "the near copy is gone") { !hasCopy(access, node) }
                try await server.start()
                try await warm(access, on: node)
            }
        }
    }
}
