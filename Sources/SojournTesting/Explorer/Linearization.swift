// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

/// Whether there is an order of observed calls, true to their beginnings and ends, in which the model would have
/// answered each as the store did (Wing and Gong, «Testing and Verifying Concurrent Objects», 1993, with Lowe's
/// memory of the dead ends: the same calls done and the same model reached need not be tried twice).
struct Linearization {
    /// The most calls of one object that can be checked: one bit each.
    static let eventsMax = 128

    private struct Place: Hashable {
        let done: UInt128
        let model: MemoryModel
    }

    private let events: [Event]
    private let promises: Promises
    private var deadEnds: Set<Place> = []
    private var deepest = -1
    /// Why the best order found goes no further; nil where an order was found.
    private(set) var obstacle: String?

    /// Searches an order of `events`, the calls of one object, on a store that promises so much of them.
    init(_ events: [Event], _ promises: Promises) {
        precondition(events.count <= Self.eventsMax, "an object's history is too long: make schedules smaller")
        self.promises = promises
        self.events = events.sorted { ($0.returned, $0.invoked) < ($1.returned, $1.invoked) }
        var start = MemoryModel()
        _ = start.put(ScheduleNames.catalogue)
        if search(start, done: 0) { obstacle = nil }
    }

    private mutating func search(_ model: MemoryModel, done: UInt128) -> Bool {
        let pending = events.indices.filter { done & 1 << UInt128($0) == 0 }
        guard let horizon = pending.first.map({ events[$0].returned }) else { return true }
        if !deadEnds.isEmpty, deadEnds.contains(Place(done: done, model: model)) { return false }
        var refused: [String] = []
        // Whoever began after another had ended comes after it.
        for index in pending where events[index].invoked < horizon {
            let event = events[index]
            var next = model
            let expected = event.step.apply(to: &next, at: event.at)
            guard promises.allow(event, expected, in: model) else {
                refused.append(
                    "  #\(event.step.number) \(event.step.verb)\n    answered \(event.outcome)\n    not \(expected)")
                continue
            }
            for next in outcomes(of: event, from: model, to: next) where search(next, done: done | 1 << UInt128(index))
            {
                return true
            }
        }
        if done.nonzeroBitCount > deepest, !refused.isEmpty {
            deepest = done.nonzeroBitCount
            obstacle = "after \(deepest) of \(events.count) calls:\n" + refused.joined(separator: "\n")
        }
        deadEnds.insert(Place(done: done, model: model))
        return false
    }

    /// What the model may have become: `whole`, and for a sweep beside other calls also any state in which it left
    /// some of the sessions alone, as it may with those that others were changing (law 9).
    private func outcomes(of event: Event, from model: MemoryModel, to whole: MemoryModel) -> [MemoryModel] {
        guard case .sweep = event.step.verb, events.contains(where: event.overlaps) else { return [whole] }
        return whole.sessions(changedSince: model).reduce([whole]) { states, id in
            states
                + states.map { state in
                    var spared = state
                    spared.restore(id, from: model)
                    return spared
                }
        }
    }
}

/// What a store's answers are held to.
///
/// A store without history promises of a session that is over no more than that it is over. And it may count a validation
/// that it refuses, where the session's user ends it at the same time: what a session counted is compared where it was
/// live to the end. A store whose counts lag is asked for them in the audit only, and may validate by a copy that lacks
/// turns and a later expiry: those of calls that are not answered yet, and any where something went wrong beneath it.
struct Promises {
    private let keepsEnded: Bool
    /// The round from which on counts are compared.
    private let exactFrom: Int
    /// The calls that a copy need not have heard of.
    private let unheard: [Event]
    /// Whether these are all, answered or not.
    private let isDeaf: Bool
    /// The sessions that the audit found live.
    private let survivors: Set<Int>

    /// The promises of the store on which this was observed.
    init(_ history: History) {
        keepsEnded = history.keepsEnded
        exactFrom = history.countsLag ? history.auditRound : 0
        unheard = history.events.filter(\.step.verb.isUnheard)
        isDeaf = history.events.contains { if case .suffer = $0.step.verb { true } else { false } }
        survivors = Set(history.found.compactMap { $0.stored.status == .active ? $0.session : nil })
    }

