// SPDX-License-Identifier: Apache-2.0

// The Redis store under concurrent callers, keys uniform. Benchmarks/redis runs it beside redis-benchmark.
//
//     RedisBench fill URL SESSIONS             that many sessions; prints the live ones, then the validating script's SHA-1
//     RedisBench validate URL SECONDS [CALLERS]
//     RedisBench create URL SECONDS [CALLERS]
//     RedisBench tiered URL SECONDS [CALLERS]  20,000 sessions in a file behind Redis: strict calls, which Redis answers
//     RedisBench near URL SECONDS [CALLERS]    the same, with calls that allow one second, which near copies answer
//     RedisBench revoke URL SESSIONS           two nodes; p50 and p99 in ms from ending a session through one until the
//                                              other, which answered by a near copy until then, refuses
//     RedisBench refill URL SESSIONS           how soon copies before a SQLite file are back, once all are lost
//     RedisBench aging URL SECONDS             readings of users and products with and without Redis before the PostgreSQL
//                                              of SOJOURN_TEST_POSTGRES
//
// Those that take SECONDS print calls a second, p99 in ms and peak memory in MB. SESSIONS is how many `fill` made, by default
// 100,000.
internal import BenchLoad
internal import Foundation
internal import RedisDriver
internal import Sojourn
internal import SojournRedis

@main
struct RedisBench {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 4, let number = Int(arguments[3]) else {
            print(
                """
                usage: RedisBench fill|revoke|refill URL SESSIONS | aging URL SECONDS
                       RedisBench validate|create|tiered|near URL SECONDS [CALLERS]
                """)
            exit(2)
        }
        let store = RedisStore(try RedisConfiguration(url: arguments[2]))
        let sessions = UInt64(ProcessInfo.processInfo.environment["SESSIONS"].flatMap { Int($0) } ?? 100_000)
        let callers = arguments.count > 4 ? Int(arguments[4]) ?? 64 : 64
        switch arguments[1] {
        case "fill":
            try await fill(store, sessions: number) { draft(id($0)) }
            print(store.validationSHA)
        case "refill":
            let refill = Refill(
                configuration: try RedisConfiguration(url: arguments[2]), sessions: number, callers: callers)
            guard try await refill.run() else { exit(1) }
        case "aging":
            let postgres = ProcessInfo.processInfo.environment["SOJOURN_TEST_POSTGRES"] ?? ""
            try await Aging(postgres: postgres, redis: arguments[2]).run(seconds: number)
        case "validate":
            let ids = (0..<Int(sessions)).map(id)
            try await measure(for: .seconds(number), callers: callers) { _, random in
                let session = try await store.validate(.digest(ids[Int(random.next() % sessions)], digest))
                precondition(session != nil, "Every session of the store is live.")
            }
        case "create":
            try await measure(for: .seconds(number), callers: callers) { _, random in
                let made = try await store.create([
                    draft(SessionID(UUIDBytes(high: random.next(), low: random.next())))
                ])
                _ = try made[0].get()
            }
        case "tiered", "near":
            let freshness: Freshness = arguments[1] == "near" ? .within(.seconds(1)) : .strict
            try await Tier.run(nodes: 1, url: arguments[2]) { tier in
                try await tier.measure(for: .seconds(number), callers: callers, freshness)
            }
        case "revoke": try await Tier.run(nodes: 2, url: arguments[2]) { try await $0.revoke(sessions: number) }
        default: exit(2)
        }
        store.close()
    }

    /// The digest of every session's secret.
    static let digest = SecretDigest(bytes: [UInt8](repeating: 7, count: 32))

    /// Session `n`'s id: its last twelve digits spell the number, as redis-benchmark writes it.
    static func id(_ n: Int) -> SessionID {
        let digits = String(n)
        let text = "00000000-0000-0000-0000-" + String(repeating: "0", count: 12 - digits.count) + digits
        guard let id = SessionID(text) else { preconditionFailure("Twelve digits end a UUID.") }
        return id
    }

    static func draft(_ id: SessionID) -> NewSession {
        NewSession(
            id: id, digest: digest, metadata: Visitor.metadata, ipAddress: "203.0.113.7", userAgent: Visitor.agent)
    }
}
