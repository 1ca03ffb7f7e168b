// SPDX-License-Identifier: Apache-2.0

public import Sojourn
internal import Synchronization

/// A clock that stands still until a test moves it.
public final class ManualClock: WallClock {
    /// Where a new clock stands: 2026-01-01T00:00:00.123456Z, with microseconds so that a store which drops them shows.
    public static let start = Timestamp(microseconds: 1_767_225_600_123_456)

    private let time: Mutex<Timestamp>

    /// A clock that stands at `start`.
    public init(_ start: Timestamp = ManualClock.start) {
        time = Mutex(start)
    }

    public var now: Timestamp { time.withLock { $0 } }

    /// Moves the clock; backwards for a negative duration.
    public func advance(by duration: Duration) {
        time.withLock { $0 = $0 + duration }
    }

    /// Puts the clock to a moment.
    public func set(to moment: Timestamp) {
        time.withLock { $0 = moment }
    }
}
