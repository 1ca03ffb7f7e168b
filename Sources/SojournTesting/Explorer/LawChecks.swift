// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

/// What can be said of laws 1 to 6 by looking at a history alone, without the model: a second opinion, and a report
/// that names the law.
struct LawChecks {
    private let history: History
    /// The sessions that were created once and for all, of which "brought back" can be said.
    private let sessions: Set<Int>
    /// Whether anything was deleted, so that counts over what is left say nothing.
    private let deletesAny: Bool

    /// Checks to be made of a history.
    init(_ history: History) {
        self.history = history
        let created = history.events.compactMap { $0.creates }
        sessions = Set(created.filter { session in created.count { $0 == session } == 1 })
        deletesAny = history.events.contains { event in
            if case .swept(let outcome) = event.outcome, outcome.deleted > 0 { return true }
            return event.deletes != nil
        }
    }

    /// The breaches, in words.
    var breaches: [String] {
        availability + deleteWins + secretsDie + nothingIsAdopted + createIsNotSave + countersAreExact + noOrphans
            + allOrNothing + sweepsCount
    }

    private var availability: [String] {
        history.events.compactMap { event in
            guard case .broken(let reason) = event.outcome else { return nil }
            return "Law 11: #\(event.step.number) \(event.step.verb) could not be answered: \(reason)"
        }
    }

    /// Law 1: what was ended, deleted or revoked before a call began does not answer it.
    private var deleteWins: [String] {
        history.events.flatMap { end in
            dead(by: end).flatMap { session in
                history.events.filter { $0.invoked > end.returned && $0.provesLife == session }.map {
                    "Law 1: #\($0.step.number) \($0.step.verb) found a live session after #\(end.step.number) "
                        + "\(end.step.verb) was acknowledged"
                }
            }
        }
    }

    /// The sessions that this call, as acknowledged, ended for good.
    private func dead(by end: Event) -> Set<Int> {
        switch (end.step.verb, end.outcome) {
        case (.end(let keys), .flag(true)): Set(keys.map(\.session)).intersection(sessions)
        case (.delete(let session), .flag(true)): Set([session]).intersection(sessions)
        case (.endAll(let user), .count):
            Set(
                history.events.compactMap { event in
                    guard event.returned < end.invoked, event.provesLife != nil || event.creates != nil,
                        event.step.verb.user == user
                    else { return nil }
                    return event.step.verb.sessions.first
                }
            ).intersection(sessions)
        default: []
        }
    }

    /// Law 1: a secret is dead after a login, and after a rotation once its grace is over.
    private var secretsDie: [String] {
        history.events.flatMap { change -> [String] in
            guard case .session(_?) = change.outcome else { return [] }
            return history.events.filter { use in
                guard use.invoked > change.returned, let key = use.step.verb.keys.first, use.provesLife == key.session,
                    sessions.contains(key.session), case .secret(let step) = key.proof
                else { return false }
                switch change.step.verb {
                case .bind(key.session, _, _):
                    return history.events.contains { $0.step.number == step && $0.returned < change.invoked }
                case .rotate(Key(session: key.session, proof: .secret(of: step)), let grace):
                    return use.at >= change.at + .seconds(grace)
                default: return false
                }
            }.map {
                "Law 1: #\($0.step.number) \($0.step.verb) succeeded with a secret that #\(change.step.number) "
                    + "\(change.step.verb) had ended"
            }
        }
    }

    /// Law 2: a forged secret opens nothing.
    private var nothingIsAdopted: [String] {
        history.events.filter { $0.provesLife != nil && $0.step.verb.keys.contains { $0.proof == .forged } }.map {
            "Law 2: #\($0.step.number) \($0.step.verb) succeeded"
        }
    }

    /// Law 3: an id is created again only after a delete.
    private var createIsNotSave: [String] {
        guard !deletesAny else { return [] }
        let created = history.events.compactMap(\.creates)
        return Set(created).filter { session in created.count { $0 == session } > 1 }.sorted().map {
            "Law 3: s\($0) was created more than once"
        }
    }

    /// Law 4: the row counts what was acknowledged, no less and no more.
    private var countersAreExact: [String] {
        audited.flatMap { session, stored -> [String] in
            let own = history.events.filter { $0.provesLife == session }
            let turns = Set(
                own.flatMap { event -> [EntryID] in
                    guard case (.append, .entries(let entries)) = (event.step.verb, event.outcome) else { return [] }
                    return entries.map(\.id)
                })
            let counts = [
                ("validations", stored.requestCount, own.count { $0.step.isValidation }),
                ("versions", stored.version, own.count { $0.step.isReplace } + 1),
                ("turns", stored.turnCount, turns.count),
            ]
            return counts.filter { $0.1 != $0.2 }.map { name, found, expected in
                "Law 4: s\(session) counts \(found) \(name), \(expected) were acknowledged"
            }
        }
    }

