// SPDX-License-Identifier: Apache-2.0

/// How far a group is with what it reads, and how much of that could not be written (K3).
public struct PipelineStatus: Sendable, Hashable {
    /// The consumers that share the topics.
    public let group: String
    /// How far they are, by topic and partition; none where there is no topic.
    public let partitions: [PartitionLag]
    /// How many dead letters are open.
    public let openDeadLetters: Int
    /// How many messages were dropped, since their session was gone.
    public let dropped: Int
    /// When that was so.
    public let at: Timestamp

    /// A status: for those who asked.
    public init(group: String, partitions: [PartitionLag], openDeadLetters: Int, dropped: Int, at: Timestamp) {
        self.group = group
        self.partitions = partitions
        self.openDeadLetters = openDeadLetters
        self.dropped = dropped
        self.at = at
    }

    /// Messages that are still to be written.
    public var lag: Int64 { partitions.reduce(0) { $0 + $1.lag } }

    /// The status as every face shows it.
    public var json: JSONValue {
        .object([
            "group": .string(group), "lag": .integer(lag), "open_dead_letters": .integer(Int64(openDeadLetters)),
            "dropped": .integer(Int64(dropped)),
            "partitions": .array(
                partitions.map { partition in
                    .object([
                        "topic": .string(partition.topic), "partition": .integer(Int64(partition.partition)),
                        "position": .integer(partition.position), "end": .integer(partition.end),
                        "lag": .integer(partition.lag),
                    ])
                }), "timestamp": .string(at.text),
        ])
    }
}
