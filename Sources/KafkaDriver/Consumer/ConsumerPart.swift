// SPDX-License-Identifier: Apache-2.0

internal import CKafka
internal import DequeModule
internal import DriverSupport
internal import Logging
internal import Metrics

/// Serves a consumer: carries out what `Assignment` decides, and reads when the owner asks.
///
/// Messages have a queue of their own, which is looked into only when the owner asks: what librdkafka has read ahead stays
/// there, bounded, while the other queue brings the group's news at any time.
final class ConsumerPart: ClientPart {
    /// The owner, waiting.
    typealias Ask = CheckedContinuation<Result<KafkaConsumer.Event?, KafkaError>, Never>

    let queue: OpaquePointer
    private let client: OpaquePointer
    private let reporter: Reporter
    private let requestTimeout: Duration
    private let reader: BatchReader
    private var assignment = Assignment()
    private var tenures: [KafkaPartition: Tenure] = [:]
    private var generation = 0
    private var ask: (id: Int, continuation: Ask)?
    /// The ask that was given up last; it may be the next one to come.
    private var withdrawn = 0
    /// Failures that the owner has to be told of.
    private var failures: Deque<KafkaError> = []
    private var fatal: KafkaError?
    private var commits: [Int: CheckedContinuation<Result<Bool, KafkaError>, Never>] = [:]
    private var nextCommit = 1
    private var isClosing = false
    private var isCloseRefused = false
    private var hasGivenUpAll = false
    private let isCooperative: Bool
    private var wasToldShare = false

    /// Joins the group.
    init(
        _ client: OpaquePointer, _ settings: KafkaConsumer.Settings, _ requestTimeout: Duration, _ bell: Bell,
        _ reporter: Reporter
    ) throws(KafkaError) {
        let failure = rd_kafka_poll_set_consumer(client)
        guard failure == RD_KAFKA_RESP_ERR_NO_ERROR, let queue = rd_kafka_queue_get_consumer(client) else {
            throw KafkaError(.kafka, failure)
        }
        self.client = client
        self.queue = queue
        self.reporter = reporter
        self.requestTimeout = requestTimeout
        let refusal = PartitionList(settings.topics.map { KafkaPartition($0, -1) }).lend {
            rd_kafka_subscribe(client, $0)
        }
        guard refusal == RD_KAFKA_RESP_ERR_NO_ERROR else {
            rd_kafka_queue_destroy(queue)
            throw KafkaError(.kafka, refusal)
        }
        isCooperative = settings.strategy == .cooperative
        reader = BatchReader(client, messagesMax: settings.messagesMax, bell)
    }

    func handle(_ event: OpaquePointer, _ type: rd_kafka_event_type_t) {
        defer { rd_kafka_event_destroy(event) }
        switch type {
        case RD_KAFKA_EVENT_REBALANCE: rebalance(event)
        case RD_KAFKA_EVENT_OFFSET_COMMIT: committed(event)
        default: break
        }
    }

    func failed(_ error: KafkaError) {
        if error.isFatal { fatal = error } else { failures.append(error) }
    }

    func turn() {
        guard ask != nil else { return }
        if let fatal { return answer(.failure(fatal)) }
        if let failure = failures.popFirst() { return answer(.failure(failure)) }
        if let news = assignment.news() { return answer(.success(news)) }
        let batches = reader.read(tenures) { [self] error in
            if let lasting = reporter.note(error) { failures.append(lasting) }
        }
        if !batches.isEmpty { return answer(.success(.messages(batches))) }
        if let failure = failures.popFirst() { answer(.failure(failure)) }
    }

    func beginClosing() {
        isClosing = true
        for tenure in tenures.values { tenure.end() }
        answer(.success(nil))
        // librdkafka does not wait for an eager member's step. A cooperative one's gain has to be taken before, even if nothing
        // of it, as any step is a giving up afterwards; a loss is given up afterwards, as another gain would follow.
        let owed = isCooperative ? assignment.owed : nil
        if case .take = owed { take([:]) }
        if let error = rd_kafka_consumer_close_queue(client, queue) {
            note(KafkaError(consuming: error))
            isCloseRefused = true
        } else if case .giveUp = owed {
            giveUpAll()
        }
    }

