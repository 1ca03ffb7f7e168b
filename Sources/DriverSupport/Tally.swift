// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A number that many change.
package final class Tally: Sendable {
    private let number = Atomic<Int>(0)

    /// Zero.
    package init() {}

    /// The number now.
    package var value: Int { number.load(ordering: .relaxed) }

    /// Adds `difference`.
    package func add(_ difference: Int) {
        number.add(difference, ordering: .relaxed)
    }
}
