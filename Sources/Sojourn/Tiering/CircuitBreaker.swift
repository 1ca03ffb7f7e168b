// SPDX-License-Identifier: Apache-2.0

/// Whether it is worth asking something that has failed of late.
///
/// Closed, everybody asks. After `failuresMax` failures in a row it opens: nobody asks for `restMin`. Then it is half
/// open: one caller probes; a success closes it, a failure opens it again for twice as long, at most `restMax`.
struct CircuitBreaker: Sendable {
    /// Failures in a row that open it.
    static let failuresMax = 3
    /// The first rest.
    static let restMin = Duration.milliseconds(200)
    /// The longest rest.
    static let restMax = Duration.seconds(5)

    private enum State {
        case closed(failures: Int)
        case open(until: ContinuousClock.Instant, rest: Duration)
        /// Somebody probes since then; whoever died probing is forgotten after a rest.
        case halfOpen(since: ContinuousClock.Instant, rest: Duration)
    }

    private var state = State.closed(failures: 0)

    /// Whether everybody may ask.
    var isClosed: Bool { if case .closed = state { true } else { false } }

    /// Whether a caller may ask at `now`. Who may must tell how it went.
    mutating func admits(at now: ContinuousClock.Instant) -> Bool {
        switch state {
        case .closed: return true
        case .open(let until, let rest):
            guard until <= now else { return false }
            state = .halfOpen(since: now, rest: rest)
            return true
        case .halfOpen(let since, let rest):
            guard since + Self.restMax <= now else { return false }
            state = .halfOpen(since: now, rest: rest)
            return true
        }
    }

    /// Notes an answer. Those that were asked for before it opened close nothing: only the probe does. Returns whether everybody
    /// asks from now on, and did not before.
    @discardableResult mutating func succeeded() -> Bool {
        if case .open = state { return false }
        let wasClosed = isClosed
        state = .closed(failures: 0)
        return !wasClosed
    }

    /// Notes that a caller gave up before there was an answer: another one may probe.
    mutating func gaveUp(at now: ContinuousClock.Instant) {
        if case .halfOpen(_, let rest) = state { state = .open(until: now, rest: rest) }
    }

    /// Notes a failure at `now`. Returns whether everybody asked before, and nobody does from now on.
    @discardableResult mutating func failed(at now: ContinuousClock.Instant) -> Bool {
        let wasClosed = isClosed
        switch state {
        case .closed(let failures) where failures + 1 < Self.failuresMax: state = .closed(failures: failures + 1)
        case .closed: state = .open(until: now + Self.restMin, rest: Self.restMin)
        case .halfOpen(_, let rest):
            let next = min(rest * 2, Self.restMax)
            state = .open(until: now + next, rest: next)
        case .open: break
        }
        return wasClosed && !isClosed
    }
}
