// SPDX-License-Identifier: Apache-2.0

/// What a node knows of the changes that make copies worthless, and for how long it may go by that.
///
/// Whoever ends a session waits until its copy is gone, or until every node's last reading before that end has run out.
/// So a reading counts from the moment at which it was asked for, and an answer by a copy must be within it when it is
/// given, not only when the copy was looked for.
struct TrustLease: Sendable {
    /// For how long a reading is news.
    let length: Duration
    private var askedAt: ContinuousClock.Instant?
    private var era: Int64 = 0
    private var isWhole = false
    /// Sessions that changed and whose copies are not known to be gone.
    private var outdated: Set<SessionID> = []

    /// A lease that covers nothing yet.
    init(length: Duration) {
        self.length = length
    }

    /// Takes a reading that was asked for at a moment.
    mutating func read(_ pending: PendingChanges, askedAt: ContinuousClock.Instant) {
        self.askedAt = askedAt
        era = pending.era
        isWhole = pending.isWhole
        outdated = Set(pending.changes.map(\.session))
    }

    /// Notes that the copies of these sessions are gone.
    mutating func removed(_ ids: [SessionID]) {
        outdated.subtract(ids)
    }

    /// The era whose copies of a session may be answered by at `now`, by a reading of at most `age`; nil where none may.
    func era(for id: SessionID, at now: ContinuousClock.Instant, age: Duration? = nil) -> Int64? {
        guard let askedAt, isWhole, askedAt + max(length, age ?? .zero) > now, !outdated.contains(id) else { return nil }
        return era
    }

    /// How old the last reading is; nil where there was none.
    func age(at now: ContinuousClock.Instant) -> Duration? { askedAt.map { $0.duration(to: now) } }
}
