// SPDX-License-Identifier: Apache-2.0

internal import Sojourn
internal import Synchronization

/// One call as it was observed.
struct Event: Sendable, Hashable {
    /// The call; of a call for several sessions, the part for one.
    let step: Step
    /// The round; the audit after the last round has a number of its own.
    let round: Int
    /// The caller's number in its round.
    let caller: Int
    /// The clock during the round.
    let at: Timestamp
    /// Its place in the order of all beginnings and ends of calls.
    let invoked: Int
    /// As `invoked`, of its end.
    let returned: Int
    /// What it came to.
    let outcome: Outcome
}

/// What was observed while a schedule ran, and in the audit that reads every session afterwards.
struct History: Sendable, Hashable {
    /// All calls, by their ends.
    let events: [Event]
    /// The round that is the audit.
    let auditRound: Int
    /// Whether the store keeps what is over as it was at its end.
    let keepsEnded: Bool
    /// Whether counts are exact only from round to round.
    let countsLag: Bool

    /// The calls of the audit.
    var audit: [Event] { events.filter { $0.round == auditRound } }
    /// The sessions that the audit found, and how.
    var found: [(session: Int, stored: StoredSession)] {
        audit.compactMap { event in
            guard case (.get(let key), .stored(let stored?)) = (event.step.verb, event.outcome) else { return nil }
            return (key.session, stored)
        }
    }

    /// Runs a schedule on an empty store: every round's callers at once, and a barrier after each round, at which counts
    /// that lag behind catch up by `settle`.
    init(
        _ schedule: Schedule, on store: any SessionStore, clock: ManualClock,
        settle: (@Sendable (any SessionStore) async throws -> Void)?
    ) async throws {
        let recorder = Recorder()
        if let items = store as? any ItemStore, store.capabilities.contains(.items) {
            _ = try await items.put(ScheduleNames.catalogue)
        }
        for (number, round) in schedule.rounds.enumerated() {
            clock.advance(by: round.pause)
            let now = clock.now
            await withTaskGroup(of: Void.self) { group in
                for (caller, steps) in round.callers.enumerated() where !steps.isEmpty {
                    group.addTask {
                        for step in steps {
                            await Turn.pass()
                            await recorder.record(step, round: number, caller: caller, at: now, on: store)
                        }
                    }
                }
            }
            try await settle?(store)
        }
        countsLag = settle != nil
        auditRound = schedule.rounds.count
        keepsEnded = store.capabilities.contains(.history)
        for step in Self.audit(of: schedule, capabilities: store.capabilities) {
            await recorder.record(step, round: auditRound, caller: 0, at: clock.now, on: store)
        }
        events = recorder.events
    }

    private static func audit(of schedule: Schedule, capabilities: StoreCapabilities) -> [Step] {
        var verbs: [Verb] = []
        for session in Set(schedule.steps.flatMap(\.verb.sessions)).sorted() {
            let key = Key(session: session, proof: .trust)
            verbs.append(.get(key))
            if capabilities.contains(.history) { verbs.append(.facts(session: session)) }
            if capabilities.contains(.items) { verbs.append(.held(key)) }
            if capabilities.contains(.journal) { verbs.append(.history(key)) }
        }
        return verbs.enumerated().map { Step(number: 1000 + $0.offset, verb: $0.element) }
    }
}

/// Writes down calls as they are made.
private final class Recorder: Sendable {
    private struct State {
        var ticks = 0
        var events: [Event] = []
    }

    private let state = Mutex(State())

    var events: [Event] { state.withLock { $0.events } }

    func record(_ step: Step, round: Int, caller: Int, at now: Timestamp, on store: any SessionStore) async {
        let invoked = state.withLock { state in
            state.ticks += 1
            return state.ticks
        }
        let outcomes = await step.perform(on: store)
        state.withLock { state in
            state.ticks += 1
            for (part, outcome) in zip(step.parts, outcomes) {
                state.events.append(
                    Event(
                        step: part, round: round, caller: caller, at: now, invoked: invoked, returned: state.ticks,
                        outcome: outcome))
            }
        }
    }
}

extension Step {
    /// The call's parts, each for one session: what law 6 lets happen at different moments.
    var parts: [Step] {
        guard case .end(let keys) = verb else { return [self] }
        return keys.map { Step(number: number, verb: .end([$0])) }
    }
}

extension History: CustomStringConvertible {
    var description: String {
        events.sorted { $0.invoked < $1.invoked }.map { event in
            let place = event.round == auditRound ? "audit" : "round \(event.round) caller \(event.caller)"
            return "  \(place) [\(event.invoked)–\(event.returned)] #\(event.step.number) \(event.step.verb) → "
                + event.outcome.description
        }.joined(separator: "\n")
    }
}
