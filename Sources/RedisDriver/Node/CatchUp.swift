// SPDX-License-Identifier: Apache-2.0

/// Whether an event loop that was held up, by whatever else runs on it, shall read what has come in before anybody's time is
/// said to be up: answers may lie there that it could not read.
struct CatchUp {
    /// From this much on an alarm is late.
    static let lateness = Duration.milliseconds(20)
    /// How often in a row: a loop that is always held up must end waiting some time.
    static let turnsMax = 5
    /// How long to let the loop read.
    static let pause = Duration.milliseconds(5)

    private var turns = 0

    /// Whether an alarm that was set for `due` and rings at `now` is to be put off by `pause`.
    mutating func putsOff(_ due: ContinuousClock.Instant, at now: ContinuousClock.Instant) -> Bool {
        guard due + Self.lateness < now, turns < Self.turnsMax else {
            turns = 0
            return false
        }
        turns += 1
        return true
    }
}
