// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

extension Step {
    /// Makes the call on the model: what the store should have answered, had the call come now.
    func apply(to model: inout MemoryModel, at now: Timestamp) -> Outcome {
        do {
            return try sessionVerb(&model, now) ?? held(&model, now)
        } catch {
            return Outcome(error)
        }
    }

    private func sessionVerb(_ model: inout MemoryModel, _ now: Timestamp) throws -> Outcome? {
        switch verb {
        case .create(let session, let user, let policy, let cap):
            Outcome(
                model.create(
                    [ScheduleNames.new(session, user: user, policy: policy, cap: cap, step: number)], at: now))
        case .validate(let key): .session(model.validate(ScheduleNames.access(key), at: now))
        case .get(let key): .stored(model.find([ScheduleNames.access(key)], at: now)[0])
        case .extend(let key, let seconds):
            .session(try model.extend(ScheduleNames.access(key), by: seconds.map { .seconds($0) }, at: now))
        case .rotate(let key, let grace):
            Outcome(try model.rotate(ScheduleNames.access(key), to: rotation(graceSeconds: grace), at: now))
        case .bind(let session, let user, let cap):
            .session(
                try model.bind(
                    .trusted(ScheduleNames.session(session), as: .service), to: ScheduleNames.user(user),
                    digest: ScheduleNames.secret(number), sessionsPerUserMax: cap, at: now))
        case .replace(let key, let field, let version):
            .session(
                try model.replace(
                    field, of: ScheduleNames.access(key), with: ScheduleNames.document(number), ifVersion: version,
                    at: now))
        case .end(let keys): .flag(model.end(keys.map(ScheduleNames.access), at: now)[0])
        case .delete(let session): .flag(model.delete(ScheduleNames.session(session)))
        case .endAll(let user): .count(model.endAll(of: ScheduleNames.user(user), by: .service, at: now))
        case .endOthers(let key): .count(try model.endOthers(ScheduleNames.access(key), at: now))
        case .sweep(let keepsEnded): .swept(try model.sweep(ScheduleNames.sweep(keepsEnded: keepsEnded), at: now))
        case .facts(let session): .facts(model.facts(of: ScheduleNames.session(session)))
        case .validateWithItems, .add, .remove, .held, .append, .finish, .history, .suffer: nil
        }
    }

    private func held(_ model: inout MemoryModel, _ now: Timestamp) throws -> Outcome {
        switch verb {
        case .validateWithItems(let key): Outcome(model.validateWithItems(ScheduleNames.access(key), at: now))
        case .add(let key, let ids): .added(try model.add(ids, to: ScheduleNames.access(key), holdMax: 3, at: now))
        case .remove(let key, let ids): .count(try model.remove(ids, from: ScheduleNames.access(key), at: now))
        case .held(let key): .held(try model.held(by: ScheduleNames.access(key), at: now))
        case .append(let key, let turns, let expected, let repeatable):
            .entries(
                try model.append(
                    ScheduleNames.turns(number, count: turns), to: ScheduleNames.access(key), expectedTurns: expected,
                    idempotency: repeatable.map { ScheduleNames.idempotency($0, key.session) }, at: now))
        case .finish(let key, let turn):
            .entries([
                try model.finish(
                    ScheduleNames.turn(turn), of: ScheduleNames.access(key), response: "#\(number)",
                    extra: ScheduleNames.document(number), expectedTurns: nil, at: now)
            ])
        case .history(let key):
            .entries(
                try model.history(
                    .conversations, of: .session(ScheduleNames.access(key)), HistoryQuery(),
                    page: PageRequest(limit: 500), at: now
                ).items)
        default: .broken("no such verb in the model")
        }
    }
}
