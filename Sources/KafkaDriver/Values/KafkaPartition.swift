// SPDX-License-Identifier: Apache-2.0

internal import CKafka

/// One partition of a topic.
public struct KafkaPartition: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The topic's name.
    public let topic: String
    /// The partition's number, from 0.
    public let number: Int

    /// Partition `number` of `topic`.
    public init(_ topic: String, _ number: Int) {
        self.topic = topic
        self.number = number
    }

    public static func < (left: Self, right: Self) -> Bool {
        (left.topic, left.number) < (right.topic, right.number)
    }

    public var description: String { "\(topic)/\(number)" }

    /// Whether a topic can have this name; which characters it may have is left to the broker.
    static func isTopic(_ name: String) -> Bool {
        (1...249).contains(name.utf8.count) && !name.utf8.contains(0)
    }
}

/// Where reading goes on.
public enum KafkaOffset: Sendable, Hashable {
    /// At the oldest message that is kept.
    case beginning
    /// Behind the newest message.
    case end
    /// At what the group has committed to Kafka, else as `KafkaConsumer.Settings.fallback` says.
    case committed
    /// At this offset; where it is not kept any more, as the fallback says.
    case at(Int64)

    /// What librdkafka calls it.
    var number: Int64 {
        switch self {
        case .beginning: Int64(RD_KAFKA_OFFSET_BEGINNING)
        case .end: Int64(RD_KAFKA_OFFSET_END)
        case .committed: Int64(RD_KAFKA_OFFSET_STORED)
        case .at(let offset): offset
        }
    }
}

/// A list of librdkafka's, freed with its scope.
struct PartitionList: ~Copyable {
    private let pointer: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>

    /// Partitions with their offsets.
    init(_ entries: some Collection<(key: KafkaPartition, value: Int64)>) {
        pointer = rd_kafka_topic_partition_list_new(Int32(clamping: entries.count))
        for (partition, offset) in entries {
            rd_kafka_topic_partition_list_add(pointer, partition.topic, Int32(clamping: partition.number))?.pointee
                .offset = offset
        }
    }

    /// Partitions whose offsets do not matter.
    init(_ partitions: [KafkaPartition]) {
        self.init(partitions.map { (key: $0, value: Int64(RD_KAFKA_OFFSET_INVALID)) })
    }

    deinit {
        rd_kafka_topic_partition_list_destroy(pointer)
    }

    /// Lends the list itself.
    func lend<Value>(
        _ body: (UnsafeMutablePointer<rd_kafka_topic_partition_list_t>) -> Value
    ) -> Value {
        body(pointer)
    }

    /// What stands in the list, with offsets and failures.
    var entries: [Entry] { Self.entries(of: pointer) }

    /// What stands in a list of somebody else's; nothing where there is none.
    static func entries(of list: UnsafePointer<rd_kafka_topic_partition_list_t>?) -> [Entry] {
        guard let list, let first = list.pointee.elems else { return [] }
        return UnsafeBufferPointer(start: first, count: Int(list.pointee.cnt)).compactMap { element in
            guard let topic = element.topic else { return nil }
            return Entry(
                partition: KafkaPartition(String(cString: topic), Int(element.partition)), offset: element.offset,
                failure: element.err)
        }
    }

    static func entries(of list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?) -> [Entry] {
        entries(of: list.map { UnsafePointer($0) })
    }

    /// One partition of the list.
    struct Entry {
        let partition: KafkaPartition
        let offset: Int64
        let failure: rd_kafka_resp_err_t
    }
}
