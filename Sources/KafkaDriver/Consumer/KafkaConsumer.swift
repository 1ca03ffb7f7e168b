// SPDX-License-Identifier: Apache-2.0

internal import CKafka
public import Logging
public import ServiceLifecycle
internal import Synchronization

/// Reads the partitions that its group gives it. One task, the owner, asks for what is next, deals with it, and asks again:
///
/// ```swift
/// while let event = try await consumer.next() {
///     switch event {
///     case .assigned(let partitions): try await consumer.seek(to: storedOffsets(of: partitions))
///     case .messages(let batches): try await store(batches.filter(\.isCurrent))
///     case .revoked: break
///     }
/// }
/// ```
///
/// - **Rebalances** wait for the owner: partitions are read once the owner asks again after `.assigned`, and given up once
///   it asks again after `.revoked`. Batches of a revoked partition are stale from the moment at which the group asks for
///   it, and nothing more is read from it. An owner that does not ask for longer than the property
///   `max.poll.interval.ms` may be taken for dead by the group while a rebalance is on; then the partitions are lost.
/// - **Offsets.** The owner says where to begin. `commit` tells Kafka, for those who watch there; with offsets kept
///   elsewhere nothing rests on it.
/// - **Outages** pass by themselves; what does not is thrown by `next`. After a fatal error the consumer is of no use.
///
/// Nothing starts in `init`: the group is joined when the owner asks for the first time. Run it in a service group for an
/// orderly end, or call `shutdown()`.
public final class KafkaConsumer: Sendable {
    /// What is next.
    public enum Event: Sendable {
        /// The group gives these partitions. Unless `seek` is called before `next` is called again, they are read from
        /// `.committed` on.
        case assigned([KafkaPartition])
        /// Messages, a batch for each partition that has some.
        case messages([KafkaBatch])
        /// The group takes these partitions; where they are lost, somebody else may read them already.
        case revoked([KafkaPartition], isLost: Bool)
    }

    /// What only consumers have.
    public struct Settings: Sendable {
        /// How a group divides the partitions. All members need the same.
        public enum Strategy: String, Sendable, Hashable {
            /// Everybody gives up everything at each rebalance.
            case eager = "range,roundrobin"
            /// Only what moves is given up.
            case cooperative = "cooperative-sticky"
        }

        /// Where to begin where nothing is known, or what is known is not kept any more.
        public enum Fallback: String, Sendable, Hashable {
            /// At the oldest message.
            case beginning = "earliest"
            /// Behind the newest message.
            case end = "latest"
            /// Nowhere: `next` throws.
            case failure = "error"
        }

        /// The group that shares the partitions.
        public var group: String
        /// What is read.
        public var topics: [String]
        /// How the group divides it. Default: cooperative.
        public var strategy = Strategy.cooperative
        /// Where to begin where nothing is known. Default: at the beginning.
        public var fallback = Fallback.beginning
        /// Most messages that `next` brings. Default: 1000.
        public var messagesMax = 1000
        /// After this long without a word from the consumer the group divides its partitions among the others.
        /// Default: 45 s.
        public var sessionTimeout = Duration.seconds(45)
        /// Most bytes that are read ahead, rounded up to 1024. librdkafka 2.0 rests for a second when they are there, so that
        /// it should be more than what is dealt with in a second. Default: 64 MiB.
        public var prefetchBytesMax = 64 << 20

        /// Reads `topics` as one of `group`.
        public init(group: String, topics: [String]) {
            self.group = group
            self.topics = topics
        }

        /// Why they cannot work, or nil.
        fileprivate var mistake: KafkaError? {
            guard !group.isEmpty, !topics.isEmpty, !topics.contains(where: \.isEmpty) else {
                return KafkaError(.configuration, "A Kafka consumer needs a group and at least one topic.")
            }
            guard messagesMax >= 1, prefetchBytesMax >= 1, sessionTimeout > .zero else {
                return KafkaError(
                    .configuration, "messagesMax, prefetchBytesMax and sessionTimeout must be more than nothing.")
            }
            return nil
        }
    }

    private let engine: Engine<ConsumerPart>
    private let nextAsk = Atomic<Int>(0)

