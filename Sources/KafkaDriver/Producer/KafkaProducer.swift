// SPDX-License-Identifier: Apache-2.0

internal import CKafka
internal import DriverSupport
public import Logging
public import ServiceLifecycle

/// Writes records to Kafka, idempotently: a record that the producer sends again by itself is there once, and the records
/// of a partition keep their order. A record counts as delivered once all replicas in sync have it.
///
/// - **Back-pressure.** Records wait in a queue with a bound. Where it is full, callers wait for room.
/// - **Answers.** Each record is delivered, or given up with a reason, at the latest when `deliveryTimeout` is over.
/// - **Order.** Records that one task hands over one after the other keep their order within their partition.
///
/// Nothing starts in `init`. Run it in a service group for an orderly end, or call `shutdown()`.
public final class KafkaProducer: Sendable {
    /// What only producers have.
    public struct Settings: Sendable {
        /// Most time from handing a record over to knowing what became of it. Default: 30 s.
        public var deliveryTimeout = Duration.seconds(30)
        /// How long a record waits for others to share its request. Default: 1 ms.
        public var linger = Duration.milliseconds(1)
        /// Most records that wait or are under way. Default: 100,000.
        public var queueMessagesMax = 100_000
        /// Most bytes of them, rounded up to 1024. Default: 64 MiB.
        public var queueBytesMax = 64 << 20

        /// The defaults.
        public init() {}

        /// Why they cannot work, or nil.
        fileprivate var mistake: KafkaError? {
            guard deliveryTimeout > .zero, linger >= .zero, queueMessagesMax >= 1, queueBytesMax >= 1 else {
                return KafkaError(
                    .configuration,
                    "deliveryTimeout, queueMessagesMax and queueBytesMax must be more than nothing, linger not less.")
            }
            return nil
        }
    }

    let desk: ProducerDesk
    private let engine: Engine<ProducerPart>

    /// A producer that starts when it is first used. A configuration that cannot work fails the first use.
    public init(_ configuration: KafkaConfiguration, _ settings: Settings = Settings(), logger: Logger) {
        let properties = [
            ("enable.idempotence", "true"), ("acks", "all"),
            ("message.timeout.ms", "\(settings.deliveryTimeout.milliseconds)"),
            ("linger.ms", "\(settings.linger.milliseconds)"),
            ("queue.buffering.max.messages", "\(settings.queueMessagesMax)"),
            ("queue.buffering.max.kbytes", "\(settings.queueBytesMax.kilobytes)"),
        ]
        let desk = ProducerDesk(kilobytesMax: settings.queueBytesMax.kilobytes)
        self.desk = desk
        engine = Engine(
            "kafka-producer",
            ClientSettings(
                configuration: configuration, kind: RD_KAFKA_PRODUCER, properties: properties,
                mistake: settings.mistake),
            logger: logger
        ) { client, _, reporter in ProducerPart(client, desk, reporter) }
    }

    deinit {
        close()
    }

    /// Ends the producer: no more records are taken, those that were are delivered within the configuration's
    /// `shutdownTimeout`, and what is left then is given up. Returns at once.
    public func close() {
        engine.close()
    }

    /// Closes the producer and returns when that is done.
    public func shutdown() async {
        close()
        await engine.ended()
    }
}

extension KafkaProducer: Service {
    /// Waits for the service group's graceful shutdown or for cancellation, then closes the producer, and returns when
    /// that is done. The producer does not need it to be running.
    public func run() async throws {
        try? await gracefulShutdown()
        await shutdown()
    }
}

extension KafkaProducer {
    /// Writes a record and waits until it is delivered.
    ///
    /// Many tasks that do so share requests; a single one pays a round trip and `linger` for each record, for which there is
    /// `enqueue`.
    ///
    /// - Throws: `.undelivered` with the reason and with what is known of the effect. Where the task is cancelled meanwhile,
    ///   the record may be delivered all the same.
    public func send(_ record: KafkaRecord) async throws(KafkaError) -> KafkaPosition {
        let ledger = KafkaLedger()
        try await enqueue(record, in: ledger)
        do throws(KafkaError) {
            try await ledger.settled()
        } catch {
            var error = error
            if error.code == .cancelled { error.outcome = .unknown }
            throw error
        }
        let (partition, offset) = ledger.last
        return KafkaPosition(
            partition: KafkaPartition(record.topic, Int(partition)), offset: offset >= 0 ? offset : nil)
    }

    /// Hands a record over, as below.
    public func enqueue(_ record: KafkaRecord, in ledger: KafkaLedger) async throws(KafkaError) {
        try await enqueue([record], in: ledger)
    }

    /// Hands records over in their order, waiting only where the queue is full. What becomes of them is counted in `ledger`.
    ///
    /// - Throws: Why a record is not taken; then the ledger knows of those before it, and of none after.
    public func enqueue(_ records: [KafkaRecord], in ledger: KafkaLedger) async throws(KafkaError) {
        var rest = records[...]
        while !rest.isEmpty {
            let round = desk.room.round
            let (taken, attempt) = desk.produce(rest, ledger)
            rest = rest.dropFirst(taken)
            switch attempt {
            case .taken: return
            case .refused(let error): throw error
            case .full: try await desk.room.wait(past: round)
            case .notStarted: try await engine.call { _ in }
            }
        }
    }

    /// Waits until nothing is under way any more.
    public func flush() async throws(KafkaError) {
        while true {
            let round = desk.room.round
            guard desk.underWay.value > 0 else { return }
            try await desk.room.wait(past: round)
        }
    }
}
