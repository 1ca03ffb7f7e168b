// SPDX-License-Identifier: Apache-2.0

internal import DriverSupport

/// How a lane goes about being without a connection: when it tries again, and whether those who wait are told.
///
/// Attempts come after the pauses of `BackOff`. A failure that waiting will not cure fails those who wait; any other
/// only once the outage has lasted for `grace`, so that a quick restart of the server goes unnoticed.
struct Outage {
    /// The longest pause.
    static let pauseMax = Duration.seconds(5)

    /// How long those who wait are spared.
    let grace: Duration
    private var began: ContinuousClock.Instant?
    private var attempts = 0

    /// No outage yet.
    init(grace: Duration) {
        self.grace = grace
    }

    /// Whether there is no connection for lack of a server, rather than of work.
    var isOn: Bool { began != nil }

    /// The connection was lost.
    mutating func lost(at now: ContinuousClock.Instant) {
        if began == nil { began = now }
    }

    /// A connection was made.
    mutating func ended() {
        began = nil
        attempts = 0
    }

    /// An attempt failed. `chance` is a random number from 0 to 1.
    ///
    /// - Returns: When to try again, and whether those who wait are to be told of the failure.
    mutating func failed(
        at now: ContinuousClock.Instant, isLasting: Bool, chance: Double
    ) -> (retry: ContinuousClock.Instant, tellsWaiting: Bool) {
        let start = began ?? now
        began = start
        let pause = BackOff.pause(attempts, max: Self.pauseMax, chance: chance)
        attempts += 1
        return (now + pause, isLasting || start.duration(to: now) >= grace)
    }
}
