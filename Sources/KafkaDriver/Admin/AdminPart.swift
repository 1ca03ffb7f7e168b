// SPDX-License-Identifier: Apache-2.0

internal import CKafka
internal import Foundation

/// Asks the brokers, blocking its thread meanwhile.
final class AdminPart: ClientPart {
    let queue: OpaquePointer
    private let client: OpaquePointer
    private let requestTimeout: Duration

    /// Nothing to be done yet.
    init(_ client: OpaquePointer, requestTimeout: Duration) {
        self.client = client
        self.requestTimeout = requestTimeout
        queue = rd_kafka_queue_get_main(client)
    }

    func handle(_ event: OpaquePointer, _ type: rd_kafka_event_type_t) { rd_kafka_event_destroy(event) }
    func failed(_ error: KafkaError) {}
    func turn() {}
    func beginClosing() {}
    var isDone: Bool { true }

    func end(isLate: Bool) {
        rd_kafka_queue_destroy(queue)
    }
}

extension AdminPart {
    /// See `KafkaAdmin.partitions`. Asks for all topics: a question about one might make it.
    func partitions(of name: String) throws(KafkaError) -> [KafkaPartition] {
        try partitions(of: name, asking: nil) ?? []
    }

    /// The partitions of a topic by the metadata of `topic`, or of all topics; nil where there is no such topic.
    private func partitions(of name: String, asking topic: OpaquePointer?) throws(KafkaError) -> [KafkaPartition]? {
        var answer: UnsafePointer<rd_kafka_metadata>?
        let failure = rd_kafka_metadata(client, topic == nil ? 1 : 0, topic, &answer, requestTimeout.milliseconds)
        guard failure == RD_KAFKA_RESP_ERR_NO_ERROR, let answer else { throw KafkaError(.kafka, failure) }
        defer { rd_kafka_metadata_destroy(answer) }
        let topics = UnsafeBufferPointer(start: answer.pointee.topics, count: Int(answer.pointee.topic_cnt))
        guard let found = topics.first(where: { $0.topic.map { String(cString: $0) } == name }) else { return nil }
        switch found.err {
        case RD_KAFKA_RESP_ERR_NO_ERROR: break
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE: return nil
        default: throw KafkaError(.kafka, found.err, name)
        }
        let partitions = UnsafeBufferPointer(start: found.partitions, count: Int(found.partition_cnt))
        return partitions.map { KafkaPartition(name, Int($0.id)) }.sorted()
    }

    /// See `KafkaAdmin.createTopic`.
    func createTopic(_ name: String, partitions: Int, replicas: Int) throws(KafkaError) -> [KafkaPartition] {
        if let known = try self.partitions(of: name, asking: nil) { return known }
        let refusal = try order(name, partitions: partitions, replicas: replicas)
        let isThere = refusal == nil || refusal?.kafkaCode == Int(RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS.rawValue)
        // A broker that has no such interface may still make a topic that is asked about.
        guard isThere || refusal?.isRetriable == true || refusal?.kafkaCode == Self.unsupported else {
            throw refusal ?? .shutDown()
        }
        guard let topic = rd_kafka_topic_new(client, name, nil) else {
            throw KafkaError(.kafka, rd_kafka_last_error(), name)
        }
        defer { rd_kafka_topic_destroy(topic) }
        let deadline = ContinuousClock.now + requestTimeout
        while true {
            if let found = try self.partitions(of: name, asking: topic), !found.isEmpty { return found }
            guard .now < deadline else { break }
            // The brokers tell each other, and nobody tells us when they have.
            usleep(Self.pause)
        }
        throw refusal ?? KafkaError(.timedOut, "The topic \(name) was made, but no broker knows it yet.")
    }

    /// Between two looks for a new topic, in microseconds.
    private static let pause: UInt32 = 50_000
    private static let unsupported = Int(RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE.rawValue)

