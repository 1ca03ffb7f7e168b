// SPDX-License-Identifier: Apache-2.0

public import KafkaDriver
internal import Sojourn

/// The topics of orders and of the journal's entries, and the group that reads them.
public struct PipelineTopics: Sendable {
    /// Where the brokers are.
    public var kafka: KafkaConfiguration
    /// The topic of orders. Default: `orders`.
    public var orders = "orders"
    /// The topic of entries (K4). Default: `journal`.
    public var journal = "journal"
    /// Whether the group reads entries too. Default: not.
    public var readsJournal = false
    /// The group. Default: `sojourn`.
    public var group = "sojourn"
    /// How many partitions a topic is made with, where it is not there. Default: 9.
    public var partitions = 9
    /// How many brokers keep each, where it is not there. Default: 3.
    public var replicas = 3
    /// After this long without a word from a consumer, the others take its partitions. Default: 10 s.
    public var sessionTimeout = Duration.seconds(10)

    /// Those of a cluster.
    public init(_ kafka: KafkaConfiguration) {
        self.kafka = kafka
    }

    /// The topics that the group reads.
    var read: [String] { readsJournal ? [orders, journal] : [orders] }

    /// The topic that a topic's dead letters are told of in.
    public static func deadLetterTopic(of topic: String) -> String { "\(topic).dead-letters" }

    /// A partition, in the store's terms.
    func partition(_ partition: KafkaPartition) -> StreamPartition {
        StreamPartition(
            group: group, topic: partition.topic, number: partition.number,
            content: partition.topic == journal ? .journal : .orders)
    }
}