    /// Whether a call's answer is the model's. A sweep's counts go over all objects and are checked apart.
    func allow(_ event: Event, _ expected: Outcome, in model: MemoryModel) -> Bool {
        if case .sweep = event.step.verb, case .swept = event.outcome { return true }
        if event.outcome == expected { return true }
        if event.round < exactFrom {
            let answered = caughtUp(event, with: expected)
            if answered.withoutCounts == expected.withoutCounts { return true }
        }
        guard !keepsEnded, !event.step.verb.sessions.contains(where: survivors.contains) else { return false }
        return event.outcome.withoutTouches == expected.withoutTouches || isOfWhatIsOver(event, in: model)
    }

    /// A call's answer, as it would have been had the copy that may have answered it heard of everything.
    private func caughtUp(_ event: Event, with expected: Outcome) -> Outcome {
        guard
            case (.validate(let key), .session(var session?), .session(let whole?)) = (
                event.step.verb, event.outcome, expected
            ), session.turnCount <= whole.turnCount, session.expiresAt <= whole.expiresAt,
            unheard.contains(where: {
                $0.step.verb.sessions == [key.session] && (isDeaf ? $0.invoked < event.returned : $0.overlaps(event))
            })
        else { return event.outcome }
        session.turnCount = whole.turnCount
        session.expiresAt = whole.expiresAt
        return .session(session)
    }

    /// Whether a call read by trust what is left of a session that is over, and was not told otherwise.
    private func isOfWhatIsOver(_ event: Event, in model: MemoryModel) -> Bool {
        let trusted: Key
        switch (event.step.verb, event.outcome) {
        case (.get(let key), .stored(let found)) where found?.status != .active: trusted = key
        case (.held(let key), .held), (.held(let key), .refused(.noSession, _)): trusted = key
        default: return false
        }
        guard trusted.proof == .trust else { return false }
        return model.find([ScheduleNames.access(trusted)], at: event.at)[0]?.status != .active
    }
}

extension Verb {
    /// Whether the call changes nothing of a session but its turns, and makes its life longer.
    fileprivate var isUnheard: Bool {
        switch self {
        case .extend, .add, .append, .finish: true
        default: false
        }
    }
}

extension Outcome {
    /// The same without what validations change.
    fileprivate var withoutTouches: Outcome {
        mappingSession { session in
            session.requestCount = 0
            session.lastActivity = session.createdAt
            session.expiresAt = session.createdAt
        }
    }

    /// The same without what a cache counts later.
    fileprivate var withoutCounts: Outcome {
        mappingSession { session in
            session.requestCount = 0
            session.lastActivity = session.createdAt
        }
    }

    private func mappingSession(_ change: (inout Session) -> Void) -> Outcome {
        func changed(_ session: Session) -> Session {
            var session = session
            change(&session)
            return session
        }
        return switch self {
        case .session(let session?): .session(changed(session))
        case .both(let session, let items): .both(changed(session), items)
        case .repeated(let session, let sealed): .repeated(changed(session), sealed: sealed)
        case .stored(let stored?): .stored(StoredSession(session: changed(stored.session), status: stored.status))
        default: self
        }
    }
}

extension Event {
    /// Whether another call was under way at the same time.
    fileprivate func overlaps(_ other: Event) -> Bool {
        other != self && other.invoked < returned && invoked < other.returned
    }
}

extension History {
    /// The calls of each object. A user with all sessions that were ever theirs is one object, for the epoch and the
    /// cap tie them; any other session is one by itself. A sweep touches every object.
    var objects: [[Event]] {
        var groups: [(sessions: Set<Int>, users: Set<Int>)] = []
        for event in events {
            var joined = (
                sessions: Set(event.step.verb.sessions), users: Set([event.step.verb.user].compactMap(\.self))
            )
            guard !joined.sessions.isEmpty || !joined.users.isEmpty else { continue }
            groups.removeAll { group in
                guard !group.sessions.isDisjoint(with: joined.sessions) || !group.users.isDisjoint(with: joined.users)
                else { return false }
                joined.sessions.formUnion(group.sessions)
                joined.users.formUnion(group.users)
                return true
            }
            groups.append(joined)
        }
        return groups.map { group in
            events.filter { event in
                if case .sweep = event.step.verb { return true }
                return event.step.verb.user.map(group.users.contains)
                    ?? !group.sessions.isDisjoint(with: event.step.verb.sessions)
            }
        }
    }
}
