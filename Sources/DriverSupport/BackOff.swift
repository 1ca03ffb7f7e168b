// SPDX-License-Identifier: Apache-2.0

/// The pauses between attempts to connect: 50 ms, 100 ms, … up to a longest one, each shortened by up to a half at random
/// so that many clients do not come back at once.
package enum BackOff {
    /// The first pause.
    private static let first = Duration.milliseconds(50)

    /// The pause of this number, counted from 0. `chance` is a random number from 0 to 1.
    package static func pause(_ number: Int, max: Duration, chance: Double) -> Duration {
        min(first * (1 << min(number, 10)), max) * (1 - 0.5 * chance)
    }
}
