// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// What the group gives and takes, and what of it the owner has been told: decisions without I/O.
///
/// A change is told when the owner asks for news, and carried out when the owner asks again: then whatever the owner did
/// about it (look up offsets, finish or drop work) is over. Only a loss is carried out before it is told, as the partitions
/// may be somebody else's already.
struct Assignment {
    /// What librdkafka is to be told.
    enum Step: Equatable {
        /// Read these partitions from there.
        case take([KafkaPartition: KafkaOffset])
        /// Stop reading these.
        case giveUp([KafkaPartition])
    }

    private enum Change {
        case gain([KafkaPartition: KafkaOffset])
        case loss([KafkaPartition], isLost: Bool)

        /// What the group waits for.
        var owed: Step? {
            switch self {
            case .gain(let offsets): .take(offsets)
            case .loss(_, isLost: true): nil
            case .loss(let partitions, isLost: false): .giveUp(partitions)
            }
        }
    }

    /// In their order; the first may have been told.
    private var changes: Deque<Change> = []
    private var isFirstTold = false

    /// The step of ours that the group waits for, if any.
    var owed: Step? { changes.lazy.compactMap(\.owed).first }

    /// The group gives partitions.
    mutating func gained(_ partitions: [KafkaPartition]) {
        changes.append(.gain(Dictionary(partitions.map { ($0, .committed) }, uniquingKeysWith: { first, _ in first })))
    }

    /// The group takes partitions, or has taken them.
    mutating func lost(_ partitions: [KafkaPartition], isLost: Bool) {
        if isLost {
            // What was not carried out is not going to be.
            isFirstTold = false
            changes.removeAll { $0.owed != nil }
        }
        changes.append(.loss(partitions, isLost: isLost))
    }

    /// The owner says where a partition that it is being given is to be read from; whether there is such a one.
    mutating func start(_ partition: KafkaPartition, at offset: KafkaOffset) -> Bool {
        for index in changes.indices {
            guard case .gain(var offsets) = changes[index], offsets[partition] != nil else { continue }
            offsets[partition] = offset
            changes[index] = .gain(offsets)
            return true
        }
        return false
    }

    /// The owner asks for news: what it was told last is dealt with.
    mutating func acknowledged() -> Step? {
        guard isFirstTold else { return nil }
        isFirstTold = false
        return changes.popFirst()?.owed
    }

    /// What the owner is to be told now.
    mutating func news() -> KafkaConsumer.Event? {
        guard !isFirstTold, let change = changes.first else { return nil }
        switch change {
        case .gain(let offsets):
            isFirstTold = true
            return .assigned(offsets.keys.sorted())
        case .loss(let partitions, let isLost):
            if isLost { changes.removeFirst() } else { isFirstTold = true }
            return .revoked(partitions.sorted(), isLost: isLost)
        }
    }
}
