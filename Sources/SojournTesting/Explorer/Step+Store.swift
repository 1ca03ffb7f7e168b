// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

extension Step {
    /// Makes the call on a store. A call for several sessions comes to one outcome for each.
    func perform(on store: any SessionStore) async -> [Outcome] {
        do {
            if case .end(let keys) = verb {
                let ended = try await store.end(keys.map(ScheduleNames.access))
                guard ended.count == keys.count else { return keys.map { _ in .broken("\(ended.count) results") } }
                return ended.map { .flag($0) }
            }
            if case .suffer(let act) = verb {
                try await act.body(store)
                return [.done]
            }
            if let outcome = try await onSession(store) { return [outcome] }
            if let outcome = try await onItems(store) { return [outcome] }
            return [try await onJournal(store)]
        } catch {
            return Array(repeating: Outcome(error), count: max(1, verb.keys.count))
        }
    }

    /// The verbs of `SessionStore`; nil for the others.
    private func onSession(_ store: any SessionStore) async throws -> Outcome? {
        switch verb {
        case .create(let session, let user, let policy, let cap):
            Outcome(
                try await store.create([
                    ScheduleNames.new(session, user: user, policy: policy, cap: cap, step: number)
                ]))
        case .validate(let key): .session(try await store.validate(ScheduleNames.access(key)))
        case .get(let key): .stored(try await store.find([ScheduleNames.access(key)]).first ?? nil)
        case .extend(let key, let seconds):
            .session(try await store.extend(ScheduleNames.access(key), by: seconds.map { .seconds($0) }))
        case .rotate(let key, let grace):
            Outcome(try await store.rotate(ScheduleNames.access(key), to: rotation(graceSeconds: grace)))
        case .bind(let session, let user, let cap):
            .session(
                try await store.bind(
                    .trusted(ScheduleNames.session(session), as: .service), to: ScheduleNames.user(user),
                    digest: ScheduleNames.secret(number), sessionsPerUserMax: cap))
        case .replace(let key, let field, let version):
            .session(
                try await store.replace(
                    field, of: ScheduleNames.access(key), with: ScheduleNames.document(number), ifVersion: version))
        case .delete(let session): .flag(try await store.delete(ScheduleNames.session(session)))
        case .endAll(let user): .count(try await store.endAll(of: ScheduleNames.user(user), by: .service))
        case .endOthers(let key): .count(try await store.endOthers(ScheduleNames.access(key)))
        case .sweep(let keepsEnded): .swept(try await store.sweep(ScheduleNames.sweep(keepsEnded: keepsEnded)))
        case .facts(let session): .facts(try await store.facts(of: ScheduleNames.session(session)))
        case .end, .validateWithItems, .add, .remove, .held, .append, .finish, .history, .suffer: nil
        }
    }

    /// The verbs of `ItemStore`; nil for the others.
    private func onItems(_ store: any SessionStore) async throws -> Outcome? {
        guard let store = store as? any ItemStore else { return nil }
        return switch verb {
        case .validateWithItems(let key): Outcome(try await store.validateWithItems(ScheduleNames.access(key)))
        case .add(let key, let ids): .added(try await store.add(ids, to: ScheduleNames.access(key), holdMax: 3))
        case .remove(let key, let ids): .count(try await store.remove(ids, from: ScheduleNames.access(key)))
        case .held(let key): .held(try await store.held(by: ScheduleNames.access(key)))
        default: nil
        }
    }

    /// The verbs of `JournalStore`.
    private func onJournal(_ store: any SessionStore) async throws -> Outcome {
        guard let store = store as? any JournalStore else { return .broken("no such verb on this store") }
        return switch verb {
        case .append(let key, let turns, let expected, let repeatable):
            .entries(
                try await store.append(
                    ScheduleNames.turns(number, count: turns), to: ScheduleNames.access(key), expectedTurns: expected,
                    idempotency: repeatable.map { ScheduleNames.idempotency($0, key.session) }))
        case .finish(let key, let turn):
            .entries([
                try await store.finish(
                    ScheduleNames.turn(turn), of: ScheduleNames.access(key), response: "#\(number)",
                    extra: ScheduleNames.document(number), expectedTurns: nil)
            ])
        case .history(let key):
            .entries(
                try await store.history(
                    .conversations, of: .session(ScheduleNames.access(key)), HistoryQuery(),
                    page: PageRequest(limit: 500)
                ).items)
        default: .broken("no such verb on this store")
        }
    }

    /// The rotation that the step asks for.
    func rotation(graceSeconds: Int) -> Rotation {
        Rotation(
            digest: ScheduleNames.secret(number),
            successorSealed: graceSeconds > 0 ? ScheduleNames.sealed(number) : [], grace: .seconds(graceSeconds))
    }
}
