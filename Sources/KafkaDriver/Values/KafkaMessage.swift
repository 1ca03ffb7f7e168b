// SPDX-License-Identifier: Apache-2.0

public import Foundation
internal import Synchronization

/// A message as it was read. Its bytes are a part of its batch's, which are copied once.
public struct KafkaMessage: Sendable {
    /// Its place in the partition. Offsets rise, but not always by one.
    public let offset: Int64
    /// Names and values beside it.
    public let headers: [KafkaHeader]
    /// The bytes of the whole batch.
    let bytes: [UInt8]
    /// Where the key begins; the value follows it.
    let start: Int
    /// Bytes of the key, nil for none.
    let keyCount: Int?
    /// Bytes of the value, nil for none.
    let valueCount: Int?
    /// Milliseconds since 1970, nil for none.
    let milliseconds: Int64?

    /// Its key, nil where it has none.
    public var key: ArraySlice<UInt8>? {
        keyCount.map { bytes[start..<start + $0] }
    }

    /// Its content, nil for a deletion.
    public var value: ArraySlice<UInt8>? {
        let first = start + (keyCount ?? 0)
        return valueCount.map { bytes[first..<first + $0] }
    }

    /// When it was produced or appended, as the topic is configured; nil where nobody said.
    public var timestamp: Date? {
        milliseconds.map { Date(timeIntervalSince1970: Double($0) / 1000) }
    }
}

/// Messages of one partition, in their order, at least one.
public struct KafkaBatch: Sendable {
    /// The partition of all of them.
    public let partition: KafkaPartition
    /// How often partitions had been assigned to the consumer, or reading had been moved, when it came to read here. Higher
    /// for later.
    public var generation: Int { tenure.generation }
    /// The messages.
    public let messages: [KafkaMessage]
    /// The offset of the first.
    public let firstOffset: Int64
    /// Where the partition goes on after the last: what is to be stored once they are dealt with.
    public let nextOffset: Int64
    let tenure: Tenure

    /// Whether the partition is still the consumer's, and reading has not been moved since. False for good once it is:
    /// then the batch is to be dropped, as somebody else gets it, or the same consumer once more.
    public var isCurrent: Bool { tenure.isOn }
}

/// The time from when a partition is read from some offset on until it is taken away or read from somewhere else.
final class Tenure: Sendable {
    /// Which one, over all partitions of a consumer.
    let generation: Int
    private let isOver = Atomic<Bool>(false)

    /// A time that begins.
    init(generation: Int) {
        self.generation = generation
    }

    /// Whether it goes on.
    var isOn: Bool { !isOver.load(ordering: .acquiring) }

    /// Ends it.
    func end() {
        isOver.store(true, ordering: .releasing)
    }
}
