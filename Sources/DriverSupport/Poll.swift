// SPDX-License-Identifier: Apache-2.0

extension ContinuousClock.Instant {
    /// How long `poll` may wait for this instant: milliseconds, rounded up, never negative.
    package var pollTimeout: Int32 {
        let left = ContinuousClock.now.duration(to: self)
        guard left > .zero else { return 0 }
        let (seconds, attoseconds) = left.components
        guard seconds < 1_000_000 else { return .max }
        return Int32(seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
    }
}
