// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import KafkaDriver
public import ServiceLifecycle
public import Sojourn

/// Writes dead letters into their topic (K3), once they are in the table: each at least once, with the reason and the place as
/// headers.
public struct DeadLetterAnnouncer: Service {
    private let topics: PipelineTopics
    private let store: any DeadLetterStore
    private let logger: Logger
    private static let most = 500

    /// Announces the dead letters of `store`.
    public init(_ topics: PipelineTopics, store: any DeadLetterStore, logger: Logger) {
        self.topics = topics
        self.store = store
        self.logger = logger
    }

    /// Looks every second, until the service group's graceful shutdown or cancellation.
    public func run() async throws {
        let producer = KafkaProducer(topics.kafka, logger: logger)
        try? await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                do {
                    while try await announce(by: producer) == Self.most {}
                } catch let error where !(error is CancellationError) {
                    logger.warning("Dead letters are not in their topic yet.", metadata: ["reason": "\(error)"])
                }
                try await Task.sleep(for: .seconds(1))
            }
        }
        await producer.shutdown()
    }

    /// Announces the oldest letters, and returns how many.
    private func announce(by producer: KafkaProducer) async throws -> Int {
        let letters = try await store.unannouncedDeadLetters(max: Self.most)
        guard !letters.isEmpty else { return 0 }
        let ledger = KafkaLedger()
        let records = letters.map { letter in
            KafkaRecord(
                topic: PipelineTopics.deadLetterTopic(of: letter.partition.topic), key: letter.message.key,
                value: letter.message.value,
                headers: [
                    KafkaHeader("reason", letter.reason), KafkaHeader("topic", letter.partition.topic),
                    KafkaHeader("partition", "\(letter.partition.number)"),
                    KafkaHeader("offset", "\(letter.message.offset)"), KafkaHeader("letter_id", "\(letter.id)"),
                ])
        }
        try await producer.enqueue(records, in: ledger)
        try await ledger.settled()
        try await store.announced(letters.map(\.id))
        return letters.count
    }
}
