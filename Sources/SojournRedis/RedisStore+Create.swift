// SPDX-License-Identifier: Apache-2.0

internal import RedisDriver
public import Sojourn

extension RedisStore {
    public func create(_ sessions: [NewSession]) async throws -> [Result<Session, SojournError>] {
        try await answering {
            let stamps = sessions.map { new in new.userID.map { epochs[$0] ?? 0 } ?? 0 }
            let answers = await client.send(zip(sessions, stamps).map { creation($0, epoch: $1) })
            var results: [Result<Session, SojournError>] = []
            var fresh: [(place: Int, record: SessionRecord)] = []
            for (place, answer) in answers.enumerated() {
                let value = try answer.get()
                guard !value.isNull else {
                    results.append(.failure(.duplicateID()))
                    continue
                }
                let at = try Row([value]).time(0)
                let epoch = UserEpoch(value: stamps[place], raisedAt: nil, raisedBy: nil)
                let record = SessionRecord(sessions[place], at: try Row([value]).present(at), user: epoch)
                fresh.append((place, record))
                results.append(.success(record.session))
            }
            let lists = await client.send(
                fresh.map { RedisCommand("ZADD", key: keys.list(of: $0.record.session.id), [0, $0.record.session.id.member]) })
            for answer in lists { _ = try answer.get() }
            for (place, record) in fresh {
                guard let user = record.session.userID else { continue }
                try await enroll(record, writes: 1, under: user, cap: sessions[place].sessionsPerUserMax)
            }
            return results
        }
    }

    private func creation(_ new: NewSession, epoch: Int) -> RedisCommand {
        let names = keys.session(new.id)
        return .script(
            scripts.create, keys: [names[0], names[2]],
            [
                now, RedisArgument(new.actor.rawValue), RedisArgument(new.policy.life),
                new.policy.absoluteLife.map { RedisArgument($0) } ?? "",
            ] + SessionHash.fields(of: new, epoch: epoch))
    }

    public func bind(
        _ access: SessionAccess, to user: UserID, digest: SecretDigest, sessionsPerUserMax: Int?
    ) async throws -> Session {
        try await answering {
            while true {
                guard let answer = try await read([access.id])[0], answer.admission(access) == .full else {
                    throw SojournError.noSession()
                }
                guard answer.record.session.userID == nil || answer.record.session.userID == user else {
                    throw SojournError.userConflict()
                }
                // Whose session it is already carries an epoch that lives; another's is looked up.
                let epoch = try await self.user(user).epoch
                var record = answer.record
                record.bind(to: user, digest: digest, epoch: epoch)
                let fact = SessionFact(at: answer.now, kind: .bound, actor: access.actor, detail: user.text)
                guard let session = try await write(record, over: answer, noting: fact) else {
                    try await Self.rest()
                    continue
                }
                owners[access.id] = user
                try await enroll(record, writes: answer.hash.writes + 1, under: user, cap: sessionsPerUserMax)
                return session
            }
        }
    }

    /// Lists a session of which nobody has the secret yet under its user, stamps it with the epoch that the user has at
    /// that moment, and ends the user's oldest sessions before it until no more than `cap` live.
    ///
    /// A raise before the listing does not meet the session, so it is stamped anew; a raise after it does, and so the
    /// session was there before that raise: its end stands.
    private func enroll(_ record: SessionRecord, writes: Int, under user: UserID, cap: Int?) async throws {
        let id = record.session.id
        let value = try await client.send(
            .script(scripts.enroll, keys: keys.user(user), [id.member]))
        var hash = try UserHash(value)
        let row = Row(try value.array())
        let (number, listed) = (try row.int(5), try row.int(6))
        var epoch = record.epoch
        while epoch != hash.epoch.value {
            guard let answer = try await read([id])[0], answer.record.session.end == nil,
                answer.record.session.userID == user, answer.record.epoch == epoch
            else { break }
            var stamped = answer.record
            stamped.epoch = hash.epoch.value
            if try await write(stamped, over: answer, noting: nil) == nil {
                try await Self.rest()
            } else {
                epoch = stamped.epoch
                hash = try await self.user(user)
            }
        }
        epochs[user] = hash.epoch.value
        // So that a list that nobody reads does not grow for ever.
        if listed >= 32, listed.nonzeroBitCount == 1 { _ = try await sessions(of: user, before: nil) }
        if let cap { try await keepCap(cap, of: user, before: number) }
    }

    /// Ends the oldest of the user's live sessions that were enrolled before the one with this number, until with that
    /// one no more than `cap` are left.
    private func keepCap(_ cap: Int, of user: UserID, before number: Int) async throws {
        while true {
            let live = try await sessions(of: user, before: number)
                .filter { $0.record.isLive(at: $0.now, user: $0.epoch) }
                .sorted {
                    ($0.record.session.createdAt, $0.record.session.id)
                        < ($1.record.session.createdAt, $1.record.session.id)
                }
            let victims = live.prefix(max(0, live.count - (cap - 1)))
            if victims.isEmpty { return }
            let written = try await write(victims.map { $0.ending(.cap, by: .cap) })
            if !written.contains(where: { $0 == nil }) { return }
            try await Self.rest()
        }
    }

    /// The stored sessions of a user, in the order of enrolling: all, or those before a number. Takes those that are gone
    /// off the list.
    func sessions(of user: UserID, before number: Int?) async throws -> [Answer] {
        let list = keys.user(user)[1]
        let members = try await client.send(
            RedisCommand(
                "ZRANGE", key: list, ["-inf", number.map { RedisArgument("(\($0)") } ?? "+inf", "BYSCORE"],
                retry: .ifInterrupted)
        ).array().map { try $0.string() }
        var found: [Answer] = []
        var gone: [String] = []
        for chunk in members.chunks(of: 500) {
            for (member, answer) in zip(chunk, try await read(chunk.compactMap { SessionID($0) })) {
                if let answer, answer.record.session.userID == user { found.append(answer) } else if answer == nil {
                    gone.append(member)
                }
            }
        }
        for chunk in gone.chunks(of: 500) {
            _ = try await client.send(RedisCommand("ZREM", key: list, chunk.map { RedisArgument($0) }))
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
