// SPDX-License-Identifier: Apache-2.0

/// Wants a lane's connection to stand, and hears what comes in on it. Called on the lane's thread, which it must not
/// keep.
protocol LaneWatcher: Sendable {
    /// A connection was made; what is to be sent on it first, as one unit.
    func connected(at now: ContinuousClock.Instant) -> [PostgresCall]
    /// The first unit was answered.
    func opened(_ failure: PostgresError?)
    /// A notification came in.
    func notified(channel: String, payload: String, at now: ContinuousClock.Instant)
    /// The connection was lost.
    func lost()
    /// The lane has come to its end.
    func ended()
    /// What is to be done by now, and when to be asked again.
    func tick(at now: ContinuousClock.Instant) -> WatcherOrder
}

/// What a watcher wants done.
struct WatcherOrder: Sendable {
    /// To be sent as one unit; empty for nothing.
    var calls: [PostgresCall] = []
    /// Whether the connection is dead though nothing says so.
    var declaresLost = false
    /// When to be asked again.
    var next: ContinuousClock.Instant
}
