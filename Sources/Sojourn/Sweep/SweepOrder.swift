// SPDX-License-Identifier: Apache-2.0

/// One bounded step of a sweep: what to look for, and how much of it.
public struct SweepOrder: Sendable, Hashable {
    /// The most sessions that each part of the step marks, looks at or deletes.
    public var batchMax: Int
    /// Count what would happen and change nothing.
    public var dryRun: Bool
    /// When ended sessions are deleted, by type.
    public var retention: [SessionType: Retention]
    /// Where the lap over all sessions, in the order of their ids, looks for inactive ones.
    public var lap: SweepLap
    /// The fuse (law 9): the step changes nothing and throws `fuse` where more sessions than this would be marked as
    /// expired although they live for longer than an hour and were used within the last one. Nil takes the fuse out.
    public var fuse: Int?

    /// An order; by default one step of 1,000 that keeps every ended session for 30 days.
    public init(
        batchMax: Int = 1000, dryRun: Bool = false, retention: [SessionType: Retention]? = nil,
        lap: SweepLap = .begin, fuse: Int? = nil
    ) {
        self.batchMax = batchMax
        self.dryRun = dryRun
        self.retention =
            retention ?? Dictionary(uniqueKeysWithValues: SessionType.allCases.map { ($0, .after(.days(30))) })
        self.lap = lap
        self.fuse = fuse
    }
}

/// Where the lap for inactive sessions goes on.
public enum SweepLap: Sendable, Hashable {
    /// Not in this step.
    case off
    /// At the first session.
    case begin
    /// After this session.
    case after(SessionID)
}

/// What waits for the sweep: sessions whose time ran out and that no sweep has marked.
public struct SweepBacklog: Sendable, Hashable {
    /// How many there are; counting stops at `countMax`.
    public let count: Int
    /// For how long the oldest of them has been over; zero where there is none.
    public let oldest: Duration

    /// Where counting stops.
    public static let countMax = 100_000

    /// A backlog.
    public init(count: Int, oldest: Duration) {
        self.count = count
        self.oldest = oldest
    }
}

/// A store that tells what waits for the sweep.
public protocol BacklogStore: SessionStore {
    /// What waits now. Throws as `SessionStore`.
    func sweepBacklog() async throws -> SweepBacklog
}

/// What one step of a sweep did, or with `dryRun` would have done.
public struct SweepOutcome: Sendable, Hashable {
    /// Sessions marked because their time ran out.
    public var expired = 0
    /// Sessions marked because their user's epoch was raised.
    public var revoked = 0
    /// Sessions marked because nobody used them.
    public var inactive = 0
    /// Sessions deleted by retention.
    public var deleted = 0
    /// Whether a part filled its batch, so that another step has work to do.
    public var more = false
    /// Where the lap for inactive sessions goes on; nil where it came to its end or was off.
    public var lapNext: SessionID?

    /// A step that did nothing.
    public init() {}

    /// Adds another step's counts to this one's; `more` and `lapNext` are the later step's.
    public mutating func add(_ later: SweepOutcome) {
        expired += later.expired
        revoked += later.revoked
        inactive += later.inactive
        deleted += later.deleted
        more = later.more
        lapNext = later.lapNext
    }
}
