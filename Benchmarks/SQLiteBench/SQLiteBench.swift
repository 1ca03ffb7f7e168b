// SPDX-License-Identifier: Apache-2.0

// Validations through the SQLite store by concurrent callers, keys uniform.
//
//     SQLiteBench fill FILE SESSIONS          makes a file of sessions, half of them with a user
//     SQLiteBench validate FILE SECONDS [CALLERS]   prints validations a second, p99 in ms and peak memory in MB
internal import BenchLoad
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
        case "fill":
            try await fill(store, sessions: number) { n in
                let (id, digest) = access(n)
                return NewSession(
                    id: id, digest: digest, userID: n.isMultiple(of: 2) ? UserID("user-\(n / 4)") : nil,
                    metadata: Visitor.metadata, ipAddress: "203.0.113.\(n % 256)", userAgent: Visitor.agent)
            }
        case "validate":
            let callers = arguments.count > 4 ? Int(arguments[4]) ?? 64 : 64
            let sessions = try await store.statistics().active
            try await measure(for: .seconds(number), callers: callers) { _, random in
                let (id, digest) = access(Int(random.next() % UInt64(sessions)))
                let session = try await store.validate(.digest(id, digest))
                precondition(session != nil, "Every session of the file is live.")
            }
        default: exit(2)
        }
        try await store.close()
    }

    /// Session `n`'s id and digest, the same in every run.
    static func access(_ n: Int) -> (id: SessionID, digest: SecretDigest) {
        var random = SplitMix(n)
        let low = random.next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        let words = [random.next(), random.next(), random.next(), random.next()]
        let digest = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(8 * $0)) } }
        return (
            SessionID(UUIDBytes(high: UInt64(1_700_000_000_000 + n) << 16 | 0x7000, low: low)),
            SecretDigest(bytes: digest)
        )
    }
}
