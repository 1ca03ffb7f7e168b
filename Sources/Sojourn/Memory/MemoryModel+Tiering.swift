// SPDX-License-Identifier: Apache-2.0

// The verbs of `TruthStore`; their comments stand there. `real` is the time by which somebody watches: that of the world,
// whatever clock sessions are decided by.
extension MemoryModel {
    /// What is written down for a cache.
    struct Tier: Sendable, Hashable {
        /// A change, and when it was written down.
        struct Note: Sendable, Hashable {
            let change: PendingChange
            let at: Timestamp
        }

        var era: Int64 = 0
        /// When somebody last read; nil where nobody ever did.
        var seenAt: Timestamp?
        var lastSerial: Int64 = 0
        /// The oldest first.
        var notes: [Note] = []

        /// Begins another era, with a number that no store gave out before.
        mutating func beginEra(at real: Timestamp) {
            era = max(era + 1, real.microseconds / 1000)
        }
    }

    /// Whether changes are to be written down.
    package func isWatched(at real: Timestamp) -> Bool {
        tier.seenAt.map { real - $0 <= PendingChanges.watchedFor } ?? false
    }

    public mutating func pendingChanges(max: Int, at now: Timestamp, real: Timestamp) -> PendingChanges {
        if !isWatched(at: real) { tier.beginEra(at: real) }
        tier.seenAt = real
        return PendingChanges(
            era: tier.era, at: now, changes: tier.notes.prefix(max).map(\.change), isWhole: tier.notes.count <= max)
    }

    public mutating func announce(_ ids: [SessionID], real: Timestamp) -> [PendingChange] {
        ids.map { note($0, isAnnouncement: true, at: real) }
    }

    public mutating func settle(_ changes: [PendingChange]) {
        let settled = Set(changes)
        tier.notes.removeAll { settled.contains($0.change) }
    }

    public func images(of ids: [SessionID], at now: Timestamp) -> [SessionImage?] {
        ids.map { id in
            guard let record = sessions[id]?.record, record.isLive(at: now, user: epoch(of: record)) else { return nil }
            return SessionImage(record: record, at: now)
        }
    }

    public mutating func add(_ touches: [SessionTouch]) {
        for touch in touches {
            guard var record = sessions[touch.session]?.record else { continue }
            record.session.requestCount += touch.count
            record.session.lastActivity = max(record.session.lastActivity, touch.last)
            sessions[touch.session]?.record = record
        }
    }

    /// Writes down which sessions' copies must go after this state took the place of another.
    package mutating func noteChanges(since before: MemoryModel, at real: Timestamp) {
        let changed = before.sessions.filter { id, entry in
            guard let record = sessions[id]?.record, !record.outdates(entry.record) else { return true }
            return record.session.end == nil && epoch(of: record).value != before.epoch(of: entry.record).value
        }
        for id in changed.keys.sorted() { _ = note(id, isAnnouncement: false, at: real) }
    }

    private mutating func note(_ id: SessionID, isAnnouncement: Bool, at real: Timestamp) -> PendingChange {
        tier.lastSerial += 1
        let change = PendingChange(session: id, serial: tier.lastSerial, isAnnouncement: isAnnouncement)
        tier.notes.append(Tier.Note(change: change, at: real))
        return change
    }

    /// What a sweep does here: forgets changes that nobody settled, and ends the era in which their copies may be left.
    package mutating func forgetChanges(at real: Timestamp) {
        let before = tier.notes.count
        tier.notes.removeAll { real - $0.at >= PendingChanges.keptFor }
        if tier.notes.count < before { tier.beginEra(at: real) }
    }
}
