// SPDX-License-Identifier: Apache-2.0

internal import KafkaDriver
public import Logging
public import Sojourn

/// The pipeline as an operator sees it: where it stands, and where it shall go on.
public final class PipelineAdmin: Sendable {
    private let topics: PipelineTopics
    private let store: any StreamStore
    private let admin: KafkaAdmin
    private let logger: Logger

    /// The pipeline into `store`.
    public init(_ topics: PipelineTopics, store: any StreamStore, logger: Logger) {
        self.topics = topics
        self.store = store
        self.logger = logger
        admin = KafkaAdmin(topics.kafka, logger: logger)
    }

    /// Closes the connection to the brokers.
    public func shutdown() async { await admin.shutdown() }

    /// Sees to it that there are topics.
    public func createTopics() async throws {
        for topic in topics.read {
            _ = try await admin.createTopic(topic, partitions: topics.partitions, replicas: topics.replicas)
        }
    }

    /// Sees to it that there are topics for dead letters. Where one cannot be made, that is only logged: orders can be written
    /// all the same.
    public func createLetterTopics() async {
        for topic in topics.read {
            let letters = PipelineTopics.deadLetterTopic(of: topic)
            do {
                _ = try await admin.createTopic(letters, partitions: 1, replicas: topics.replicas)
            } catch {
                logger.warning(
                    "There is no topic for dead letters.", metadata: ["topic": "\(letters)", "reason": "\(error)"])
            }
        }
    }

    /// How far the group is, by partition; nothing where there is no topic.
    public func lags() async throws -> [PartitionLag] {
        var partitions: [KafkaPartition] = []
        for topic in topics.read { partitions += try await admin.partitions(of: topic) }
        let ends = try await admin.offsets(of: partitions)
        let positions = try await store.positions(of: ends.keys.map(topics.partition))
        return ends.sorted { $0.key < $1.key }.map { partition, kept in
            // What is not kept any more will not be read.
            let position = max(positions[topics.partition(partition)] ?? 0, kept.lowerBound)
            return PartitionLag(
                topic: partition.topic, partition: partition.number, position: position, end: kept.upperBound)
        }
    }

    /// How far the group is, by partition, in every topic that it reads.
    ///
    /// - Throws: `storeUnavailable` where the brokers know no partitions of one now.
    public func allLags() async throws -> [PartitionLag] {
        let lags = try await lags()
        let known = Set(lags.map(\.topic))
        if let topic = topics.read.first(where: { !known.contains($0) }) {
            throw SojournError(.storeUnavailable, "Kafka's brokers know no partitions of the topic \(topic) now.")
        }
        return lags
    }

    /// How far the group is, and what could not be written.
    public func status(_ letters: DeadLetters) async throws -> PipelineStatus {
        PipelineStatus(
            group: topics.group, partitions: try await lags(), openDeadLetters: try await letters.openCount(),
            dropped: try await store.droppedMessages(of: topics.group), at: SystemWallClock().now)
    }

    /// Sets where the group goes on, in all partitions of a topic of its own, and returns that by partition.
    ///
    /// - Throws: `invalidInput` where the group does not read that topic.
    public func rewind(_ topic: String, to place: StreamPlace) async throws -> [Int: Int64] {
        guard topics.read.contains(topic) else {
            let known = topics.read.joined(separator: ", ")
            throw SojournError(.invalidInput, "The group reads \(known), and no other topic.", field: "topic")
        }
        let kept = try await admin.offsets(of: try await admin.partitions(of: topic))
        var places: [KafkaPartition: Int64] = [:]
        switch place {
        case .beginning: places = kept.mapValues(\.lowerBound)
        case .end: places = kept.mapValues(\.upperBound)
        case .offset(let offset):
            places = kept.mapValues { min(max(offset, $0.lowerBound), $0.upperBound) }
        case .time(let time):
            for (partition, offset) in try await admin.offsets(of: Array(kept.keys), since: time) {
                guard let range = kept[partition] else { continue }
                if case .at(let number) = offset {
                    places[partition] = number
                } else {
                    places[partition] = range.upperBound
                }
            }
        }
        let positions = places.map { (topics.partition($0.key), $0.value) }
        try await store.rewind(to: Dictionary(uniqueKeysWithValues: positions))
        return Dictionary(uniqueKeysWithValues: places.map { ($0.key.number, $0.value) })
    }
}
