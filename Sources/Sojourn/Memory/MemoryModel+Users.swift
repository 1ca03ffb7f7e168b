// SPDX-License-Identifier: Apache-2.0

// The verbs of `SessionStore` over many sessions; their comments stand there.
extension MemoryModel {
    public func sessions(matching filter: SessionFilter, page: PageRequest, at now: Timestamp) throws
        -> Page<StoredSession>
    {
        let after = try page.after?.uuid()
        let found = sessions.values.map { $0.record.stored(at: now, user: epoch(of: $0.record)) }
            .filter { stored in
                (filter.userID == nil || stored.session.userID == filter.userID)
                    && (filter.type == nil || stored.session.type == filter.type)
                    && (filter.status == nil || stored.status == filter.status)
                    && (after.map { stored.session.id.uuid < $0 } ?? true)
            }
            .sorted { $0.session.id > $1.session.id }
        return Page(fetched: found, limit: page.limit) { PageCursor($0.session.id.uuid) }
    }

    public mutating func endAll(of user: UserID, by actor: Actor, at now: Timestamp) -> Int {
        raise(user, at: now, by: actor).live
    }

    public mutating func endOthers(_ access: SessionAccess, at now: Timestamp) throws -> Int {
        let entry = try entry(for: access, at: now)
        guard let user = entry.record.session.userID else { return 0 }
        let (raised, live) = raise(user, at: now, by: access.actor)
        sessions[access.id]?.record.epoch = raised.value
        return live - 1
    }

    /// Raises a user's epoch; `live` is how many sessions were live until now. A user keeps the last raise only, so
    /// the ends that the raise before it brought are written first, where no sweep has.
    private mutating func raise(_ user: UserID, at now: Timestamp, by actor: Actor) -> (epoch: UserEpoch, live: Int) {
        let before = register(user)
        for record in sessions.values.map(\.record) where record.session.userID == user {
            if let end = record.unmarkedEnd(at: now, user: before), end.reason == .revoked { mark(end, of: record) }
        }
        let live = live(of: user, at: now).count
        let raised = before.raised(at: now, by: actor)
        users[user] = raised
        return (raised, live)
    }

    public mutating func erase(_ user: UserID) -> ErasureReceipt {
        let gone = sessions.filter { $0.value.record.session.userID == user }
        var entries = Dictionary(grouping: gone.values.flatMap(\.journal.values), by: \.body.kind).mapValues(\.count)
        for id in gone.keys { _ = delete(id) }
        for (id, entry) in sessions {
            for written in entry.journal.values where written.userID == user {
                entries[written.body.kind, default: 0] += 1
                sessions[id]?.journal[written.id] = nil
            }
        }
        users[user] = nil
        return ErasureReceipt(
            sessions: gone.count, items: gone.values.reduce(0) { $0 + $1.held.count }, entries: entries)
    }

    public func statistics(at now: Timestamp) -> SessionStatistics {
        var statistics = SessionStatistics(at: now)
        for entry in sessions.values {
            let session = entry.record.session
            switch entry.record.status(at: now, user: epoch(of: entry.record)) {
            case .active:
                statistics.active += 1
                statistics.activeByType[session.type, default: 0] += 1
            case .ended: statistics.ended += 1
            case .expired: statistics.expired += 1
            }
            statistics.items += entry.held.count
            if session.createdAt > now - .hours(1) { statistics.createdLastHour += 1 }
            if session.createdAt > now - .hours(24) { statistics.createdLastDay += 1 }
        }
        return statistics
    }

    public mutating func sweep(_ order: SweepOrder, at now: Timestamp) throws -> SweepOutcome {
        var after = self
        let outcome = after.swept(order, at: now)
        let surprising = sessions.values.count { entry in
            guard entry.record.session.end == nil,
                let end = after.sessions[entry.record.session.id]?.record.session.end
            else { return false }
            return entry.record.isSurprising(end, at: now)
        }
        if let fuse = order.fuse, surprising > fuse { throw SojournError.fuse(surprising: surprising, fuse: fuse) }
        if !order.dryRun { self = after }
        return outcome
    }

    private mutating func swept(_ order: SweepOrder, at now: Timestamp) -> SweepOutcome {
        var outcome = SweepOutcome()
        let ordered = sessions.values.sorted { $0.record.session.id < $1.record.session.id }
        for entry in ordered {
            guard let end = entry.record.unmarkedEnd(at: now, user: epoch(of: entry.record)) else { continue }
            guard outcome.expired + outcome.revoked < order.batchMax else {
                outcome.more = true
                break
            }
            mark(end, of: entry.record)
            if end.reason == .expired { outcome.expired += 1 } else { outcome.revoked += 1 }
        }
        let lap = ordered.filter { entry in
            switch order.lap {
            case .off: false
            case .begin: true
            case .after(let id): entry.record.session.id > id
            }
        }
        for entry in lap.prefix(order.batchMax) where sessions[entry.record.session.id]?.record.session.end == nil {
            guard entry.record.isInactive(at: now) else { continue }
            sessions[entry.record.session.id]?.record.end(at: now, reason: .inactive)
            sessions[entry.record.session.id]?.note(.swept, at: now, by: .sweep, EndReason.inactive.rawValue)
            outcome.inactive += 1
        }
        outcome.lapNext = lap.count > order.batchMax ? lap[order.batchMax - 1].record.session.id : nil
        for entry in ordered {
            guard let end = sessions[entry.record.session.id]?.record.session.end,
                case .after(let kept)? = order.retention[entry.record.session.type], now - end.at >= kept
            else { continue }
            guard outcome.deleted < order.batchMax else {
                outcome.more = true
                break
            }
            _ = delete(entry.record.session.id)
            outcome.deleted += 1
        }
        answered = answered.filter { now - $0.value.at < IdempotencyKey.keptFor }
        for (id, entry) in sessions {
            if let previous = entry.record.previous, previous.until <= now { sessions[id]?.record.previous = nil }
        }
        return outcome
    }

    /// Writes an end that has come by itself, and its fact.
    private mutating func mark(_ end: SessionEnd, of record: SessionRecord) {
        let id = record.session.id
        sessions[id]?.record.end(at: end.at, reason: end.reason)
        if end.reason == .expired {
            sessions[id]?.note(.expired, at: end.at, by: .sweep)
        } else {
            let raisedBy = epoch(of: record).raisedBy ?? .sweep
            sessions[id]?.note(.ended, at: end.at, by: raisedBy, end.reason.rawValue)
        }
    }
}
