// SPDX-License-Identifier: Apache-2.0

internal import RedisDriver
public import Sojourn

extension RedisStore {
    public func sessions(matching filter: SessionFilter, page: PageRequest) async throws -> Page<StoredSession> {
        let after = try page.after.map { SessionID(try $0.uuid()) }
        return try await RedisFailure.mapping {
            var found: [StoredSession] = []
            if let user = filter.userID {
                found = try await sessions(of: user)
                    .compactMap { filter.shown($0) }
                    .filter { stored in after.map { stored.session.id < $0 } ?? true }
                    .sorted { $0.session.id > $1.session.id }
            } else {
                var last = after
                while found.count <= page.limit {
                    let ids = try await listed(before: last, limit: page.limit + 1)
                    found += try await read(ids).compactMap { $0.flatMap(filter.shown) }
                    guard ids.count > page.limit else { break }
                    last = ids.last
                }
            }
            return Page(fetched: found, limit: page.limit) { PageCursor($0.session.id.uuid) }
        }
    }

    public func statistics() async throws -> SessionStatistics {
        try await RedisFailure.mapping {
            var statistics = SessionStatistics(at: try await time())
            try await everySession(items: "count") { _, answers in
                for answer in answers { if let answer { try statistics.count(answer) } }
            }
            return statistics
        }
    }

    /// Reads all sessions on the lists, by and by.
    private func everySession(
        items: RedisArgument, _ body: ([SessionID], [Answer?]) async throws -> Void
    ) async throws {
        for number in 0..<Keys.listCount {
            var last: SessionID?
            repeat {
                let ids = try await listed(on: number, after: last, limit: 500)
                try await body(ids, try await read(ids, items: items))
                last = ids.count == 500 ? ids.last : nil
            } while last != nil
        }
    }

    /// The next ids on the lists of all sessions, newest first.
    private func listed(before last: SessionID?, limit: Int) async throws -> [SessionID] {
        let from = last.map { RedisArgument("(\($0)") } ?? "+"
        let answers = await client.send(
            (0..<Keys.listCount).map { number in
                RedisCommand(
                    "ZRANGE", key: keys.list(number), [from, "-", "BYLEX", "REV", "LIMIT", 0, RedisArgument(limit)],
                    retry: .ifInterrupted)
            })
        let ids = try answers.flatMap { try $0.get().array().compactMap { SessionID(try $0.string()) } }
        return Array(ids.sorted(by: >).prefix(limit))
    }

    /// Takes sessions that were gone off the lists.
    func unlist(_ ids: [SessionID]) async throws {
        for answer in await client.send(ids.map { RedisCommand("ZREM", key: keys.list(of: $0), [$0.member]) }) {
            _ = try answer.get()
        }
    }

    /// The next ids on one of the lists, from the lowest on.
    func listed(on number: Int, after last: SessionID?, limit: Int) async throws -> [SessionID] {
        let from = last.map { RedisArgument("(\($0)") } ?? "-"
        return try await client.send(
            RedisCommand(
                "ZRANGE", key: keys.list(number), [from, "+", "BYLEX", "LIMIT", 0, RedisArgument(limit)],
                retry: .ifInterrupted)
        ).array().compactMap { SessionID(try $0.string()) }
    }
}

extension SessionFilter {
    /// The session as a listing shows it; nil where this filter holds it back.
    fileprivate func shown(_ answer: Answer) -> StoredSession? {
        let stored = answer.record.stored(at: answer.now, user: answer.epoch)
        let passes =
            (userID == nil || stored.session.userID == userID) && (type == nil || stored.session.type == type)
            && (status == nil || stored.status == status)
        return passes ? stored : nil
    }
}

extension SessionStatistics {
    /// Counts a session and the items that it holds.
    fileprivate mutating func count(_ answer: Answer) throws {
        let session = answer.record.session
        switch answer.record.status(at: answer.now, user: answer.epoch) {
        case .active:
            active += 1
            activeByType[session.type, default: 0] += 1
        case .ended: ended += 1
        case .expired: expired += 1
        }
        items += try answer.rest.first?.int() ?? 0
        if session.createdAt > at - .hours(1) { createdLastHour += 1 }
        if session.createdAt > at - .hours(24) { createdLastDay += 1 }
    }
}
