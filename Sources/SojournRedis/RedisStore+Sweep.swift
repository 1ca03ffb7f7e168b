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
        try await RedisFailure.mapping {
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
            var inactive: [Answer] = []
            var gone: [SessionID] = []
            for (id, look) in zip(batch, try await look(batch)) {
                switch look {
                case .missing: gone.append(id)
                case .begun: break
                case .there(let answer):
                    let isLive = answer.record.isLive(at: answer.now, user: answer.epoch)
                    if isLive, answer.record.isInactive(at: answer.now) { inactive.append(answer) }
                }
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
            try await unlist(gone)
            return outcome
        }
    }
}
