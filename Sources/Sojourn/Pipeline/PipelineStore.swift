// SPDX-License-Identifier: Apache-2.0

/// A store that a stream is written into (K2, K3). How far a group has come in a partition stands beside the rows, and moves
/// with them in one transaction, by compare-and-set: whatever is read twice, by however many, is written once. Throws as
/// `SessionStore`.
public protocol StreamStore: Sendable {
    /// How far the group has come: the offset of the first message that is not written yet. 0 for a partition of which
    /// nothing is; from then on it is known.
    func positions(of partitions: [StreamPartition]) async throws -> [StreamPartition: Int64]

    /// Writes a step, all or nothing: what its messages say, dead letters, and where the group is. Where the group is not
    /// where the step begins, nothing is written.
    ///
    /// An order that its users and products refuse is a dead letter too. Entries are numbered in their session as they come,
    /// also where it has ended meanwhile; those of a session that is gone are dropped, and counted. `invalidInput` where the
    /// database refuses all of it for one of its rows, without saying which.
    func take(_ step: StreamStep) async throws -> StreamOutcome

    /// How many messages of a group's journal topics were dropped, since their session was gone.
    func droppedMessages(of group: String) async throws -> Int

    /// Sets where the group goes on. Consumers that run are fenced at their next step, or see it before, and go on there.
    func rewind(to positions: [StreamPartition: Int64]) async throws
}

/// A store that keeps the messages which could not be written (K3). Throws as `SessionStore`.
public protocol DeadLetterStore: Sendable {
    /// Dead letters, the latest first.
    func deadLetters(_ page: PageRequest, state: DeadLetter.State?) async throws -> Page<DeadLetter>

    /// A dead letter.
    func deadLetter(_ id: Int64) async throws -> DeadLetter?

    /// How many dead letters are open.
    func openDeadLetters() async throws -> Int

    /// Tries to write an open letter once more, and returns what it says now; nil where there is none.
    ///
    /// - Throws: Why it cannot be written, which leaves it open; `alreadyFinished` where it is not open.
    func retryDeadLetter(_ id: Int64) async throws -> DeadLetter?

    /// Gives an open letter up, and returns what it says now; nil where there is none.
    ///
    /// - Throws: `alreadyFinished` where it is not open.
    func dropDeadLetter(_ id: Int64) async throws -> DeadLetter?

    /// Letters, the oldest first, that `announced` has not been told of: none more once their keys and values come to
    /// `bytesMax`.
    func unannouncedDeadLetters(max: Int, bytesMax: Int) async throws -> [DeadLetter]

    /// Notes that letters are in the topic of dead letters.
    func announced(_ letters: [Int64]) async throws
}

/// A store that a stream is written into.
public typealias PipelineStore = StreamStore & DeadLetterStore

extension ForwardingStore where Self: DeadLetterStore, Base: DeadLetterStore {
    public func deadLetters(_ page: PageRequest, state: DeadLetter.State?) async throws -> Page<DeadLetter> {
        try await base.deadLetters(page, state: state)
    }

    public func deadLetter(_ id: Int64) async throws -> DeadLetter? { try await base.deadLetter(id) }

    public func openDeadLetters() async throws -> Int { try await base.openDeadLetters() }

    public func retryDeadLetter(_ id: Int64) async throws -> DeadLetter? { try await base.retryDeadLetter(id) }

    public func dropDeadLetter(_ id: Int64) async throws -> DeadLetter? { try await base.dropDeadLetter(id) }

    public func unannouncedDeadLetters(max: Int, bytesMax: Int) async throws -> [DeadLetter] {
        try await base.unannouncedDeadLetters(max: max, bytesMax: bytesMax)
    }

    public func announced(_ letters: [Int64]) async throws { try await base.announced(letters) }
}