    /// The only step while closing. There may be nobody for another: such a call would wait for ever.
    private func giveUpAll() {
        guard !hasGivenUpAll, !isDone else { return }
        hasGivenUpAll = true
        note(rd_kafka_assign(client, nil))
    }

    private var hasLeft: Bool { rd_kafka_consumer_closed(client) != 0 }

    /// After a fatal error librdkafka does not even begin to leave.
    var isDone: Bool { hasLeft || isCloseRefused }

    func end(isLate: Bool) {
        if isLate { reporter.logger.warning("Kafka was not told in time that a consumer has left its group") }
        for continuation in commits.values { continuation.resume(returning: .failure(.shutDown())) }
        reader.end()
        queue.silence()
        rd_kafka_queue_destroy(queue)
    }

    /// To free a member that has not left its group in time would wait until it has. And before 2.3, librdkafka aborts the
    /// process when it frees a cooperative member that was never told its share (confluentinc/librdkafka#4312). Such a client
    /// ends its threads and sockets by itself, once it has left; its memory, some 65 KiB, is lost.
    var canBeFreed: Bool {
        hasLeft && (wasToldShare || !isCooperative || rd_kafka_version() >= 0x0203_0000)
    }

    private func note(_ error: KafkaError) {
        if let lasting = reporter.note(error) { failed(lasting) }
    }

    private func note(_ failure: rd_kafka_resp_err_t) {
        if failure != RD_KAFKA_RESP_ERR_NO_ERROR { note(KafkaError(.kafka, failure)) }
    }
}

// MARK: - For the owner

extension ConsumerPart {
    /// The owner asks for what is next, and is done with what it was told before.
    func ask(_ id: Int, _ continuation: Ask) {
        guard ask == nil else {
            return continuation.resume(
                returning: .failure(KafkaError(.invalidArgument, "Another task waits for this consumer already.")))
        }
        guard id != withdrawn else { return continuation.resume(returning: .failure(.cancelled())) }
        ask = (id, continuation)
        switch assignment.acknowledged() {
        case .take(let offsets): take(offsets)
        case .giveUp(let partitions): giveUp(partitions)
        case nil: break
        }
    }

    /// The owner gives up asking, unless it has been answered; the ask itself may still be on its way.
    func withdraw(_ id: Int) {
        withdrawn = id
        if ask?.id == id { answer(.failure(.cancelled())) }
    }

    private func answer(_ result: Result<KafkaConsumer.Event?, KafkaError>) {
        ask.take()?.continuation.resume(returning: result)
    }

    /// See `KafkaConsumer.seek`.
    func seek(to offsets: [KafkaPartition: KafkaOffset]) throws(KafkaError) {
        var moved: [(key: KafkaPartition, value: Int64)] = []
        for (partition, offset) in offsets where !assignment.start(partition, at: offset) {
            if isHeld(partition) { moved.append((partition, offset.number)) }
        }
        guard !moved.isEmpty else { return }
        let list = PartitionList(moved)
        let timeout = Self.seekTimeout(requestTimeout, version: rd_kafka_version())
        let error = list.lend { rd_kafka_seek_partitions(client, $0, timeout) }
        // After a failure, too: what took too long may happen all the same.
        for entry in list.entries {
            tenures[entry.partition]?.end()
            begin(entry.partition)
        }
        if let error { throw KafkaError(consuming: error) }
        for entry in list.entries where entry.failure != RD_KAFKA_RESP_ERR_NO_ERROR {
            throw KafkaError(.kafka, entry.failure, "\(entry.partition)")
        }
    }

    /// What librdkafka is to be told: before 2.1 it takes milliseconds for microseconds (confluentinc/librdkafka#4230).
    static func seekTimeout(_ timeout: Duration, version: Int32) -> Int32 {
        version < 0x0201_0000 ? Int32(clamping: Int64(timeout.milliseconds) * 1000) : timeout.milliseconds
    }

    private func isHeld(_ partition: KafkaPartition) -> Bool { tenures[partition]?.isOn == true }

