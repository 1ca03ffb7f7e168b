// SPDX-License-Identifier: Apache-2.0

internal import RedisDriver
public import Sojourn

extension RedisStore {
    public func create(_ sessions: [NewSession]) async throws -> [Result<Session, SojournError>] {
        try await RedisFailure.mapping {
            var moments: [Timestamp?] = []
            if sessions.contains(where: { $0.userID != nil && $0.sessionsPerUserMax != nil }) {
                for new in sessions { moments.append(try await enterUnderCap(new)) }
            } else {
                moments = try await enter(sessions)
            }
            return zip(sessions, moments).map { new, now in
                guard let now else { return .failure(.duplicateID()) }
                return .success(SessionRecord(new, at: now, user: .first).session)
            }
        }
    }

    /// Begins a session and ends those of its user that are too many then. Returns when; nil where its id is taken.
    private func enterUnderCap(_ new: NewSession) async throws -> Timestamp? {
        guard let user = new.userID, let cap = new.sessionsPerUserMax else { return try await enter([new])[0] }
        return try await alone(with: user) {
            guard let moment = try await enter([new])[0] else { return nil }
            try await endOldest(of: user, beyond: cap, sparing: new.id)
            return moment
        }
    }

    /// Begins the sessions whose ids are free, and lists them. Returns when each began; nil for those whose ids are taken.
    private func enter(_ sessions: [NewSession]) async throws -> [Timestamp?] {
        let moments = try await begin(sessions)
        let fresh = zip(sessions, moments).filter { $1 != nil }.map(\.0)
        let listings = await client.send(
            fresh.map { RedisCommand("ZADD", key: keys.list(of: $0.id), [0, $0.id.member]) })
        for listing in listings { _ = try listing.get() }
        for new in fresh {
            guard let user = new.userID else { continue }
            try await show(new.id, epoch: try await enroll(new.id, under: user))
        }
        return moments
    }

    /// Writes the sessions whose ids are free. Returns when each began; nil for those whose ids are taken.
    private func begin(_ sessions: [NewSession]) async throws -> [Timestamp?] {
        var moments = [Timestamp?](repeating: nil, count: sessions.count)
        var places = Array(sessions.indices)
        while !places.isEmpty {
            var undecided: [Int] = []
            for (place, answer) in zip(places, await client.send(places.map { creation(sessions[$0]) })) {
                let value = try answer.get()
                if value.isNull { continue }
                let now = try value.int()
                if now == 0 { undecided.append(place) } else { moments[place] = Timestamp(microseconds: Int64(now)) }
            }
            places = undecided
            if !places.isEmpty { try await Self.rest() }
        }
        return moments
    }

    private func creation(_ new: NewSession) -> RedisCommand {
        let names = keys.session(new.id)
        return .script(
            scripts.create, keys: [names[0], names[2]],
            [
                now, RedisArgument(new.actor.rawValue), RedisArgument(new.policy.life),
                new.policy.absoluteLife.map { RedisArgument($0) } ?? "", new.userID == nil ? "" : "1",
            ] + SessionHash.fields(of: new))
    }

    /// Lets a session be seen that was begun for a user, stamped with the epoch that the user had when it was enrolled.
    private func show(_ id: SessionID, epoch: UserEpoch) async throws {
        let head: [RedisArgument] = [1, now, 0, "", "", "", ""]
        let value = try await client.send(
            .script(scripts.write, keys: keys.session(id), head + ["e", RedisArgument(epoch.value), "b", ""]))
        guard !value.isNull else {
            throw SojournError(.storeUnavailable, "Redis was too slow to begin the session. Try again in a moment.")
        }
    }

    public func bind(
        _ access: SessionAccess, to user: UserID, digest: SecretDigest, sessionsPerUserMax: Int?
    ) async throws -> Session {
        try await RedisFailure.mapping {
            try await keeping(sessionsPerUserMax, of: user, sparing: access.id) {
                while true {
                    guard let answer = try await read([access.id])[0], answer.admission(access) == .full else {
                        throw SojournError.noSession()
                    }
                    guard answer.record.session.userID == nil || answer.record.session.userID == user else {
                        throw SojournError.userConflict()
                    }
                    var record = answer.record
                    // A session that is the user's already lives by the epoch with which it was found alive.
                    let epoch =
                        if let known = answer.user { known.epoch } else { try await enroll(access.id, under: user) }
                    record.bind(to: user, digest: digest, epoch: epoch)
                    let fact = SessionFact(at: answer.now, kind: .bound, actor: access.actor, detail: user.text)
                    if let session = try await write(record, over: answer, noting: fact) {
                        owners[access.id] = user
                        return session
                    }
                    try await Self.rest()
                }
            }
        }
    }

    /// Lists a session under the user whose it will be, and tells the user's epoch at that moment. A raise after that
    /// finds the session: either it is the user's by then and ends, or it is told to carry the raised epoch once it is.
    private func enroll(_ id: SessionID, under user: UserID) async throws -> UserEpoch {
        let value = try await client.send(.script(scripts.enroll, keys: keys.user(user), [id.member]))
        // So that a list that nobody reads does not grow for ever.
        let listed = try Row(try value.array()).int(5)
        if listed >= 32, listed.nonzeroBitCount == 1 { _ = try await sessions(of: user) }
        return try UserHash(value).epoch
    }

    /// Runs `body`, which brings a session to a user, and under a cap ends the oldest of the user's other live sessions
    /// until no more than `cap` are left.
    private func keeping<Value: Sendable>(
        _ cap: Int?, of user: UserID, sparing id: SessionID, _ body: () async throws -> Value
    ) async throws -> Value {
        guard let cap else { return try await body() }
        return try await alone(with: user) {
            let value = try await body()
            try await endOldest(of: user, beyond: cap, sparing: id)
            return value
        }
    }

    private func endOldest(of user: UserID, beyond cap: Int, sparing id: SessionID) async throws {
        while true {
            let others = try await sessions(of: user)
                .filter { $0.record.session.id != id && $0.record.isLive(at: $0.now, user: $0.epoch) }
                .sorted {
                    ($0.record.session.createdAt, $0.record.session.id)
                        < ($1.record.session.createdAt, $1.record.session.id)
                }
            let written = try await write(
                others.prefix(max(0, others.count - (cap - 1))).map { $0.ending(.cap, by: .cap) })
            if !written.contains(where: { $0 == nil }) { return }
            try await Self.rest()
        }
    }

    /// The stored sessions of a user. Takes those that are gone off the list.
    func sessions(of user: UserID) async throws -> [Answer] {
        let list = keys.user(user)[1]
        let members = try await client.send(RedisCommand("ZRANGE", key: list, [0, -1], retry: .ifInterrupted)).array()
            .compactMap { SessionID(try $0.string()) }
        var found: [Answer] = []
        for chunk in members.chunks(of: 500) {
            var gone: [RedisArgument] = []
            for (id, look) in zip(chunk, try await look(chunk)) {
                switch look {
                case .there(let answer) where answer.record.session.userID == user: found.append(answer)
                case .missing: gone.append(id.member)
                default: break
                }
            }
            if !gone.isEmpty { _ = try await client.send(RedisCommand("ZREM", key: list, gone)) }
        }
        return found
    }
}

extension Array {
    /// The elements in runs of at most `count`.
    func chunks(of count: Int) -> [[Element]] {
        stride(from: 0, to: self.count, by: count).map { Array(self[$0..<Swift.min($0 + count, self.count)]) }
    }
}
