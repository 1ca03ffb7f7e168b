// SPDX-License-Identifier: Apache-2.0

internal import CKafka
public import Foundation
public import Logging
public import ServiceLifecycle

/// Asks the brokers about topics, and makes them. Questions are answered one after the other, each within the
/// configuration's `requestTimeout` per step.
///
/// Nothing starts in `init`. Run it in a service group for an orderly end, or call `shutdown()`.
public final class KafkaAdmin: Sendable {
    private let engine: Engine<AdminPart>

    /// A client that starts when it is first asked. A configuration that cannot work fails that.
    public init(_ configuration: KafkaConfiguration, logger: Logger) {
        engine = Engine(
            "kafka-admin", ClientSettings(configuration: configuration, kind: RD_KAFKA_PRODUCER), logger: logger
        ) { client, _, _ in AdminPart(client, requestTimeout: configuration.requestTimeout) }
    }

    deinit {
        close()
    }

    /// Ends the client. Returns at once.
    public func close() {
        engine.close()
    }

    /// Ends the client and returns when that is done.
    public func shutdown() async {
        close()
        await engine.ended()
    }
}

extension KafkaAdmin: Service {
    /// Waits for the service group's graceful shutdown or for cancellation, then ends the client, and returns when that is
    /// done. The client does not need it to be running.
    public func run() async throws {
        try? await gracefulShutdown()
        await shutdown()
    }
}

extension KafkaAdmin {
    /// The partitions of a topic, in their order; none where there is no such topic.
    public func partitions(of topic: String) async throws(KafkaError) -> [KafkaPartition] {
        try await engine.call { part throws(KafkaError) in try part.partitions(of: topic) }
    }

    /// Sees to it that there is a topic. One that is there stays as it is. Where the brokers take no orders, they are given
    /// the chance to make it by themselves, as they are configured.
    ///
    /// - Returns: Its partitions, which may be more or fewer than asked for.
    /// - Throws: Where there is no such topic in the end.
    public func createTopic(
        _ topic: String, partitions: Int, replicas: Int
    ) async throws(KafkaError) -> [KafkaPartition] {
        guard KafkaPartition.isTopic(topic), partitions >= 1, replicas >= 1 else {
            throw KafkaError(
                .invalidArgument,
                "A topic has a name of 1 to 249 bytes, at least one partition and one replica of each.")
        }
        return try await engine.call { part throws(KafkaError) in
            try part.createTopic(topic, partitions: partitions, replicas: replicas)
        }
    }

    /// By partition, the offsets that are kept: from the oldest message to behind the newest. What a reader at offset `o`
    /// has still to read is at most `upperBound - o`.
    public func offsets(of partitions: [KafkaPartition]) async throws(KafkaError) -> [KafkaPartition: Range<Int64>] {
        try await engine.call { part throws(KafkaError) in try part.offsets(of: partitions) }
    }

    /// By partition, the offset of the first message that is not older than `time`: `.end` where there is none.
    public func offsets(
        of partitions: [KafkaPartition], since time: Date
    ) async throws(KafkaError) -> [KafkaPartition: KafkaOffset] {
        try await engine.call { part throws(KafkaError) in try part.offsets(of: partitions, since: time) }
    }
}
