// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// How far a group is in one partition.
public struct PartitionLag: Sendable, Hashable {
    /// The topic.
    public let topic: String
    /// The partition's number.
    public let partition: Int
    /// Where the group goes on.
    public let position: Int64
    /// Where the partition ends: the offset of the next message that comes.
    public let end: Int64

    /// Where a group is: for the pipeline.
    public init(topic: String, partition: Int, position: Int64, end: Int64) {
        self.topic = topic
        self.partition = partition
        self.position = position
        self.end = end
    }

    /// Messages that are still to be written.
    public var lag: Int64 { max(0, end - position) }
}

/// Where a group shall go on.
public enum StreamPlace: Sendable, Hashable {
    /// At the oldest message that is kept.
    case beginning
    /// Behind the newest message.
    case end
    /// At this offset of every partition.
    case offset(Int64)
    /// At the first message that is not older.
    case time(Date)
}

extension Date {
    /// The moment as Foundation has it.
    package init(_ moment: Timestamp) {
        self.init(timeIntervalSince1970: Double(moment.microseconds) / 1_000_000)
    }
}
