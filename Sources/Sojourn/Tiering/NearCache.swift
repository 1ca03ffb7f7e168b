// SPDX-License-Identifier: Apache-2.0

/// Copies of sessions in this process, for callers to whom an answer of some age will do (R2). Decisions only.
///
/// It holds copies only while the cache that they were read from tells of its changes (`CacheEvent`). A reader takes a
/// place before it asks that cache. What was read is kept where the place is still the reader's: a change that was told
/// of meanwhile took it away. So what was read before a change does not stay because it came after the word of it.
///
/// News (`TrustLease`) take what they name, places too. A change that somebody settled is in no news any more: so a gap
/// in them that is longer than the lease takes everything, and so does another era.
///
/// Its size is bounded by two generations of half of it each. Copies are put into the young one, and move there when they
/// are asked for. Once it is full it becomes the old one, and what was not asked for since the last time goes.
struct NearCache: Sendable {
    /// A copy as the cache had it. An object, so that a generation moves it without touching it.
    final class Copy: Sendable {
        /// The session.
        let record: SessionRecord
        /// When the cache was asked for it.
        let askedAt: ContinuousClock.Instant

        init(_ record: SessionRecord, askedAt: ContinuousClock.Instant) {
            self.record = record
            self.askedAt = askedAt
        }
    }

    /// The place of a copy that is being read.
    struct Place: Sendable, Hashable {
        let session: SessionID
        fileprivate let number: Int
    }

    /// Copies of about the same age.
    typealias Generation = [SessionID: Copy]

    private let generationMax: Int
    private let life: Duration
    private let newsGapMax: Duration
    private var isTold = false
    private var era: Int64?
    private var newsAt: ContinuousClock.Instant?
    private var young: Generation = [:]
    private var old: Generation = [:]
    /// The numbers of the places that are held; one reader of a session holds one.
    private var places: [SessionID: Int] = [:]
    private var lastPlace = 0

    /// An empty cache, for a node that goes by its news as `tiering` says. Keeps nothing where `nearSessionsMax` is zero,
    /// where the phase is not `first`, and where every validation is written to the database before it is answered.
    init(_ tiering: Tiering) {
        let isOn = tiering.phase == .first && tiering.nearSessionsMax > 0 && tiering.touchFlush > .zero
        generationMax = isOn ? max(1, tiering.nearSessionsMax / 2) : 0
        life = tiering.copyLife
        newsGapMax = tiering.trustLease
    }

    /// Whether it may ever keep anything.
    var isOn: Bool { generationMax > 0 }

    /// How many copies there are.
    var count: Int { young.count + old.count }

    /// The copy of a session, if it is not too old to be kept.
    mutating func copy(of id: SessionID, at now: ContinuousClock.Instant) -> Copy? {
        let copy: Copy
        if let found = young[id] {
            copy = found
        } else if let found = old[id] {
            copy = found
            // Where the young one is full, it stays old until the next copy that is put in.
            if young.count < generationMax {
                old[id] = nil
                young[id] = found
            }
        } else {
            return nil
        }
        return copy.askedAt + life > now ? copy : nil
    }

    /// The place for a copy that is about to be read; nil where none would be kept, or somebody else is reading it.
    /// Whoever has a place must give it back by `keep`.
    mutating func place(for id: SessionID) -> Place? {
        guard isTold, isOn, places[id] == nil else { return nil }
        lastPlace += 1
        places[id] = lastPlace
        return Place(session: id, number: lastPlace)
    }

    /// Takes a place back, and keeps the copy that was read, nil for none, where the place is still held. Returns what is
    /// kept no longer: for the caller to free without holding others up.
    mutating func keep(_ copy: Copy?, at place: Place) -> Generation? {
        guard places[place.session] == place.number else { return nil }
        places[place.session] = nil
        guard let copy else { return nil }
        old[place.session] = nil
        var gone: Generation?
        if young.count >= generationMax, young[place.session] == nil {
            gone = old
            old = young
            young = [:]
        }
        young[place.session] = copy
        return gone
    }

    /// Takes what there is of these sessions.
    mutating func drop(_ ids: some Sequence<SessionID>) {
        for id in ids {
            young[id] = nil
            old[id] = nil
            places[id] = nil
        }
    }

    /// Takes note of what became of the cache's copies. Returns what is kept no longer.
    mutating func hear(_ event: CacheEvent) -> [Generation] {
        switch event {
        case .changed(let ids):
            drop(ids)
            return []
        case .began: isTold = true
        case .lost: isTold = false
        case .emptied: break
        }
        return dropAll()
    }

    /// Takes note of news that were asked for at a moment and are here at another, and name sessions. Returns what is
    /// kept no longer.
    mutating func read(
        _ pending: PendingChanges, naming changes: [PendingChange], askedAt: ContinuousClock.Instant,
        at now: ContinuousClock.Instant
    ) -> [Generation] {
        defer {
            era = pending.era
            if pending.isWhole { newsAt = askedAt }
        }
        let isLate = pending.isWhole && newsAt.map { $0 + newsGapMax < now } ?? true
        guard era == pending.era, !isLate else { return dropAll() }
        drop(changes.lazy.map(\.session))
        return []
    }

    private mutating func dropAll() -> [Generation] {
        defer { (young, old, places) = ([:], [:], [:]) }
        return [young, old]
    }
}
