// SPDX-License-Identifier: Apache-2.0

internal import KafkaDriver
public import Logging
public import ServiceLifecycle
public import Sojourn
internal import Synchronization

/// The topic in which entries of the journal wait to be written (K4), keyed by session, so that a session's keep their order.
public final class KafkaJournalLog: JournalLog, Service {
    private let topics: PipelineTopics
    private let logger: Logger
    /// Made anew where one can do nothing any more.
    private let producer: Mutex<KafkaProducer>
    /// Most time until a caller knows that Kafka has it, or that the database shall.
    private static let answerMax = Duration.seconds(5)
    /// The most bytes of a message's content: librdkafka and brokers take a million for all of it, unless told otherwise.
    private static let messageBytesMax = 900_000

    /// The log in the topic of entries. Connects when it is first used.
    public init(_ topics: PipelineTopics, logger: Logger) {
        self.topics = topics
        self.logger = logger
        producer = Mutex(Self.producer(topics, logger))
    }

    private static func producer(_ topics: PipelineTopics, _ logger: Logger) -> KafkaProducer {
        var settings = KafkaProducer.Settings()
        settings.deliveryTimeout = answerMax
        return KafkaProducer(topics.kafka, settings, logger: logger)
    }

    public func keep(_ entries: QueuedEntries) async throws {
        let producer = producer.withLock { $0 }
        let key = Array(entries.sessionID.description.utf8)
        let message = entries.message
        guard message.count <= Self.messageBytesMax else {
            throw SojournError(.tooLarge, "The entries are larger than \(Self.messageBytesMax) bytes.")
        }
        do {
            _ = try await producer.send(KafkaRecord(topic: topics.journal, key: key, value: message))
        } catch {
            if error.code == .cancelled { throw CancellationError() }
            if error.isFatal {
                self.producer.withLock { current in
                    if current === producer { current = Self.producer(topics, logger) }
                }
            }
            throw error
        }
    }

    /// Sees to it that there is a topic, then waits for the service group's graceful shutdown or for cancellation.
    public func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            let admin = KafkaAdmin(topics.kafka, logger: logger)
            var reason = ""
            while !Task.isCancelled {
                do {
                    _ = try await admin.createTopic(
                        topics.journal, partitions: topics.partitions, replicas: topics.replicas)
                    break
                } catch {
                    if reason != "\(error)" {
                        reason = "\(error)"
                        logger.warning(
                            "the topic of entries is not there yet",
                            metadata: ["topic": "\(topics.journal)", "reason": "\(reason)"])
                    }
                }
                try? await Task.sleep(for: .seconds(5))
            }
            await admin.shutdown()
        }
        try? await gracefulShutdown()
    }

    /// Delivers what was handed over, and closes the connection; later calls fail.
    public func shutdown() async {
        await producer.withLock { $0 }.shutdown()
    }
}
