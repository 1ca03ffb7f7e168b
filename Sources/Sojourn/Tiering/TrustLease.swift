// SPDX-License-Identifier: Apache-2.0

/// What a node knows of the changes that make copies worthless, and for how long it may go by that.
///
/// Whoever ends a session waits until its copy is gone, or until every node's last reading before that end has run out.
/// So a reading counts from the moment at which it was asked for, and an answer by a copy must be within it when it is
/// given, not only when the copy was looked for.
///
/// Who cannot remove a copy before a change announces it, and makes it when every node has heard of that: it is seen by
/// the database then, and by nobody, after that, by a copy.
///
/// A change stays written down for two leases, so that every node reads it and removes the copy by its own way to the
/// cache: another node's way may lead to a server that has been deposed. Who did not for longer than that, since it stood
/// still, or reached nobody, cannot know what was settled meanwhile, and goes by no copy from before.
struct TrustLease: Sendable {
    /// For how long a reading is news.
    let length: Duration
    private var askedAt: ContinuousClock.Instant?
    /// When the last reading was asked for that was whole and whose copies are all gone.
    private var doneAt: ContinuousClock.Instant?
    /// Copies of what was read before, by the database's clock, are worth nothing; nil where there is no such moment.
    private var goodFrom: Timestamp?
    private var era: Int64 = 0
    private var isWhole = false
    /// Sessions that changed and whose copies are not known to be gone.
    private var outdated: Set<SessionID> = []
    /// Sessions that are about to change.
    private var announced: Set<SessionID> = []
    /// Changes whose copies this node removed, and when. Announcements, and when this node first heard of them.
    private var removed: [PendingChange: ContinuousClock.Instant] = [:]

    /// A lease that covers nothing yet.
    init(length: Duration) {
        self.length = length
    }

    /// Takes a reading that was asked for at a moment. Returns the changes whose copies are to be removed, and those that
    /// every node has had the time to read.
    mutating func read(
        _ pending: PendingChanges, askedAt: ContinuousClock.Instant
    ) -> (new: [PendingChange], old: [PendingChange]) {
        if pending.era != era { removed = [:] }
        if let doneAt, askedAt - doneAt > length * 2 { goodFrom = pending.at }
        self.askedAt = askedAt
        era = pending.era
        isWhole = pending.isWhole
        let announcements = pending.changes.filter(\.isAnnouncement)
        for announcement in announcements where removed[announcement] == nil { removed[announcement] = askedAt }
        announced = Set(announcements.map(\.session))
        let new = pending.changes.filter { removed[$0] == nil }
        outdated = Set(new.map(\.session))
        noteDone()
        let old = pending.changes.filter { change in
            let kept = change.isAnnouncement ? PendingChanges.announcedFor : length * 2
            return removed[change].map { $0 + kept <= askedAt } ?? false
        }
        // What is written down no longer was settled by somebody.
        if isWhole {
            let written = Set(pending.changes)
            removed = removed.filter { written.contains($0.key) }
        }
        return (new, old)
    }

    /// Notes that the copies that these changes made worthless are gone.
    mutating func remove(_ changes: some Collection<PendingChange>, at now: ContinuousClock.Instant) {
        outdated.subtract(changes.map(\.session))
        for change in changes { removed[change] = now }
        noteDone()
    }

    private mutating func noteDone() {
        if isWhole, outdated.isEmpty { doneAt = askedAt }
    }

    /// Whether nothing that was settled since a copy was read may be unknown here.
    func trusts(copyReadAt at: Timestamp) -> Bool { goodFrom.map { $0 <= at } ?? true }

    /// The era whose copies of a session may be answered by at `now`, by a reading of at most `age`; nil where none may.
    func era(for id: SessionID, at now: ContinuousClock.Instant, age: Duration? = nil) -> Int64? {
        guard let askedAt, isWhole, askedAt + max(length, age ?? .zero) > now, !outdated.contains(id),
            !announced.contains(id)
        else { return nil }
        return era
    }

    /// How old the last reading is; nil where there was none.
    func age(at now: ContinuousClock.Instant) -> Duration? { askedAt.map { $0.duration(to: now) } }
}
