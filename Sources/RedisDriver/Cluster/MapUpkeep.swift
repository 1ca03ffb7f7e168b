// SPDX-License-Identifier: Apache-2.0

/// When the map of a cluster is fetched: by one at a time, who rests after each, and goes on for as long as anybody has found
/// the map wanting since the last one was begun. Decisions only.
struct MapUpkeep {
    /// The least time from one fetch to the next.
    static let pause = Duration.milliseconds(100)

    private var isRunning = false
    private var isWanted = false

    /// Somebody finds the map wanting.
    ///
    /// - Returns: Whether the fetching is to be started.
    mutating func want() -> Bool {
        isWanted = true
        defer { isRunning = true }
        return !isRunning
    }

    /// The map is being asked for: whoever wants it from now on wants the next one.
    mutating func begin() {
        isWanted = false
    }

    /// The rest after a fetch is over.
    ///
    /// - Returns: Whether there is to be another one.
    mutating func goesOn() -> Bool {
        isRunning = isWanted
        return isRunning
    }
}
