// SPDX-License-Identifier: Apache-2.0

internal import KafkaDriver
internal import Logging
internal import ServiceLifecycle
public import Sojourn
internal import SojournKafka
internal import SojournPostgres
internal import Synchronization
internal import UnixSignals

/// The pipeline from Kafka into the database that the settings name (K1 to K4), for the commands beside the server.
public struct OpenPipeline: Sendable {
    private let open: OpenStore
    private let store: PostgresStore
    private let topics: PipelineTopics
    private let pipeline: PipelineAdmin
    private let logger: Logger

    /// Opens the database; Kafka is asked where it is needed. Sets up the process's logs, so it can be called once in a process.
    ///
    /// - Throws: `SojournError` with code `notAvailable` but on PostgreSQL; what the store throws on opening.
    public init(_ settings: Settings) async throws {
        settings.beginLogging()
        guard case .postgres = settings.database,
            case let open = try await OpenStore(settings, for: .using), let store = open.postgres
        else {
            throw SojournError(.notAvailable, "The pipeline writes into PostgreSQL: name it in DATABASE_URL.")
        }
        self.open = open
        self.store = store
        topics = settings.kafka.topics
        logger = Logger(label: "sojourn.pipeline")
        pipeline = PipelineAdmin(topics, store: store, logger: logger)
    }

    /// The façade over the same database.
    public var sessions: Sessions { open.sessions }

    /// Closes what is open to Kafka, and the database.
    public func close() async throws {
        await pipeline.shutdown()
        try await open.close()
    }

    /// The pipeline, where there are brokers to ask.
    private func brokered() throws -> PipelineAdmin {
        guard !topics.kafka.brokers.isEmpty else {
            throw SojournError(.invalidInput, "Expected Kafka's brokers, as in host:9092.", field: "KAFKA_BROKERS")
        }
        return pipeline
    }

    /// How far the group is, by partition; nothing where there is no topic.
    public func lags() async throws -> [PartitionLag] { try await brokered().lags() }

    /// How far the group is, and what could not be written.
    public func status() async throws -> PipelineStatus {
        try await brokered().status(try sessions.deadLetters)
    }

    /// Sets where the group goes on, in all partitions of a topic, by default that of orders, and returns that by partition.
    ///
    /// - Throws: `invalidInput` where the group does not read that topic.
    public func rewind(_ topic: String?, to place: StreamPlace) async throws -> [Int: Int64] {
        try await brokered().rewind(topic ?? topics.orders, to: place)
    }

    /// Makes orders of random users for random products until `count` are delivered, or until SIGTERM or SIGINT, and returns
    /// how many were.
    ///
    /// - Parameter rate: orders a second; nil for as many as the brokers take.
    /// - Parameter progress: told how many orders were handed over.
    public func produce(
        _ count: Int?, rate: Int?, progress: @escaping @Sendable (Int) -> Void
    ) async throws -> Int {
        try await brokered().createTopics()
        let reader = try RetailReader(sessions: open.sessions, logger: logger)
        let producing = Producing { [topics, logger] in
            try await OrderProducer(topics, logger: logger).produce(
                count, rate: rate,
                pick: {
                    let rows = try await reader.sample(users: 1000, products: 1000)
                    return (rows.users, rows.products)
                }, progress: progress)
        }
        try await run([.init(service: producing, successTerminationBehavior: .gracefullyShutdownGroup)])
        return producing.delivered
    }

    /// Writes orders, and where the settings say so entries of the journal, into the database by so many consumers, until SIGTERM
    /// or SIGINT, or until nothing is left.
    ///
    /// - Parameter begin: where the group is, as `lags` says.
    /// - Parameter isFinite: whether to end once the group has come to the end of every partition.
    /// - Parameter progress: told, every half second, by how many messages the group has moved since, by whomever.
    /// - Parameter unseen: told once, where the brokers have not said for half a minute how far the group is, why not.
    public func consume(
        workers: Int, from begin: [PartitionLag], isFinite: Bool, progress: @escaping @Sendable (Int) -> Void,
        unseen: @escaping @Sendable (any Error) -> Void
    ) async throws {
        let pipeline = try brokered()
        try await pipeline.createTopics()
        await pipeline.createLetterTopics()
        let watch = LagWatch(
            pipeline: pipeline, begin: begin, isFinite: isFinite, progress: progress, unseen: unseen)
        let consumers = (0..<workers).map { number in
            var logger = logger
            logger[metadataKey: "worker"] = "\(number)"
            return PipelineConsumer(topics, into: store, logger: logger)
        }
        try await run(
            consumers.map { .init(service: $0) }
                + [
                    .init(service: DeadLetterAnnouncer(topics, store: store, logger: logger)),
                    .init(service: watch, successTerminationBehavior: .gracefullyShutdownGroup),
                ])
    }

    private func run(_ services: [ServiceGroupConfiguration.ServiceConfiguration]) async throws {
        var group = ServiceGroupConfiguration(
            services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        // What is not done by then is done again: a step is taken or it is not.
        group.maximumGracefulShutdownDuration = .seconds(30)
        try await ServiceGroup(configuration: group).run()
    }
}

/// What a producer delivered, as a service: it stops handing over at the group's graceful shutdown.
private final class Producing: Service {
    private let body: @Sendable () async throws -> Int
    private let count = Atomic(0)

    var delivered: Int { count.load(ordering: .relaxed) }

    init(_ body: @escaping @Sendable () async throws -> Int) {
        self.body = body
    }

    func run() async throws {
        try await cancelWhenGracefulShutdown { [self] in
            count.store(try await body(), ordering: .relaxed)
        }
    }
}

/// Looks how far the group has moved, and whether anything is left.
private struct LagWatch: Service {
    let pipeline: PipelineAdmin
    /// Where the group was.
    let begin: [PartitionLag]
    let isFinite: Bool
    let progress: @Sendable (Int) -> Void
    let unseen: @Sendable (any Error) -> Void
    private static let patience = Duration.seconds(30)

    func run() async throws {
        await cancelWhenGracefulShutdown {
            var begin = Dictionary(begin.map { ($0.place, $0.position) }) { $1 }
            var (seenAt, isToldOf) = (ContinuousClock.now, false)
            repeat {
                let lags: [PartitionLag]
                do {
                    lags = try await pipeline.allLags()
                } catch {
                    if !isToldOf, !Task.isCancelled, seenAt.duration(to: .now) > Self.patience {
                        isToldOf = true
                        unseen(error)
                    }
                    continue
                }
                seenAt = .now
                let moved = lags.map { lag in
                    // A partition that was not known began where it is seen first.
                    let first = begin[lag.place, default: lag.position]
                    begin[lag.place] = first
                    return lag.position - first
                }
                progress(Int(max(0, moved.reduce(0, +))))
                if isFinite, lags.allSatisfy({ $0.lag == 0 }) { return }
            } while (try? await Task.sleep(for: .milliseconds(500))) != nil
        }
    }
}

extension PartitionLag {
    fileprivate var place: KafkaPartition { KafkaPartition(topic, partition) }
}

extension Settings {
    /// Whether there is a Kafka to read from and a database to write into.
    public var hasPipeline: Bool {
        if case .postgres = database { !kafka.brokers.isEmpty } else { false }
    }
}
