// SPDX-License-Identifier: Apache-2.0

// Validations through the SQLite store by concurrent callers, keys uniform.
//
//     SQLiteBench fill FILE SESSIONS          makes a file of sessions, half of them with a user
//     SQLiteBench validate FILE SECONDS [CALLERS]   prints validations a second, p99 in ms and peak memory in MB
internal import Foundation
internal import Sojourn
internal import SojournSQLite

@main
struct SQLiteBench {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 4, let number = Int(arguments[3]) else {
            print("usage: SQLiteBench fill FILE SESSIONS | validate FILE SECONDS [CALLERS]")
            exit(2)
        }
        let store = try SQLiteStore(path: arguments[2])
        switch arguments[1] {
        case "fill": try await fill(store, sessions: number)
        case "validate":
            let callers = arguments.count > 4 ? Int(arguments[4]) ?? 64 : 64
            try await validate(store, for: .seconds(number), callers: callers)
        default: exit(2)
        }
        try store.close()
    }

    /// Session `n`'s id and digest, the same in every run.
    static func access(_ n: Int) -> (id: SessionID, digest: SecretDigest) {
        var random = SplitMix(state: UInt64(n))
        let low = random.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        let words = [random.next(), random.next(), random.next(), random.next()]
        let digest = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } }
        return (
            SessionID(UUIDBytes(high: UInt64(1_700_000_000_000 + n) << 16 | 0x7000, low: low)),
            SecretDigest(bytes: digest)
        )
    }

    static func fill(_ store: SQLiteStore, sessions: Int) async throws {
        let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36"
        for start in stride(from: 0, to: sessions, by: 1000) {
            let batch = (start..<min(start + 1000, sessions)).map { n in
                let (id, digest) = access(n)
                return NewSession(
                    id: id, digest: digest, userID: n.isMultiple(of: 2) ? UserID("user-\(n / 4)") : nil,
                    metadata: JSONDocument(["locale": .string("ko-KR"), "theme": .string("dark")]),
                    ipAddress: "203.0.113.\(n % 256)", userAgent: agent)
            }
            _ = try await store.create(batch)
        }
        print(try await store.statistics().active)
    }

    static func validate(_ store: SQLiteStore, for duration: Duration, callers: Int) async throws {
        let sessions = try await store.statistics().active
        let clock = ContinuousClock()
        let begin = clock.now
        let latencies = try await withThrowingTaskGroup { group in
            for caller in 0..<callers {
                group.addTask {
                    var random = SplitMix(state: UInt64(caller) + 99)
                    var latencies: [Duration] = []
                    var at = clock.now
                    while at - begin < duration {
                        let (id, digest) = access(Int(random.next() % UInt64(sessions)))
                        let session = try await store.validate(.digest(id, digest))
                        precondition(session != nil, "Every session of the file is live.")
                        let now = clock.now
                        latencies.append(now - at)
                        at = now
                    }
                    return latencies
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        let rate = Double(latencies.count) / ((clock.now - begin) / .seconds(1))
        let p99 = latencies.sorted()[latencies.count * 99 / 100] / .milliseconds(1)
        let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
        let peak = status.split(separator: "\n").first { $0.hasPrefix("VmHWM") }?.split(separator: " ").dropLast().last
        print(Int(rate), (p99 * 100).rounded() / 100, (peak.flatMap { Int($0) } ?? 0) / 1024)
    }
}

/// SplitMix64: small, seeded, and the same in the C peer.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
