// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Metrics
internal import Synchronization

// What copies answer: those that the cache holds, and those in this process.
extension TieredStore {
    /// The answer by a copy that the cache has; nil where the database must decide. The news must still be news now.
    func answer(
        _ image: SessionImage, of era: Int64, to access: SessionAccess, age: Duration?, countsLater: Bool = false
    ) async throws -> Validation? {
        guard let (allowed, now, newsAge) = allowed(image, of: era, access, age: age) else { return nil }
        var session = allowed
        if countsLater || tiering.touchFlush > .zero {
            guard note(&session, at: now) else { return nil }
        } else {
            try await base.add([SessionTouch(session: access.id, count: 1, last: now)])
        }
        meters.cache.increment()
        return Validation(session, source: .cache, age: newsAge)
    }

    /// What a copy allows: the session, the time, and how old the news are; nil where the database must decide.
    func allowed(
        _ image: SessionImage, of era: Int64, _ access: SessionAccess, age: Duration?
    ) -> (session: Session, now: Timestamp, newsAge: Duration)? {
        let instant = ContinuousClock.now
        let (now, newsAge) = state.withLock { state in
            let isNews =
                state.lease.era(for: access.id, at: instant, age: age) == era
                && state.lease.trusts(copyReadAt: image.at)
            return (time(at: instant, state), isNews ? state.lease.age(at: instant) : nil)
        }
        guard let now, let newsAge, let session = image.record.touched(for: access, at: now) else { return nil }
        return (session, now, newsAge)
    }

    /// The answer by a copy in this process; nil where there is none that may answer.
    ///
    /// It is a decision of at most `age` ago: a strict call would have been answered by the cache's copy when this one was
    /// read, at most so long ago; or this node asked for news since, at most so long ago, and they do not name the
    /// session. So no answer shows what was before a change later than `age` after that change was answered; for one that
    /// was made past us, by SQL, later than `age` and the lease after it was made. As a rule the cache's word of the
    /// change comes long before that.
    func nearAnswer(to access: SessionAccess, within age: Duration) -> Validation? {
        let instant = ContinuousClock.now
        let found = state.withLock { state -> (copy: NearCache.Copy, now: Timestamp, age: Duration)? in
            guard let copy = state.near.copy(of: access.id, at: instant),
                state.lease.era(for: access.id, at: instant, age: age) != nil,
                let newsAge = state.lease.age(at: instant), let now = time(at: instant, state)
            else { return nil }
            let proofAge = min(newsAge, copy.askedAt.duration(to: instant))
            return proofAge <= age ? (copy, now, proofAge) : nil
        }
        guard let found, var session = found.copy.touched(for: access, at: found.now),
            note(&session, at: found.now)
        else { return nil }
        meters.near.increment()
        return Validation(session, source: .cache, age: found.age)
    }

    /// Notes a validation that the database is told of later, and counts in those that wait as well; false where there is
    /// no room for it. The validation itself is in the session's count already.
    private func note(_ session: inout Session, at now: Timestamp) -> Bool {
        guard let waiting = touches.note(session.id, at: now) else { return false }
        session.requestCount += waiting - 1
        return true
    }
}

extension SessionRecord {
    /// The session after a validation by this copy; nil where the database must decide: the copy opens only to the session's
    /// present secret, before its expiry and while nothing is due to be renewed.
    fileprivate func touched(for access: SessionAccess, at now: Timestamp) -> Session? {
        guard session.id == access.id,
            admission(access, at: now, user: UserEpoch(value: epoch, raisedAt: nil, raisedBy: nil)) == .full
        else { return nil }
        var touched = session
        touched.touch(at: now)
        return touched.expiresAt == session.expiresAt ? touched : nil
    }
}

extension NearCache.Copy {
    /// The same for a near copy. Asked of the object, which lends its record; to copy that would cost a tenth of an answer.
    fileprivate func touched(for access: SessionAccess, at now: Timestamp) -> Session? {
        record.touched(for: access, at: now)
    }
}

// MARK: - Near copies

extension TieredStore {
    /// Keeps a copy that the cache had, if a strict call would have been answered by it, and gives the place back.
    func keep(_ found: CachedSession?, of era: Int64, at place: NearCache.Place, askedAt: ContinuousClock.Instant) {
        let copy: NearCache.Copy? =
            if case .copy(let image) = found { NearCache.Copy(image.record, askedAt: askedAt) } else { nil }
        _ = state.withLock { state in
            let isNews = state.lease.era(for: place.session, at: .now) == era
            return state.near.keep(isNews ? copy : nil, at: place)
        }
    }

    /// Hears what becomes of the cache's copies, where near ones are to be kept, until the task is cancelled or the cache
    /// is closed.
    func hear() async {
        guard state.withLock({ $0.near.isOn }) else { return }
        do {
            guard let events = try cache.events() else {
                return logger.warning("no copies are kept near: the cache does not tell of changes")
            }
            for await event in events { _ = state.withLock { $0.near.hear(event) } }
            _ = state.withLock { $0.near.hear(.lost) }
        } catch {
            logger.warning("no copies are kept near", metadata: ["reason": "\(error)"])
        }
    }
}

/// What is counted. Kept, since to make a counter is to look for it among all.
struct TierMeters: Sendable {
    /// Validations by who answered them.
    let database = Self.answers("database"), cache = Self.answers("cache"), near = Self.answers("near")
    /// Copies in the shadow that agreed with the database's answer, and that did not.
    let same = Self.compared("yes"), different = Self.compared("no")
    /// Failures of the cache.
    let failures = Meter(Counter(label: "sojourn.tier.failures"))

    private static func answers(_ source: String) -> Meter {
        Meter(Counter(label: "sojourn.tier.answers", dimensions: [("source", source)]))
    }

    private static func compared(_ same: String) -> Meter {
        Meter(Counter(label: "sojourn.tier.compared", dimensions: [("same", same)]))
    }
}

/// A counter that can be read as well.
final class Meter: Sendable {
    private let counter: Counter
    private let count = Atomic(0)

    init(_ counter: Counter) {
        self.counter = counter
    }

    /// How often it was incremented.
    var total: Int { count.load(ordering: .relaxed) }

    func increment() {
        counter.increment()
        count.add(1, ordering: .relaxed)
    }
}