    /// Orders a topic; why it was refused, or nil.
    private func order(_ name: String, partitions: Int, replicas: Int) throws(KafkaError) -> KafkaError? {
        var complaint = [CChar](repeating: 0, count: 512)
        guard
            let topic = rd_kafka_NewTopic_new(
                name, Int32(clamping: partitions), Int32(clamping: replicas), &complaint, complaint.count)
        else { throw KafkaError(.invalidArgument, ClientSettings.text(complaint)) }
        let (options, answers) = (
            rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS), rd_kafka_queue_new(client)
        )
        defer {
            rd_kafka_NewTopic_destroy(topic)
            rd_kafka_AdminOptions_destroy(options)
            rd_kafka_queue_destroy(answers)
        }
        let patience = requestTimeout.milliseconds
        rd_kafka_AdminOptions_set_request_timeout(options, patience, &complaint, complaint.count)
        var topics: [OpaquePointer?] = [topic]
        rd_kafka_CreateTopics(client, &topics, 1, options, answers)
        // The options' time is the broker's; ours is a little longer.
        guard let event = rd_kafka_queue_poll(answers, patience + 1000) else {
            return KafkaError(.timedOut, "The brokers have not made the topic \(name) within \(requestTimeout).")
        }
        defer { rd_kafka_event_destroy(event) }
        let failure = rd_kafka_event_error(event)
        guard failure == RD_KAFKA_RESP_ERR_NO_ERROR else {
            return KafkaError(.kafka, failure, rd_kafka_event_error_string(event).map { String(cString: $0) })
        }
        var count = 0
        guard let result = rd_kafka_event_CreateTopics_result(event),
            let results = rd_kafka_CreateTopics_result_topics(result, &count), count == 1, let one = results[0]
        else { return KafkaError(.timedOut, "The brokers did not say whether they made the topic \(name).") }
        let code = rd_kafka_topic_result_error(one)
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        return KafkaError(.kafka, code, rd_kafka_topic_result_error_string(one).map { String(cString: $0) })
    }

    /// See `KafkaAdmin.offsets(of:)`.
    func offsets(of partitions: [KafkaPartition]) throws(KafkaError) -> [KafkaPartition: Range<Int64>] {
        var offsets: [KafkaPartition: Range<Int64>] = [:]
        let deadline = ContinuousClock.now + requestTimeout
        for partition in partitions {
            guard .now < deadline else { throw KafkaError(.timedOut, "The brokers did not tell all offsets in time.") }
            var (low, high): (Int64, Int64) = (0, 0)
            let failure = rd_kafka_query_watermark_offsets(
                client, partition.topic, Int32(clamping: partition.number), &low, &high, requestTimeout.milliseconds)
            guard failure == RD_KAFKA_RESP_ERR_NO_ERROR else {
                throw KafkaError(.kafka, failure, "\(partition)")
            }
            offsets[partition] = low..<max(low, high)
        }
        return offsets
    }

    /// See `KafkaAdmin.offsets(of:since:)`.
    func offsets(of partitions: [KafkaPartition], since time: Date) throws(KafkaError) -> [KafkaPartition: KafkaOffset]
    {
        guard let milliseconds = Int64(exactly: (time.timeIntervalSince1970 * 1000).rounded(.up)), milliseconds >= 0
        else {
            throw KafkaError(.invalidArgument, "Kafka knows no times before 1970.")
        }
        let list = PartitionList(partitions.map { (key: $0, value: milliseconds) })
        let failure = list.lend { rd_kafka_offsets_for_times(client, $0, requestTimeout.milliseconds) }
        guard failure == RD_KAFKA_RESP_ERR_NO_ERROR else { throw KafkaError(.kafka, failure) }
        var offsets: [KafkaPartition: KafkaOffset] = [:]
        for entry in list.entries {
            guard entry.failure == RD_KAFKA_RESP_ERR_NO_ERROR else {
                throw KafkaError(.kafka, entry.failure, "\(entry.partition)")
            }
            offsets[entry.partition] = entry.offset >= 0 ? .at(entry.offset) : .end
        }
        return offsets
    }
}
