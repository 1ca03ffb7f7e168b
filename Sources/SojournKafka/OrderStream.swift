// SPDX-License-Identifier: Apache-2.0

public import KafkaDriver
internal import Sojourn

/// The topic of orders and the group that reads it.
public struct OrderStream: Sendable {
    /// Where the brokers are.
    public var kafka: KafkaConfiguration
    /// The topic. Default: `orders`.
    public var topic = "orders"
    /// The group. Default: `sojourn`.
    public var group = "sojourn"
    /// How many partitions the topic is made with, where it is not there. Default: 9.
    public var partitions = 9
    /// How many brokers keep each, where it is not there. Default: 3.
    public var replicas = 3
    /// After this long without a word from a consumer, the others take its partitions. Default: 10 s.
    public var sessionTimeout = Duration.seconds(10)

    /// The stream of a cluster.
    public init(_ kafka: KafkaConfiguration) {
        self.kafka = kafka
    }

    /// The topic that dead letters are told of in.
    public var deadLetterTopic: String { "\(topic).dead-letters" }

    /// A partition, in the store's terms.
    func partition(_ partition: KafkaPartition) -> StreamPartition {
        StreamPartition(group: group, topic: partition.topic, number: partition.number)
    }
}
