// SPDX-License-Identifier: Apache-2.0

/// A fast place for copies of live sessions, before a store that holds the truth. It may lose any of them at any time.
///
/// A copy is brought by leave: whoever looks for one and finds none may be given leave to bring it, one caller at a time.
/// Removing a copy takes the leave away with it, and so does losing everything. So a copy that was read before a change,
/// and comes late, is not taken.
public protocol SessionCache: Sendable {
    /// Looks for the copy of a session, made in `era`. Where there is none, asks for leave to bring one.
    ///
    /// - Throws: `storeUnavailable` where the cache does not answer.
    func look(for id: SessionID, era: Int64) async throws -> CachedSession

    /// Brings copies, each where its leave still holds, to be dropped when their time is over. Those whose leave does not
    /// hold are not taken.
    func bring(_ copies: [SessionCopy]) async throws

    /// Removes the copies of these sessions, with every leave to bring one. When it returns, nobody finds them.
    func remove(_ ids: [SessionID]) async throws

    /// Removes the copies of these sessions, and gives no leave to bring one until they are freed, or ten seconds are
    /// over. Several may hold a session back at once; the last one frees it.
    func holdBack(_ ids: [SessionID]) async throws

    /// Frees sessions that were held back.
    func free(_ ids: [SessionID]) async throws

    /// Tells what becomes of copies, whoever changes them, to one reader, until its task is cancelled or the cache is
    /// closed. Nil where the cache cannot tell (default): then none are kept in the process.
    ///
    /// - Throws: `storeUnavailable` where it never will.
    func events() throws -> (any AsyncSequence<CacheEvent, Never> & Sendable)?

    /// How the cache is set up, and what that means for copies.
    func findings() async throws -> [IntegrityReport.Finding]
}

extension SessionCache {
    public func events() throws -> (any AsyncSequence<CacheEvent, Never> & Sendable)? { nil }
}

/// What becomes of a cache's copies.
public enum CacheEvent: Sendable, Hashable {
    /// From now on every change is told. What was read before this may have changed unnoticed.
    case began
    /// The copies of these sessions were changed, or are gone.
    case changed([SessionID])
    /// All copies are gone, or are to be taken for it.
    case emptied
    /// Changes may go untold until it has begun again.
    case lost
}

/// What a cache has of a session.
public enum CachedSession: Sendable, Hashable {
    /// A copy.
    case copy(SessionImage)
    /// None, and the leave to bring one; nil where somebody else has it.
    case missing(leave: CacheLeave?)
}

/// The leave to bring a copy of a session.
public struct CacheLeave: Sendable, Hashable {
    /// The session.
    public let session: SessionID
    /// The era that the copy will be of.
    public let era: Int64
    /// What tells it from other leaves for that session.
    public let number: UInt64

    /// A leave: for caches.
    public init(session: SessionID, era: Int64, number: UInt64) {
        self.session = session
        self.era = era
        self.number = number
    }
}

/// A copy to be brought.
public struct SessionCopy: Sendable, Hashable {
    /// The leave to bring it.
    public let leave: CacheLeave
    /// What is copied.
    public let image: SessionImage
    /// For how long it may be kept.
    public let life: Duration

    /// A copy: for stores in front of which a cache stands.
    public init(leave: CacheLeave, image: SessionImage, life: Duration) {
        self.leave = leave
        self.image = image
        self.life = life
    }
}
