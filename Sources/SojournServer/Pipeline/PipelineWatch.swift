// SPDX-License-Identifier: Apache-2.0

internal import KafkaDriver
internal import Logging
internal import Metrics
internal import ServiceLifecycle
internal import Sojourn
internal import SojournKafka

/// Looks how far the pipeline is: every fifteen seconds for the gauges, and whenever somebody asks.
///
/// However many ask, there is one look at a time, which takes as long as Kafka's brokers do: whoever comes meanwhile shares
/// the next one.
actor PipelineWatch: Service {
    private static let interval = Duration.seconds(15)
    /// How long brokers may take for an answer that somebody waits for.
    private static let patience = Duration.seconds(5)

    private let pipeline: PipelineAdmin
    private let letters: DeadLetters
    private let logger = Logger(label: "sojourn.pipeline")
    private var current: Task<PipelineStatus, any Error>?
    private var next: Task<PipelineStatus, any Error>?

    /// A watch over the store's pipeline; nil where it has none. It does nothing before it is asked.
    init?(_ settings: Settings, over store: OpenStore) throws {
        guard settings.hasPipeline, let postgres = store.postgres else { return nil }
        var topics = settings.kafka.topics
        topics.kafka.requestTimeout = Self.patience
        // Of an outage librdkafka would tell by the half minute, and by the broker.
        var quiet = logger
        quiet.logLevel = .critical
        pipeline = PipelineAdmin(topics, store: postgres, logger: quiet)
        letters = try store.sessions.deadLetters
    }

    /// Keeps the gauges fresh until graceful shutdown, while the brokers and the database answer. One log line tells that
    /// they do not and one that they do again.
    func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            var isFailing = false
            repeat {
                do {
                    _ = try await status()
                    if isFailing { logger.info("how far the pipeline is can be seen again") }
                    isFailing = false
                } catch {
                    guard !Task.isCancelled else { return }
                    Counter(label: "sojourn.pipeline.watch.failures").increment()
                    if !isFailing {
                        logger.warning(
                            "how far the pipeline is cannot be seen",
                            metadata: ["reason": "\(String(reflecting: error))"])
                    }
                    isFailing = true
                }
            } while (try? await Task.sleep(for: Self.interval)) != nil
        }
    }

    /// How far the pipeline is, also written to the gauges.
    ///
    /// - Throws: `storeUnavailable` where the brokers do not answer; what the store throws.
    func status() async throws -> PipelineStatus {
        if let next { return try await next.value }
        let task = Task { [current] in
            _ = await current?.result
            return try await look()
        }
        next = task
        return try await task.value
    }

    private func look() async throws -> PipelineStatus {
        // Whoever asks from here on may know of more than this look sees.
        (current, next) = (next, nil)
        let status: PipelineStatus
        do {
            status = try await pipeline.status(letters)
        } catch let error as KafkaError {
            throw SojournError(
                .storeUnavailable,
                "Kafka's brokers (KAFKA_BROKERS) "
                    + (error.isRetriable ? "cannot be reached now." : "cannot be asked. \(error)"), underlying: error)
        }
        Gauge(label: "sojourn.dead.letters.open").record(status.openDeadLetters)
        for lag in status.partitions {
            Gauge(
                label: "sojourn.pipeline.lag", dimensions: [("topic", lag.topic), ("partition", "\(lag.partition)")]
            ).record(lag.lag)
        }
        return status
    }

    /// Closes what is open to Kafka.
    func close() async {
        await pipeline.shutdown()
    }
}
