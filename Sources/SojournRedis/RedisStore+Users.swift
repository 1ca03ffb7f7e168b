// SPDX-License-Identifier: Apache-2.0

internal import RedisDriver
public import Sojourn

extension RedisStore {
    public func endAll(of user: UserID, by actor: Actor) async throws -> Int {
        try await RedisFailure.mapping {
            try await alone(with: user) {
                guard let raise = try await raise(user, by: actor, keeping: nil) else { return 0 }
                return try await revoke(raise, of: user, by: actor)
            }
        }
    }

    public func endOthers(_ access: SessionAccess) async throws -> Int {
        try await RedisFailure.mapping {
            while true {
                guard let answer = try await read([access.id])[0], answer.admission(access) == .full else {
                    throw SojournError.noSession()
                }
                guard let user = answer.record.session.userID else { return 0 }
                if let count = try await alone(with: user, { try await endOthers(than: answer, of: user, access) }) {
                    return count
                }
                try await Self.rest()
            }
        }
    }

    /// Ends the others of a session that is as it was read; nil where it was changed since.
    private func endOthers(than answer: Answer, of user: UserID, _ access: SessionAccess) async throws -> Int? {
        // Held, it cannot be ended between this look at it and the raise.
        guard try await hold(answer) else { return nil }
        let raise: Raise?
        do {
            raise = try await self.raise(user, by: access.actor, keeping: answer.record)
        } catch {
            try? await letGo(answer)
            throw error
        }
        try await letGo(answer)
        guard let raise else { throw SojournError.noSession() }
        return try await revoke(raise, of: user, by: access.actor)
    }

    public func erase(_ user: UserID) async throws -> ErasureReceipt {
        try await RedisFailure.mapping {
            try await alone(with: user) {
                // The epoch outlives the user, so that whoever is about to write a session of theirs finds it ended.
                guard let raise = try await raise(user, by: .service, keeping: nil) else {
                    return ErasureReceipt(sessions: 0, items: 0, entries: [:])
                }
                let removed = try await removed(raise.listed, of: user)
                for chunk in raise.listed.chunks(of: 500) {
                    _ = try await client.send(RedisCommand("ZREM", key: keys.user(user)[1], chunk.map(\.member)))
                }
                return ErasureReceipt(
                    sessions: removed.count { $0 != nil }, items: removed.reduce(0) { $0 + ($1 ?? 0) }, entries: [:])
            }
        }
    }

    /// Runs `body` while nobody else changes several of the user's sessions at once: two caps, or a cap and a raise, that
    /// came together would each end what the other counts on.
    func alone<Value: Sendable>(with user: UserID, _ body: () async throws -> Value) async throws -> Value {
        let lock = keys.lock(of: user)
        let ours = RedisArgument(UUIDBytes(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max)).bytes)
        // Who dies holding it gives it back after five seconds.
        while try await client.send(RedisCommand("SET", key: lock, [ours, "NX", "PX", 5000])).isNull {
            try await Self.rest()
        }
        let result: Result<Value, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        _ = try? await client.send(.script(scripts.unlock, keys: [lock], [ours], retry: .ifInterrupted))
        return try result.get()
    }

    /// What a raise of a user's epoch did.
    private struct Raise {
        /// When.
        let at: Timestamp
        /// The user as it was.
        let before: UserHash
        /// The sessions on the user's list but the one to keep.
        let listed: [SessionID]
    }

    /// Raises the epoch: from now on, none of the user's sessions lives but `kept`. Nil where that one was ended by an
    /// earlier raise.
    private func raise(_ user: UserID, by actor: Actor, keeping kept: SessionRecord?) async throws -> Raise? {
        let value = try await client.send(
            .script(
                scripts.raise, keys: keys.user(user),
                [
                    now, RedisArgument(actor.rawValue), kept?.session.id.member ?? "",
                    kept.map { RedisArgument($0.epoch) } ?? "",
                ]))
        guard !value.isNull else { return nil }
        let parts = try value.array()
        guard parts.count == 3 else { throw RedisError(.unexpectedResult, "A script answered too little.") }
        let before = try UserHash(parts[1])
        return Raise(
            at: try Row(parts).present(Row(parts).time(0)), before: before,
            listed: try parts[2].array().compactMap { SessionID(try $0.string()) }.filter { $0 != kept?.session.id })
    }

    /// Writes down, on each session that a raise ended, that it did. Returns how many.
    private func revoke(_ raise: Raise, of user: UserID, by actor: Actor) async throws -> Int {
        var count = 0
        for chunk in raise.listed.chunks(of: 500) {
            let answers = await client.send(
                chunk.map { id in
                    let epochs = raise.before.epochs(for: id)
                    return .script(
                        scripts.revoke, keys: keys.session(id),
                        [
                            RedisArgument(raise.at), RedisArgument(actor.rawValue), RedisArgument(user.text),
                            RedisArgument(epochs.lowerBound), RedisArgument(epochs.upperBound),
                        ])
                })
            for answer in answers { count += try answer.get().int() }
        }
        return count
    }

    private func hold(_ answer: Answer) async throws -> Bool {
        try await client.send(
            .script(
                scripts.hold, keys: [keys.session(answer.record.session.id)[0]],
                [RedisArgument(answer.hash.writes), "1"])
        ).int() == 1
    }

    private func letGo(_ answer: Answer) async throws {
        _ = try await client.send(
            .script(
                scripts.hold, keys: [keys.session(answer.record.session.id)[0]],
                [RedisArgument(answer.hash.writes), "0"], retry: .ifInterrupted))
    }
}
