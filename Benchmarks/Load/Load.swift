// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import Sojourn

/// SplitMix64: small, seeded, and the same in the peers.
package struct SplitMix: Sendable {
    private var state: UInt64

    /// A generator whose numbers `seed` decides.
    package init(_ seed: Int) {
        state = UInt64(seed)
    }

    /// The next 64 bits.
    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Fills `store` with sessions made by `draft`, a thousand at a time, and prints how many are live.
package func fill(_ store: some SessionStore, sessions: Int, draft: @Sendable (Int) -> NewSession) async throws {
    for start in stride(from: 0, to: sessions, by: 1000) {
        _ = try await store.create((start..<min(start + 1000, sessions)).map(draft))
    }
    print(try await store.statistics().active)
}

/// The visitor's browser and data of every session of a benchmark.
package enum Visitor {
    /// A browser's user agent.
    package static let agent =
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36"
    /// A little metadata.
    package static let metadata = JSONDocument(["locale": .string("ko-KR"), "theme": .string("dark")])
}

/// Lets `callers` make calls for `duration`, as below, and prints calls a second, the 99th percentile of their time in ms, and the process's
/// peak memory in MB.
package func measure(
    for duration: Duration, callers: Int,
    _ call: @escaping @Sendable (_ caller: Int, inout SplitMix) async throws -> Void
) async throws {
    let begin = ContinuousClock.now
    let latencies = try await latencies(for: duration, callers: callers, call)
    let rate = Double(latencies.count) / (begin.duration(to: .now) / .seconds(1))
    print(Int(rate), (latencies.percentile(99) * 100).rounded() / 100, megabytes("VmHWM"))
}

/// Lets `callers`, numbered from 0, make calls one after the other for `duration`: how long they took.
package func latencies(
    for duration: Duration, callers: Int,
    _ call: @escaping @Sendable (_ caller: Int, inout SplitMix) async throws -> Void
) async throws -> Latencies {
    let clock = ContinuousClock()
    let begin = clock.now
    return try await withThrowingTaskGroup { group in
        for caller in 0..<callers {
            group.addTask {
                var random = SplitMix(caller + 99 + Int(ProcessInfo.processInfo.processIdentifier) << 16)
                var latencies = Latencies()
                var at = clock.now
                while at - begin < duration {
                    try await call(caller, &random)
                    let now = clock.now
                    latencies.add(now - at)
                    at = now
                }
                return latencies
            }
        }
        return try await group.reduce(into: Latencies()) { $0.add($1) }
    }
}

/// How many calls took how long, by sixteenths of an octave: what takes less than a microsecond must not pay for a list of all.
package struct Latencies: Sendable {
    /// How many calls.
    package private(set) var count = 0
    private var counts = [Int](repeating: 0, count: 64 * 16)

    fileprivate mutating func add(_ latency: Duration) {
        let (seconds, attoseconds) = latency.components
        let nanoseconds = UInt64(max(16, seconds * 1_000_000_000 + attoseconds / 1_000_000_000))
        let octave = 63 - nanoseconds.leadingZeroBitCount
        counts[octave * 16 + Int(nanoseconds >> UInt64(octave - 4) & 15)] += 1
        count += 1
    }

    fileprivate mutating func add(_ other: Latencies) {
        for place in counts.indices { counts[place] += other.counts[place] }
        count += other.count
    }

    /// In ms, up to a sixteenth too much; 16 ns at the least.
    package func percentile(_ percent: Int) -> Double {
        var left = count * percent / 100
        let place = counts.firstIndex { number in
            left -= number
            return left < 0
        }
        guard let place else { return 0 }
        return Double(16 + place % 16 + 1) / 16 * Double(UInt64(1) << UInt64(place / 16)) / 1_000_000
    }
}

/// What the process takes of the machine's memory now, in MB.
package func residentMegabytes() -> Int { megabytes("VmRSS") }

/// A field of `/proc/self/status` that is in kB, in MB.
private func megabytes(_ field: String) -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix(field) }
    return (line?.split(separator: " ").dropLast().last.flatMap { Int($0) } ?? 0) / 1024
}
