// SPDX-License-Identifier: Apache-2.0

/// A store that keeps the journal's turns in one table a month.
public protocol PartitionStore: SessionStore {
    /// The partitions as they are. Throws as `SessionStore`.
    func partitions() async throws -> PartitionStatus

    /// Tries one step, once. It waits for no lock longer than 50 ms; whoever needs the table meanwhile waits with it.
    func perform(_ step: PartitionStep) async throws -> PartitionOutcome

    /// Does the small things that are due every few minutes: the view of the last week is brought up to date (J7), and
    /// what was written lately is sorted into the search indexes. One that fails does not keep the other from being done.
    ///
    /// - Throws: the first failure, which names what was not done.
    func tidyPartitions() async throws

    /// Runs `body` where no other node does so at the moment. False where one does.
    func leadingPartitions(_ body: @Sendable () async throws -> Void) async throws -> Bool
}

/// What came of trying a step.
public enum PartitionOutcome: String, Sendable, Hashable {
    /// It was done.
    case done
    /// There was nothing to be done: somebody else did it, or the month is not as the plan had it.
    case unneeded
    /// A lock was not to be had, or old transactions are still reading: worth another try.
    case busy
}

extension Sessions {
    /// The partitions of the journal's turns as they are.
    ///
    /// - Throws: `notAvailable` where the store has none.
    public func partitions() async throws -> PartitionStatus {
        guard let partitionStore else {
            throw SojournError(.notAvailable, "This store has no partitions: PostgreSQL does.")
        }
        return try await partitionStore.partitions()
    }

    /// The store, where it has partitions.
    var partitionStore: (any PartitionStore)? {
        store.capabilities.contains(.partitions) ? store as? any PartitionStore : nil
    }
}
