// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#else
internal import Darwin
#endif

/// Where a store or the façade reads the time of day, so that tests can replace it.
///
/// Each store has one such clock (`design.md`, Clock): the process's for memory and SQLite, the server's for the others.
public protocol WallClock: Sendable {
    /// The time of day now. May jump: never measure lengths with it.
    var now: Timestamp { get }
}

/// The clock of this machine.
public struct SystemWallClock: WallClock {
    public init() {}

    public var now: Timestamp {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Timestamp(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }
}

/// Where ids and secrets get their random bits, so that tests can be repeated.
public struct RandomSource: Sendable {
    private let draw: @Sendable () -> UInt64

    /// A source that takes its 64-bit words from `draw`.
    public init(_ draw: @escaping @Sendable () -> UInt64) {
        self.draw = draw
    }

    /// The operating system's generator, fit for secrets.
    public static let system = RandomSource {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }

    /// The next 64 random bits.
    public func next() -> UInt64 { draw() }
}
