// SPDX-License-Identifier: Apache-2.0

internal import RedisDriver
public import Sojourn

extension RedisStore: SessionStore {
    public var capabilities: StoreCapabilities { [.sessions, .items] }

    public func validate(_ access: SessionAccess) async throws -> Session? {
        try await RedisFailure.mapping { try await validated(access, withItems: false)?.record.session }
    }

    /// Validates by one script; nil where the session does not open. A session that its user's epoch has ended is refused
    /// after it was counted, which nobody sees.
    func validated(_ access: SessionAccess, withItems: Bool) async throws -> Answer? {
        let command = RedisCommand.script(
            scripts.validate, keys: keys.session(access.id),
            [now, access.shown, withItems ? "1" : ""])
        guard let answer = try await withUser(of: access.id, command), !answer.isRevoked else { return nil }
        return answer
    }

    public func find(_ accesses: [SessionAccess]) async throws -> [StoredSession?] {
        try await RedisFailure.mapping {
            zip(accesses, try await read(accesses.map(\.id))).map { access, answer in answer?.stored(for: access) }
        }
    }

    public func extend(_ access: SessionAccess, by life: Duration?) async throws -> Session {
        try await change(access, noting: .extended) { record, answer in record.session.extend(by: life, at: answer.now)
        }
    }

    public func rotate(_ access: SessionAccess, to rotation: Rotation) async throws -> RotationOutcome {
        try await RedisFailure.mapping {
            while true {
                guard let answer = try await read([access.id])[0] else { throw SojournError.noSession() }
                switch answer.admission(access) {
                case .refused: throw SojournError.noSession()
                case .previous:
                    return .repeated(
                        answer.record.session, successorSealed: answer.record.previous?.successorSealed ?? [])
                case .full:
                    var record = answer.record
                    record.rotate(to: rotation, at: answer.now)
                    let fact = SessionFact(at: answer.now, kind: .rotated, actor: access.actor)
                    if let session = try await write(record, over: answer, noting: fact) { return .rotated(session) }
                    try await Self.rest()
                }
            }
        }
    }

    public func issueSecret(_ access: SessionAccess, digest: SecretDigest) async throws -> Session {
        try await change(access, noting: .rotated) { record, _ in try record.issue(digest) }
    }

    public func replace(
        _ field: SessionField, of access: SessionAccess, with document: JSONDocument, ifVersion version: Int
    ) async throws -> Session {
        try await change(access, noting: nil) { record, _ in
            try record.replace(field, with: document, ifVersion: version)
        }
    }

    public func end(_ accesses: [SessionAccess]) async throws -> [Bool] {
        try await RedisFailure.mapping {
            var ended = [Bool](repeating: false, count: accesses.count)
            // A session that is named twice ends once, for the first who names it.
            var places = Array(accesses.indices)
            while !places.isEmpty {
                let answers = try await read(places.map { accesses[$0].id })
                var due: [(place: Int, answer: Answer)] = []
                var named: Set<SessionID> = []
                var left: [Int] = []
                for (place, answer) in zip(places, answers) {
                    guard let answer, answer.admission(accesses[place]) == .full else { continue }
                    if named.insert(accesses[place].id).inserted {
                        due.append((place, answer))
                    } else {
                        left.append(place)
                    }
                }
                let written = try await write(
                    due.map { place, answer in
                        let access = accesses[place]
                        return answer.ending(access.actor == .token ? .logout : .ended, by: access.actor)
                    })
                for (number, session) in written.enumerated() {
                    if session == nil { left.append(due[number].place) } else { ended[due[number].place] = true }
                }
                places = left.sorted()
                if !places.isEmpty { try await Self.rest() }
            }
            return ended
        }
    }

    public func delete(_ id: SessionID) async throws -> Bool {
        try await RedisFailure.mapping {
            while let answer = try await read([id])[0] {
                let user = answer.record.session.userID
                let gone =
                    if let user {
                        // Not between a raise that ended it and the count of what the raise ended.
                        try await alone(with: user) { try await removed([id], of: user) }
                    } else { try await removed([id], of: nil) }
                if gone[0] != nil { return true }
            }
            return false
        }
    }

    public func facts(of id: SessionID) async throws -> SessionFacts? {
        try await RedisFailure.mapping {
            let keys = keys.session(id)
            let answers = await client.send([
                RedisCommand("HMGET", key: keys[0], ["x", "F", "b"], retry: .ifInterrupted),
                RedisCommand("LRANGE", key: keys[2], [0, -1], retry: .ifInterrupted),
            ])
            let session = Row(try answers[0].get().array())
            guard try session.text(0) != nil, try session.text(2) == nil else { return nil }
            return SessionFacts(
                facts: try answers[1].get().array().map { try SessionFact($0) },
                folded: try session.text(1) == nil ? 0 : session.int(1))
        }
    }
}

// MARK: - Reading, deciding, writing

/// What was found where a session should stand.
enum Look {
    /// Nothing.
    case missing
    /// A session that is being begun, which nobody knows of yet.
    case begun
    /// A session.
    case there(Answer)
}

/// A record to be written over another, with the fact to note; nil for none.
struct Change: Sendable {
    let answer: Answer
    let record: SessionRecord
    let fact: SessionFact?
}

extension Answer {
    /// The session's end, now.
    func ending(_ reason: EndReason, by actor: Actor) -> Change {
        var record = record
        record.end(at: now, reason: reason)
        return Change(
            answer: self, record: record,
            fact: SessionFact(at: now, kind: .ended, actor: actor, detail: reason.rawValue))
    }
}

