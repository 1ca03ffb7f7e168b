// SPDX-License-Identifier: Apache-2.0

internal import RedisDriver
public import Sojourn

extension RedisStore {
    /// One step of the lap over all sessions: ends inactive ones, and takes those that are gone off the lists.
    ///
    /// Expiry and retention are the keys' own: nothing is marked as expired or revoked, and ended sessions are deleted
    /// when their TTL is over, whatever `retention` says. The lap goes through the sixteen lists together, in the order of
    /// ids; without a lap a step does nothing.
    public func sweep(_ order: SweepOrder) async throws -> SweepOutcome {
        try await answering {
            var outcome = SweepOutcome()
            let after: SessionID?
            switch order.lap {
            case .off: return outcome
            case .begin: after = nil
            case .after(let id): after = id
            }
            var listed: [SessionID] = []
            for number in 0..<Keys.listCount {
                listed += try await self.listed(on: number, after: after, limit: order.batchMax + 1)
            }
            listed.sort()
            let batch = Array(listed.prefix(order.batchMax))
            if listed.count > batch.count { outcome.lapNext = batch.last }
            let answers = try await read(batch)
            let inactive = answers.compactMap(\.self).filter { answer in
                answer.record.isLive(at: answer.now, user: answer.epoch) && answer.record.isInactive(at: answer.now)
            }
            guard !order.dryRun else {
                outcome.inactive = inactive.count
                return outcome
            }
            let ended = try await write(
                inactive.map { answer in
                    var record = answer.record
                    record.end(at: answer.now, reason: .inactive)
                    let fact = SessionFact(
                        at: answer.now, kind: .swept, actor: .sweep, detail: EndReason.inactive.rawValue)
                    return Change(answer: answer, record: record, fact: fact)
                })
            outcome.inactive = ended.count { $0 != nil }
            try await unlist(zip(batch, answers).filter { $1 == nil }.map(\.0))
            return outcome
        }
    }

    /// Takes sessions that were found gone off the lists; puts back those that are there by now, since a creation may be
    /// listed before it is written.
    private func unlist(_ ids: [SessionID]) async throws {
        for answer in await client.send(ids.map { RedisCommand("ZREM", key: keys.list(of: $0), [$0.member]) }) {
            _ = try answer.get()
        }
        let back = zip(ids, try await read(ids)).filter { $1 != nil }.map(\.0)
        for answer in await client.send(back.map { RedisCommand("ZADD", key: keys.list(of: $0), [0, $0.member]) }) {
            _ = try answer.get()
        }
    }
}