    /// A consumer that joins its group when it is first asked. A configuration that cannot work fails that.
    public init(_ configuration: KafkaConfiguration, _ settings: Settings, logger: Logger) {
        let properties = [
            ("group.id", settings.group), ("partition.assignment.strategy", settings.strategy.rawValue),
            ("auto.offset.reset", settings.fallback.rawValue), ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"), ("enable.partition.eof", "false"),
            ("session.timeout.ms", "\(settings.sessionTimeout.milliseconds)"),
            ("queued.max.messages.kbytes", "\(settings.prefetchBytesMax.kilobytes)"),
            // The bytes are the bound: librdkafka's 100,000 messages are soon there, and it rests for a second then, too.
            ("queued.min.messages", "1000000"),
        ]
        engine = Engine(
            "kafka-consumer",
            ClientSettings(
                configuration: configuration, kind: RD_KAFKA_CONSUMER, properties: properties,
                mistake: settings.mistake),
            logger: logger
        ) { client, bell, reporter throws(KafkaError) in
            try ConsumerPart(client, settings, configuration.requestTimeout, bell, reporter)
        }
    }

    deinit {
        close()
    }

    /// Ends the consumer: what was read is stale, `next` returns nil, and the group is left, for which it has the
    /// configuration's `shutdownTimeout`. Returns at once.
    public func close() {
        engine.close()
    }

    /// Closes the consumer and returns when that is done.
    public func shutdown() async {
        close()
        await engine.ended()
    }
}

extension KafkaConsumer: Service {
    /// Waits for the service group's graceful shutdown or for cancellation, then closes the consumer, and returns when
    /// that is done. The consumer does not need it to be running.
    public func run() async throws {
        try? await gracefulShutdown()
        await shutdown()
    }
}

extension KafkaConsumer {
    /// Waits for what is next; nil once the consumer is closed. For one task at a time.
    ///
    /// - Throws: What will not pass by itself, such as a topic that we may not read; `.cancelled` where the task is, and
    ///   then nothing is missed by asking again.
    public func next() async throws(KafkaError) -> Event? {
        let id = nextAsk.add(1, ordering: .relaxed).newValue
        let result: Result<Event?, KafkaError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                engine.submit { part in
                    switch part {
                    case .success(let part): part.ask(id, continuation)
                    case .failure(let error): continuation.resume(returning: .failure(error))
                    }
                }
            }
        } onCancel: {
            engine.submit { part in try? part.get().withdraw(id) }
        }
        if case .failure(let error) = result, error.code == .shutDown { return nil }
        return try result.get()
    }

    /// Reads partitions from somewhere else on: those that were just assigned, before anything is read; or those that are
    /// being read, whose batches so far are stale then. Partitions that the consumer does not hold, or no longer, are left
    /// out: `.revoked` tells of them.
    public func seek(to offsets: [KafkaPartition: KafkaOffset]) async throws(KafkaError) {
        for (partition, offset) in offsets {
            if case .at(..<0) = offset {
                throw KafkaError(.invalidArgument, "\(partition) cannot be read from a negative offset on.")
            }
        }
        try await unlessClosed { part throws(KafkaError) in try part.seek(to: offsets) }
    }

    /// Reads nothing more from these partitions until `resume`, or until they are given again. What was read ahead is
    /// kept for later. Partitions that the consumer does not hold are left out.
    public func pause(_ partitions: [KafkaPartition]) async throws(KafkaError) {
        try await unlessClosed { part throws(KafkaError) in try part.pause(partitions, true) }
    }

    /// Reads on from partitions that were paused. Those that the consumer does not hold are left out.
    public func resume(_ partitions: [KafkaPartition]) async throws(KafkaError) {
        try await unlessClosed { part throws(KafkaError) in try part.pause(partitions, false) }
    }

    /// Has something done on the thread. A consumer that is closed holds no partition of which anything could be asked, and
    /// its owner learns of it from `next`.
    private func unlessClosed(
        _ body: @escaping @Sendable (ConsumerPart) throws(KafkaError) -> Void
    ) async throws(KafkaError) {
        do throws(KafkaError) { try await engine.call(body) } catch  where error.code == .shutDown {}
    }

    /// Tells Kafka how far the group is: by partition, the offset of the next message.
    ///
    /// - Returns: Whether Kafka took it: not while the group is being divided anew, or where it has been, nor from a consumer
    ///   that is closed.
    /// - Throws: Where it failed for another reason.
    @discardableResult
    public func commit(_ offsets: [KafkaPartition: Int64]) async throws(KafkaError) -> Bool {
        for (partition, offset) in offsets where offset < 0 {
            throw KafkaError(.invalidArgument, "The offset \(offset) of \(partition) is negative.")
        }
        guard !offsets.isEmpty else { return true }
        let result: Result<Bool, KafkaError> = await withCheckedContinuation { continuation in
            engine.submit { part in
                switch part {
                case .success(let part): part.commit(offsets, continuation)
                case .failure(let error): continuation.resume(returning: .failure(error))
                }
            }
        }
        if case .failure(let error) = result, error.code == .shutDown { return false }
        return try result.get()
    }
}