extension RedisStore {
    /// Reads sessions, each with its user, in the order asked; nil for those that are not stored.
    func read(_ ids: [SessionID], items: RedisArgument = "") async throws -> [Answer?] {
        try await look(ids, items: items).map { look in
            if case .there(let answer) = look { answer } else { nil }
        }
    }

    /// The same, which tells those that are not stored from those that are only just begun.
    func look(_ ids: [SessionID], items: RedisArgument = "") async throws -> [Look] {
        let answers = await client.send(
            ids.map { id in
                .script(scripts.read, keys: Array(keys.session(id)[..<2]), [now, items], retry: .ifInterrupted)
            })
        let found = try zip(ids, answers).map { id, answer -> (hash: SessionHash, parts: [RedisValue])?? in
            let value = try answer.get()
            guard !value.isNull else { return .none }
            let parts = try value.array()
            guard parts.count >= 2 else { return .some(nil) }
            return (try SessionHash(id, parts[1]), parts)
        }
        let owners = Array(Set(found.compactMap { $0??.hash.record.session.userID }))
        let users = Dictionary(
            uniqueKeysWithValues: try zip(owners, await client.send(owners.map(reading))).map { owner, answer in
                (owner, try UserHash(answer.get()))
            })
        return try found.map { session in
            guard let session else { return .missing }
            guard let (hash, parts) = session else { return .begun }
            return .there(
                Answer(
                    hash: hash, user: hash.record.session.userID.flatMap { users[$0] },
                    now: try Row(parts).present(Row(parts).time(0)), rest: Array(parts[2...])))
        }
    }

    /// Lets `decide` change a session that `access` may change, and returns it as written.
    func change(
        _ access: SessionAccess, noting kind: SessionFactKind?,
        _ decide: @Sendable (inout SessionRecord, Answer) throws -> Void
    ) async throws -> Session {
        try await RedisFailure.mapping {
            while true {
                guard let answer = try await read([access.id])[0], answer.admission(access) == .full else {
                    throw SojournError.noSession()
                }
                var record = answer.record
                try decide(&record, answer)
                let fact = kind.map { SessionFact(at: answer.now, kind: $0, actor: access.actor) }
                if let session = try await write(record, over: answer, noting: fact) { return session }
                try await Self.rest()
            }
        }
    }

    /// Writes a record over the one it was made of; nil where that was changed meanwhile.
    func write(_ record: SessionRecord, over answer: Answer, noting fact: SessionFact?) async throws -> Session? {
        try await write([Change(answer: answer, record: record, fact: fact)])[0]
    }

    /// Writes each record over the one it was made of; nil for those that were changed meanwhile.
    func write(_ changes: [Change]) async throws -> [Session?] {
        let answers = await client.send(
            changes.map { change in
                let fact = change.fact
                let head: [RedisArgument] = [
                    RedisArgument(change.answer.hash.writes), RedisArgument(change.answer.now),
                    RedisArgument(change.record.session.lastActivity), RedisArgument(fact?.kind.rawValue ?? ""),
                    RedisArgument(fact?.at ?? change.answer.now), RedisArgument(fact?.actor.rawValue ?? ""),
                    RedisArgument(fact?.detail ?? ""),
                ]
                return .script(
                    scripts.write, keys: keys.session(change.record.session.id),
                    head + change.answer.hash.changes(to: change.record))
            })
        return try zip(changes, answers).map { change, answer in
            let value = try answer.get()
            guard !value.isNull else { return nil }
            let counted = Row(try value.array())
            var session = change.record.session
            session.requestCount = try counted.int(0)
            session.lastActivity = try counted.present(counted.time(1))
            return session
        }
    }

    /// Deletes sessions with what they hold, where they are `user`'s, for nil nobody's. Returns how many items each held;
    /// nil where there was none of that user's.
    func removed(_ ids: [SessionID], of user: UserID?) async throws -> [Int?] {
        var removed = [Int?](repeating: nil, count: ids.count)
        var places = Array(ids.indices)
        while !places.isEmpty {
            let answers = await client.send(
                places.map { .script(scripts.delete, keys: keys.session(ids[$0]), [RedisArgument(user?.text ?? "")]) })
            var left: [Int] = []
            for (place, answer) in zip(places, answers) {
                let value = try answer.get()
                if value.isNull { left.append(place) } else { removed[place] = try value.array().first?.int() }
            }
            places = left
            if !places.isEmpty { try await Self.rest() }
        }
        let gone = zip(ids, removed).filter { $0.1 != nil }.map(\.0)
        for id in gone { owners[id] = nil }
        try await unlist(gone)
        return removed
    }

    /// A moment's rest before something is tried again that another caller was in the way of.
    static func rest() async throws {
        try await Task.sleep(for: .microseconds(Int64.random(in: 200...3000)))
    }
}

extension SessionID {
    /// The id as lists have it; their order is that of the ids.
    var member: RedisArgument { RedisArgument(description) }
}

extension SessionFact {
    /// Reads a fact as `note` in the scripts writes it.
    init(_ value: RedisValue) throws {
        let words = try value.string().split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
        guard words.count == 4, let at = Int64(words[0]), let kind = SessionFactKind(rawValue: String(words[1])),
            let actor = Actor(rawValue: String(words[2]))
        else { throw SojournError(.storeDamaged, "Redis holds a fact in a form that this version does not know.") }
        self.init(
            at: Timestamp(microseconds: at), kind: kind, actor: actor, detail: words[3].isEmpty ? nil : String(words[3])
        )
    }
}
