// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A name and a value beside a message.
public struct KafkaHeader: Sendable, Hashable {
    /// Its name; several headers may have the same.
    public var name: String
    /// Its value, nil for none.
    public var value: [UInt8]?

    /// A header.
    public init(_ name: String, _ value: [UInt8]?) {
        self.name = name
        self.value = value
    }

    /// A header whose value is text.
    public init(_ name: String, _ text: String) {
        self.init(name, Array(text.utf8))
    }
}

/// What is to be written to Kafka.
public struct KafkaRecord: Sendable, Hashable {
    /// The topic.
    public var topic: String
    /// Records with the same key go to the same partition, in their order. nil: any partition.
    public var key: [UInt8]?
    /// The content; nil deletes the key in a compacted topic.
    public var value: [UInt8]?
    /// Names and values beside it.
    public var headers: [KafkaHeader]
    /// The partition; nil chooses one by the key.
    public var partition: Int?
    /// The record's time; nil is the time at which it was handed over.
    public var timestamp: Date?

    /// A record.
    public init(
        topic: String, key: [UInt8]? = nil, value: [UInt8]?, headers: [KafkaHeader] = [], partition: Int? = nil,
        timestamp: Date? = nil
    ) {
        self.topic = topic
        self.key = key
        self.value = value
        self.headers = headers
        self.partition = partition
        self.timestamp = timestamp
    }
}

/// Where a delivered record stands.
public struct KafkaPosition: Sendable, Hashable {
    /// Its partition.
    public let partition: KafkaPartition
    /// Its offset; nil where the broker had it already from an earlier attempt and did not say where.
    public let offset: Int64?
}
