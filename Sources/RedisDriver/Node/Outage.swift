// SPDX-License-Identifier: Apache-2.0

internal import DriverSupport

/// How a lane goes about being without a connection: when it tries again, and whether callers still wait.
///
/// After a loss the first attempt comes at once, the others after the pauses of `BackOff`. A connection that stood for
/// less than a second does not begin the row anew. Callers wait until the outage has lasted for `grace`; from then on they are told at once, so that who has
/// another place to ask loses no time. A failure that waiting will not cure is told at once too.
struct Outage {
    /// How long a connection has to stand to count as one.
    static let steadyMin = Duration.seconds(1)

    /// How long callers wait.
    let grace: Duration
    /// The longest pause.
    let pauseMax: Duration
    private var began: ContinuousClock.Instant?
    private var connected: ContinuousClock.Instant?
    private var attempts = 0
    /// Why there is no connection.
    private var reason: RedisError?

    /// No outage yet.
    init(grace: Duration, pauseMax: Duration = .seconds(2)) {
        self.grace = grace
        self.pauseMax = pauseMax
    }

    /// Whether there is no connection though there should be one.
    var isOn: Bool { began != nil }

    /// When callers stop waiting; nil where there is no outage.
    var graceEnd: ContinuousClock.Instant? {
        guard let began else { return nil }
        return reason?.isLasting == true ? began : began + grace
    }

    /// What callers are to be told at `now`; nil where they are to wait.
    func refusal(at now: ContinuousClock.Instant) -> RedisError? {
        guard let graceEnd, graceEnd <= now else { return nil }
        return reason
    }

    /// A connection was made.
    mutating func ended(at now: ContinuousClock.Instant) {
        began = nil
        reason = nil
        connected = now
    }

    /// The connection was lost, or given up, for `reason`. `chance` is a random number from 0 to 1.
    ///
    /// - Returns: When to try again.
    mutating func lost(
        _ reason: RedisError, at now: ContinuousClock.Instant, chance: Double
    ) -> ContinuousClock.Instant {
        if let connected, connected + Self.steadyMin <= now { attempts = 0 }
        connected = nil
        return begin(
            RedisError(.unreachable, "The connection is gone: \(reason.message)", file: reason.file, line: reason.line),
            at: now, chance: chance)
    }

    /// An attempt failed. `chance` is a random number from 0 to 1.
    ///
    /// - Returns: When to try again.
    mutating func failed(
        _ reason: RedisError, at now: ContinuousClock.Instant, chance: Double
    ) -> ContinuousClock.Instant {
        attempts = max(attempts, 1)
        return begin(reason, at: now, chance: chance)
    }

    private mutating func begin(
        _ reason: RedisError, at now: ContinuousClock.Instant, chance: Double
    ) -> ContinuousClock.Instant {
        began = began ?? now
        self.reason = reason
        defer { attempts += 1 }
        guard attempts > 0 else { return now }
        return now + BackOff.pause(attempts - 1, max: pauseMax, chance: chance)
    }
}
