// SPDX-License-Identifier: Apache-2.0

/// A store that a cache may stand before: it writes down which sessions' copies must go, and is the authority on the
/// sessions that are copied.
///
/// A copy is good for as long as nothing in its session changed but counts, the last activity and a later expiry. Any
/// other change is written down in the transaction that makes it, whoever makes it, by SQL too, and stays there until
/// somebody settles it. That holds while somebody watches, and by eras: an era is over once nobody watched for
/// `PendingChanges.watchedFor`, since changes may go by unwritten then, and wherever else the store cannot vouch for it
/// (it lost what was written, or nobody settled for an hour and it was forgotten). Copies carry the number of the era in
/// which they were made, and those of another era are worth nothing.
///
/// So who has read the pending changes, and holds an image that it read later and in the same era, may answer by it for
/// as long as that reading counts as news, if the session is not among them. Throws as `SessionStore`.
public protocol TruthStore: SessionStore {
    /// Reads which sessions' copies must go, `max` at most, and says that somebody does: from now on for
    /// `PendingChanges.watchedFor` every such change is written down. Sees whatever was committed before the call.
    ///
    /// - Throws: `storeUnavailable` also where an era cannot begin yet, because of a transaction that changed sessions
    ///   while nobody watched and is still open.
    func pendingChanges(max: Int) async throws -> PendingChanges

    /// Writes down that sessions are about to change, for who cannot remove their copies before. Whoever reads that
    /// answers by no copy of theirs until it is settled, which who announced it does once the change is made or given
    /// up, and somebody else after `PendingChanges.announcedFor`.
    func announce(_ ids: [SessionID]) async throws -> [PendingChange]

    /// Forgets changes, when their copies are gone. A session that changed again meanwhile is there with a higher
    /// serial, and stays.
    func settle(_ changes: [PendingChange]) async throws

    /// Sessions as a cache may hold them, in the order asked; nil for those that are not live.
    func images(of ids: [SessionID]) async throws -> [SessionImage?]

    /// Adds validations that a cache answered: to the count, and to the last activity, which never goes back. Of ended
    /// sessions too, since they were counted before their end; those of deleted sessions are left out.
    ///
    /// Where it throws, some may have been added.
    func add(_ touches: [SessionTouch]) async throws
}

/// A change of a session whose copies must go.
public struct PendingChange: Sendable, Hashable {
    /// The session, which may be deleted.
    public let session: SessionID
    /// The change's number: higher than that of every earlier change of the session.
    public let serial: Int64
    /// Whether it is only announced: the change itself, once it is made, has a row of its own.
    public let isAnnouncement: Bool

    /// A change: for stores.
    public init(session: SessionID, serial: Int64, isAnnouncement: Bool = false) {
        self.session = session
        self.serial = serial
        self.isAnnouncement = isAnnouncement
    }
}

/// Which sessions' copies must go, as the store had it written down at a moment.
public struct PendingChanges: Sendable, Hashable {
    /// The era in which the changes were read. A later one has another number, as a rule a higher one: it is made of
    /// the time.
    public let era: Int64
    /// The store's clock when they were read.
    public let at: Timestamp
    /// The changes, oldest first; a session stands here once for every change.
    public let changes: [PendingChange]
    /// Whether these are all; where not, a session that is missing here may have changed nevertheless.
    public let isWhole: Bool

    /// For how long after somebody read them changes are written down. By real time, whatever the store's clock says.
    public static let watchedFor = Duration.seconds(60)
    /// For how long an announcement counts where who made it never came back to settle it.
    public static let announcedFor = Duration.seconds(300)
    /// For how long a change waits to be settled. A sweep forgets it after that, and ends the era.
    public static let keptFor = Duration.hours(1)

    /// What was written down: for stores.
    public init(era: Int64, at: Timestamp, changes: [PendingChange], isWhole: Bool) {
        self.era = era
        self.at = at
        self.changes = changes
        self.isWhole = isWhole
    }
}

/// A live session as a cache may hold it.
public struct SessionImage: Sendable, Hashable {
    /// The session and its secrets. Its epoch is its user's.
    public let record: SessionRecord
    /// The store's clock when it was read.
    public let at: Timestamp

    /// An image: for stores.
    public init(record: SessionRecord, at: Timestamp) {
        self.record = record
        self.at = at
    }
}

/// Validations of one session that a cache answered.
public struct SessionTouch: Sendable, Hashable {
    /// The session.
    public let session: SessionID
    /// How many there were.
    public let count: Int
    /// When the last of them was.
    public let last: Timestamp

    /// Some validations.
    public init(session: SessionID, count: Int, last: Timestamp) {
        self.session = session
        self.count = count
        self.last = last
    }
}

extension SessionRecord {
    /// Whether a copy made when the session was as `before` must go: it differs in more than counts, the last activity
    /// and an expiry that is later now.
    func outdates(_ before: SessionRecord) -> Bool {
        var copy = before
        copy.session.requestCount = session.requestCount
        copy.session.turnCount = session.turnCount
        copy.session.lastActivity = session.lastActivity
        copy.session.expiresAt = max(before.session.expiresAt, session.expiresAt)
        return copy != self
    }
}
