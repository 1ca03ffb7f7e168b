// SPDX-License-Identifier: Apache-2.0

internal import DriverSupport
internal import Synchronization

/// Calls that travel together, with a sync of their own: outside of an explicit transaction they are one.
struct Unit: Sendable {
    /// What is sent.
    enum Content: Sendable {
        /// Calls, one after the other in the pipeline.
        case calls([PostgresCall])
        /// A text of any number of statements, which travels alone.
        case script(String)
    }

    /// What is sent.
    let content: Content
    /// How many calls at the beginning bring no result that the caller wants.
    var unwanted = 0
    /// Whether its sync may commit. Losing the connection leaves its effect unknown only then: an open transaction is
    /// rolled back with its connection.
    var commits = true
    /// The connection that the unit belongs to, since a transaction is open there; nil where any will do.
    var connection: UInt64?
    /// Whether it may be sent again though its effect is unknown, since its repetition does no harm.
    var isRepeatable = false
    /// How often it was sent again already.
    var repeats = 0
    /// Until when its caller waits.
    let deadline: ContinuousClock.Instant
    /// Most silence of the server while the unit is under way.
    let patience: Duration
    /// Who is told what came of it.
    let waiter: Waiter

    /// Whether its content is a script, whose results nobody counts.
    var isScript: Bool { if case .script = content { true } else { false } }
}

/// The caller of a unit: told once, by whoever comes first of the connection's thread, the deadline and the caller's
/// own cancellation.
final class Waiter: Sendable {
    /// What a caller is told: one result per wanted call, or why there is none.
    typealias Outcome = Result<[PostgresRows], PostgresError>

    private enum Phase {
        /// Not sent yet.
        case queued
        /// Sent, so that it cannot be taken back.
        case sent
        /// Told already, or known before the caller asked.
        case answered(Outcome)
    }

    private struct State {
        var phase = Phase.queued
        var deliver: (@Sendable (Outcome) -> Void)?
        var connection: UInt64?
    }

    private let state = Mutex(State())
    private let queued: Tally

    /// A caller that counts in `queued` while its unit is neither sent nor answered.
    init(queued: Tally) {
        self.queued = queued
        queued.add(1)
    }

    /// Sets who is told; at once, where the outcome is known already.
    func attach(_ deliver: @escaping @Sendable (Outcome) -> Void) {
        let known: Outcome? = state.withLock { state in
            if case .answered(let outcome) = state.phase { return outcome }
            state.deliver = deliver
            return nil
        }
        if let known { deliver(known) }
    }

    /// The connection on which the unit was sent last, nil where it was not sent.
    var connection: UInt64? { state.withLock { $0.connection } }

    /// Notes that the unit is about to be sent on `connection`; false where nobody waits any more.
    func markSent(on connection: UInt64) -> Bool {
        let wasQueued = state.withLock { state in
            guard case .queued = state.phase else { return false }
            state.phase = .sent
            state.connection = connection
            return true
        }
        if wasQueued { queued.add(-1) }
        return wasQueued
    }

    /// Notes that the unit waits again to be sent; false where nobody waits any more.
    func markQueued() -> Bool {
        let wasSent = state.withLock { state in
            guard case .sent = state.phase else { return false }
            state.phase = .queued
            return true
        }
        if wasSent { queued.add(1) }
        return wasSent
    }

    /// Whether nobody waits any more.
    var isAnswered: Bool {
        state.withLock { if case .answered = $0.phase { true } else { false } }
    }

    /// Tells the caller, unless somebody did. Never under a lock of ours: what is resumed may run at once.
    func answer(_ outcome: Outcome) {
        answer { _ in outcome }
    }

    /// The caller was cancelled: nothing happened where the unit was not sent yet.
    func cancel() {
        answer { wasSent in
            .failure(
                PostgresError(.cancelled, "The call was cancelled.", outcome: wasSent ? .unknown : .nothingHappened))
        }
    }

    /// The caller waited long enough.
    func expire() {
        answer { wasSent in
            let message =
                wasSent
                ? "The database did not answer in time." : "The database was not free, or not there, in time."
            return .failure(PostgresError(.timedOut, message, outcome: wasSent ? .unknown : .nothingHappened))
        }
    }

    private func answer(_ outcome: (_ wasSent: Bool) -> Outcome) {
        var wasQueued = false
        let told: (deliver: (@Sendable (Outcome) -> Void)?, outcome: Outcome)? = state.withLock { state in
            let result: Outcome
            switch state.phase {
            case .answered: return nil
            case .queued:
                wasQueued = true
                result = outcome(false)
            case .sent: result = outcome(true)
            }
            state.phase = .answered(result)
            defer { state.deliver = nil }
            return (state.deliver, result)
        }
        if wasQueued { queued.add(-1) }
        if let told { told.deliver?(told.outcome) }
    }
}
