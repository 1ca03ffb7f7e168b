// SPDX-License-Identifier: Apache-2.0

/// How long to rest before what was not to be had, a lock or the whole database, is tried for again: longer and longer, so that
/// whoever else needs it gets through, and at random, so that those who tried at once come apart.
package struct Rests: Sendable {
    private let max: Duration
    private var longest: Duration

    /// Rests that end up no longer than this.
    package init(upTo max: Duration = .seconds(1)) {
        self.max = max
        longest = min(.milliseconds(40), max)
    }

    /// The next one.
    package mutating func next() -> Duration {
        defer { longest = min(longest * 2, max) }
        return longest * Double.random(in: 0.5...1)
    }
}
