// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// A command on its way, and its caller: told once, by whoever comes first of the connection, the deadline and the
/// caller's own cancellation.
final class Call: Sendable {
    /// What a caller is told.
    typealias Outcome = Result<RedisValue, RedisError>

    /// Who is told.
    enum Caller: Sendable {
        /// Somebody who waits for this call alone.
        case one(CheckedContinuation<Outcome, Never>)
        /// Somebody who waits for several; this one has a place among them.
        case many(Gathering, place: Int)
        /// Somebody of our own, on the connection's event loop.
        case handler(@Sendable (Outcome) -> Void)

        fileprivate func tell(_ outcome: Outcome) {
            switch self {
            case .one(let continuation): continuation.resume(returning: outcome)
            case .many(let gathering, let place): gathering.take(outcome, at: place)
            case .handler(let handler): handler(outcome)
            }
        }
    }

    private struct State {
        var caller: Caller?
        /// Known before the caller asked.
        var early: Outcome?
        var isAnswered = false
        /// What is known of the effect, if it ends now.
        var effect = RedisError.Outcome.nothingHappened
        var refusals = 0
        var isInterrupted = false
    }

    /// What is to be sent.
    let command: RedisCommand
    /// Until when its caller waits.
    let deadline: ContinuousClock.Instant
    private let state: Mutex<State>

    /// The call of `command`, told to `caller`, who may also be attached later.
    init(_ command: RedisCommand, deadline: ContinuousClock.Instant, caller: Caller? = nil) {
        self.command = command
        self.deadline = deadline
        state = Mutex(State(caller: caller))
    }
}

// MARK: - For the caller

extension Call {
    /// Sets who is told; at once, where the outcome is known already.
    ///
    /// - Returns: Whether there is something to wait for.
    func attach(_ caller: Caller) -> Bool {
        let early: Outcome? = state.withLock { state in
            if state.early == nil { state.caller = caller }
            return state.early
        }
        if let early { caller.tell(early) }
        return early == nil
    }

    /// The caller was cancelled: nothing happened where the command was not sent yet.
    func cancel() {
        fail(RedisError(.cancelled, "The call was cancelled."))
    }
}

// MARK: - For the connection

extension Call {
    /// Notes that the command is about to be written; false where nobody waits any more.
    func markSent() -> Bool {
        state.withLock { state in
            guard !state.isAnswered else { return false }
            state.effect = .unknown
            return true
        }
    }

    /// Notes that the server refused it before it began.
    ///
    /// - Returns: How often that has happened to it now.
    func markRefused() -> Int {
        state.withLock { state in
            // What an interrupted attempt before it did is still unknown.
            if !state.isInterrupted { state.effect = .nothingHappened }
            state.refusals += 1
            return state.refusals
        }
    }

    /// Notes that its connection was lost before its answer had come.
    ///
    /// - Returns: Whether it may be sent again.
    func markInterrupted() -> Bool {
        state.withLock { state in
            defer { state.isInterrupted = true }
            return command.retry == .ifInterrupted && !state.isInterrupted
        }
    }

    /// Whether nobody waits any more.
    var isAnswered: Bool { state.withLock { $0.isAnswered } }

    /// Tells the caller what the server answered, unless somebody told it something else.
    func answer(_ outcome: Outcome) {
        tell { _ in outcome }
    }

    /// Tells the caller of a failure that is not the server's answer, with what is known of the effect.
    func fail(_ error: RedisError) {
        tell { .failure(error.with($0)) }
    }

    /// The caller waited long enough.
    func expire() {
        tell { effect in
            let message =
                effect == .unknown ? "Redis did not answer in time." : "Redis was not free, or not there, in time."
            return .failure(RedisError(.timedOut, message, outcome: effect))
        }
    }

    /// Never under a lock of ours: what is resumed may run at once.
    private func tell(_ outcome: (RedisError.Outcome) -> Outcome) {
        let told: (Caller, Outcome)? = state.withLock { state in
            guard !state.isAnswered else { return nil }
            state.isAnswered = true
            var result = outcome(state.effect)
            // What the server says of the last attempt says nothing of an interrupted one before it.
            if state.isInterrupted, case .failure(let error) = result { result = .failure(error.with(.unknown)) }
            guard let caller = state.caller else {
                state.early = result
                return nil
            }
            state.caller = nil
            return (caller, result)
        }
        if let (caller, outcome) = told { caller.tell(outcome) }
    }
}

/// Waits for several calls on behalf of one caller.
final class Gathering: Sendable {
    private struct State {
        var outcomes: [Call.Outcome?]
        var missing: Int
        var continuation: CheckedContinuation<[Call.Outcome], Never>?
    }

    private let state: Mutex<State>

    /// One that waits for `count` outcomes.
    init(count: Int, _ continuation: CheckedContinuation<[Call.Outcome], Never>) {
        state = Mutex(
            State(outcomes: Array(repeating: nil, count: count), missing: count, continuation: continuation))
    }

    /// Takes in the outcome of the call at `place`; the last one ends the waiting.
    func take(_ outcome: Call.Outcome, at place: Int) {
        let ended: (CheckedContinuation<[Call.Outcome], Never>, [Call.Outcome])? = state.withLock { state in
            guard state.outcomes[place] == nil else { return nil }
            state.outcomes[place] = outcome
            state.missing -= 1
            guard state.missing == 0, let continuation = state.continuation else { return nil }
            state.continuation = nil
            return (continuation, state.outcomes.compactMap(\.self))
        }
        if let (continuation, outcomes) = ended { continuation.resume(returning: outcomes) }
    }
}