    /// See `KafkaConsumer.pause` and `resume`.
    func pause(_ partitions: [KafkaPartition], _ isPaused: Bool) throws(KafkaError) {
        let list = PartitionList(partitions.filter(isHeld))
        let failure = list.lend {
            isPaused ? rd_kafka_pause_partitions(client, $0) : rd_kafka_resume_partitions(client, $0)
        }
        guard failure == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(.kafka, failure) }
        for entry in list.entries where entry.failure != RD_KAFKA_RESP_ERR_NO_ERROR {
            throw KafkaError(.kafka, entry.failure, "\(entry.partition)")
        }
    }
}

// MARK: - Rebalances

extension ConsumerPart {
    private func rebalance(_ event: OpaquePointer) {
        Counter(label: "kafka.rebalances", dimensions: reporter.dimensions).increment()
        let code = rd_kafka_event_error(event)
        let partitions = PartitionList.entries(of: rd_kafka_event_topic_partition_list(event)).map(\.partition)
        reporter.logger.debug(
            "the group is divided anew", metadata: ["kind": "\(code.rawValue)", "partitions": "\(partitions)"])
        if code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            wasToldShare = true
            // One that closing has overtaken is followed by a loss; an empty one is not, and the end is late.
            if !isClosing { assignment.gained(partitions) }
            return
        }
        guard !isClosing else { return giveUpAll() }
        for partition in partitions { tenures[partition]?.end() }
        let isLost = code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS || rd_kafka_assignment_lost(client) != 0
        if isLost { giveUp(partitions) }
        assignment.lost(partitions, isLost: isLost)
    }

    private func take(_ offsets: [KafkaPartition: KafkaOffset]) {
        for partition in offsets.keys {
            reader.attach(partition)
            begin(partition)
        }
        let list = PartitionList(offsets.mapValues(\.number))
        if isCooperative {
            let error = list.lend { rd_kafka_incremental_assign(client, $0) }
            if let error { note(KafkaError(consuming: error)) }
        } else {
            note(list.lend { rd_kafka_assign(client, $0) })
        }
    }

    private func giveUp(_ partitions: [KafkaPartition]) {
        for partition in partitions { tenures.removeValue(forKey: partition)?.end() }
        if isCooperative {
            let error = PartitionList(partitions).lend { rd_kafka_incremental_unassign(client, $0) }
            if let error { note(KafkaError(consuming: error)) }
        } else {
            for tenure in tenures.values { tenure.end() }
            tenures = [:]
            note(rd_kafka_assign(client, nil))
        }
    }

    private func begin(_ partition: KafkaPartition) {
        generation += 1
        tenures[partition] = Tenure(generation: generation)
    }
}

// MARK: - Commits

extension ConsumerPart {
    /// See `KafkaConsumer.commit`.
    func commit(
        _ offsets: [KafkaPartition: Int64], _ continuation: CheckedContinuation<Result<Bool, KafkaError>, Never>
    ) {
        let id = nextCommit
        nextCommit += 1
        let failure = PartitionList(offsets).lend {
            rd_kafka_commit_queue(client, $0, queue, nil, UnsafeMutableRawPointer(bitPattern: id))
        }
        guard failure == RD_KAFKA_RESP_ERR_NO_ERROR else {
            return continuation.resume(returning: Self.outcome([failure]))
        }
        commits[id] = continuation
    }

    private func committed(_ event: OpaquePointer) {
        let id = Int(bitPattern: rd_kafka_event_opaque(event))
        let list = PartitionList.entries(of: rd_kafka_event_topic_partition_list(event))
        commits.removeValue(forKey: id)?.resume(
            returning: Self.outcome([rd_kafka_event_error(event)] + list.map(\.failure)))
    }

    /// What the codes of a commit and of its partitions come to.
    static func outcome(_ codes: [rd_kafka_resp_err_t]) -> Result<Bool, KafkaError> {
        let failures = codes.filter { $0 != RD_KAFKA_RESP_ERR_NO_ERROR && $0 != RD_KAFKA_RESP_ERR__NO_OFFSET }
        // The group is on its way to another division, in which somebody will commit anew.
        let passing = [
            RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
            RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS,
        ]
        if let failure = failures.first(where: { !passing.contains($0) }) {
            return .failure(KafkaError(.kafka, failure))
        }
        return .success(failures.isEmpty)
    }
}