    /// Law 5: nothing is left of a deleted session.
    private var noOrphans: [String] {
        let deleted = Set(history.events.compactMap(\.deletes)).intersection(sessions)
        return history.audit.filter { !deleted.isDisjoint(with: $0.step.verb.sessions) && !$0.isEmpty }.map {
            "Law 5: \($0.step.verb) shows something of a deleted session: \($0.outcome)"
        }
    }

    /// Law 6: what is held and written is what was acknowledged, and nothing of a refused call.
    private var allOrNothing: [String] {
        let told = history.keepsEnded ? sessions : Set(audited.map(\.0))
        return history.audit.compactMap { event -> String? in
            guard let session = event.step.verb.sessions.first, told.contains(session) else { return nil }
            let own = history.events.filter { $0.step.verb.sessions == [session] && $0.round != history.auditRound }
            switch event.outcome {
            case .held(let held):
                let added = own.flatMap { event -> [ItemID] in
                    guard case .added(let added) = event.outcome else { return [] }
                    return added.added
                }
                guard !Set(held.map(\.item.id)).isSubset(of: added) else { return nil }
                return "Law 6: s\(session) holds \(held.map(\.item.id)), only \(added) were acknowledged"
            case .entries(let entries):
                let written = own.flatMap { event -> [EntryID] in
                    guard case (.append, .entries(let entries)) = (event.step.verb, event.outcome) else { return [] }
                    return entries.map(\.id)
                }
                guard Set(entries.map(\.id)) != Set(written) else { return nil }
                return "Law 6: s\(session) has \(entries.count) turns, \(Set(written).count) were acknowledged"
            default: return nil
            }
        }
    }

    /// The sweeps' counts agree with the facts that they wrote.
    private var sweepsCount: [String] {
        guard !deletesAny, history.keepsEnded else { return [] }
        let counted = history.events.reduce(0) { sum, event in
            guard case .swept(let outcome) = event.outcome else { return sum }
            return sum + outcome.expired + outcome.inactive
        }
        let written = history.audit.reduce(0) { sum, event in
            guard case .facts(let facts?) = event.outcome else { return sum }
            return sum + facts.facts.count { $0.kind == .expired || $0.kind == .swept }
        }
        return counted == written ? [] : ["Sweeps say they ended \(counted) sessions, the facts say \(written)"]
    }

    /// The sessions that were created once, and how the audit found them: all, or those that live still.
    private var audited: [(Int, Session)] {
        history.found.filter { session, stored in
            sessions.contains(session) && (history.keepsEnded || stored.status == .active)
        }.map { ($0.session, $0.stored.session) }
    }
}

extension Event {
    /// The session that this call created; nil where it did not.
    fileprivate var creates: Int? {
        guard case (.create(let session, _, _, _), .session(_?)) = (step.verb, outcome) else { return nil }
        return session
    }

    /// The session that this call deleted; nil where it did not.
    fileprivate var deletes: Int? {
        guard case (.delete(let session), .flag(true)) = (step.verb, outcome) else { return nil }
        return session
    }

    /// The session that must have been live for this call to be answered so; nil where that cannot be said.
    fileprivate var provesLife: Int? {
        switch (step.verb, outcome) {
        case (.get(let key), .stored(let stored?)): stored.status == .active ? key.session : nil
        case (.create, _), (.get, _), (.held, _), (.history, _), (.facts, _), (.sweep, _), (.delete, _), (.endAll, _):
            nil
        case (_, .session(_?)), (_, .both), (_, .repeated), (_, .added), (_, .entries), (_, .flag(true)), (_, .count):
            step.verb.sessions.first
        default: nil
        }
    }

    /// Whether a reading of the audit shows nothing.
    fileprivate var isEmpty: Bool {
        switch outcome {
        case .stored(nil), .facts(nil), .refused: true
        default: false
        }
    }
}

extension Step {
    /// Whether the call counts on the session.
    fileprivate var isValidation: Bool {
        switch verb {
        case .validate, .validateWithItems: true
        default: false
        }
    }

    /// Whether the call moves the version.
    fileprivate var isReplace: Bool {
        if case .replace = verb { true } else { false }
    }
}
