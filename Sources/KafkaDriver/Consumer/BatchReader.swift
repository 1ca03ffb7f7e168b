// SPDX-License-Identifier: Apache-2.0

internal import CKafka
internal import DriverSupport
internal import Foundation

/// Reads messages from a queue of librdkafka's, of all partitions together, and parts them.
final class BatchReader {
    /// Messages of one partition among those that were read.
    private struct Part {
        let topic: OpaquePointer?
        let number: Int32
        var indices: [Int] = []
        var byteCount = 0
    }

    private let client: OpaquePointer
    private let queue: OpaquePointer
    private let read: UnsafeMutableBufferPointer<UnsafeMutablePointer<rd_kafka_message_t>?>

    /// A reader with a queue that rings `bell`.
    init(_ client: OpaquePointer, messagesMax: Int, _ bell: Bell) {
        self.client = client
        queue = rd_kafka_queue_new(client)
        read = .allocate(capacity: messagesMax)
        read.initialize(repeating: nil)
        queue.ring(bell)
    }

    /// Frees all. Not in `deinit`, as it has to happen before the client's end.
    func end() {
        read.deallocate()
        queue.silence()
        rd_kafka_queue_destroy(queue)
    }

    /// Has messages of `partition` come through this queue. librdkafka remembers that for partitions whose queue was
    /// forwarded before they were assigned.
    func attach(_ partition: KafkaPartition) {
        guard let own = rd_kafka_queue_get_partition(client, partition.topic, Int32(clamping: partition.number)) else {
            return
        }
        rd_kafka_queue_forward(own, queue)
        rd_kafka_queue_destroy(own)
    }

    /// What has come of the partitions that `tenures` names as held; the rest is dropped. Nothing where nothing has come.
    ///
    /// - Parameter complain: Is told of failures that came in the place of messages.
    func read(_ tenures: [KafkaPartition: Tenure], complain: (KafkaError) -> Void) -> [KafkaBatch] {
        while true {
            let count = rd_kafka_consume_batch_queue(queue, 0, read.baseAddress, read.count)
            guard count > 0 else { return [] }
            defer { for message in read[..<count] { rd_kafka_message_destroy(message) } }
            let batches = part(count, complain).compactMap { batch($0, tenures) }
            if !batches.isEmpty { return batches }
        }
    }

    private func part(_ count: Int, _ complain: (KafkaError) -> Void) -> [Part] {
        var parts: [Part] = []
        var current = 0
        for index in 0..<count {
            guard let message = read[index]?.pointee else { continue }
            guard message.err == RD_KAFKA_RESP_ERR_NO_ERROR else {
                complain(KafkaError(.kafka, message.err, Self.complaint(message)))
                continue
            }
            // They come partition by partition, so that the last one is nearly always the right one.
            if !parts.indices.contains(current) || parts[current].topic != message.rkt
                || parts[current].number != message.partition
            {
                current = parts.firstIndex { $0.topic == message.rkt && $0.number == message.partition } ?? parts.count
                if current == parts.count { parts.append(Part(topic: message.rkt, number: message.partition)) }
            }
            parts[current].indices.append(index)
            parts[current].byteCount += message.key_len + message.len
        }
        return parts
    }

    private func batch(_ part: Part, _ tenures: [KafkaPartition: Tenure]) -> KafkaBatch? {
        guard let topic = part.topic, let name = rd_kafka_topic_name(topic) else { return nil }
        let partition = KafkaPartition(String(cString: name), Int(part.number))
        guard let tenure = tenures[partition], tenure.isOn else { return nil }
        let bytes = [UInt8](unsafeUninitializedCapacity: part.byteCount) { buffer, count in
            for index in part.indices {
                guard let message = read[index]?.pointee else { continue }
                count += buffer.append(message.key, message.key_len, at: count)
                count += buffer.append(message.payload, message.len, at: count)
            }
        }
        var start = 0
        var messages: [KafkaMessage] = []
        messages.reserveCapacity(part.indices.count)
        for index in part.indices {
            guard let pointer = read[index] else { continue }
            let message = pointer.pointee
            messages.append(
                KafkaMessage(
                    offset: message.offset, headers: Self.headers(pointer), bytes: bytes, start: start,
                    keyCount: message.key == nil ? nil : message.key_len,
                    valueCount: message.payload == nil ? nil : message.len, milliseconds: Self.milliseconds(pointer)))
            start += message.key_len + message.len
        }
        guard let first = messages.first, let last = messages.last else { return nil }
        return KafkaBatch(
            partition: partition, messages: messages, firstOffset: first.offset, nextOffset: last.offset + 1,
            tenure: tenure)
    }

    private static func headers(_ message: UnsafePointer<rd_kafka_message_t>) -> [KafkaHeader] {
        var list: OpaquePointer?
        guard rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list else { return [] }
        return (0..<rd_kafka_header_cnt(list)).compactMap { index in
            var name: UnsafePointer<CChar>?
            var value: UnsafeRawPointer?
            var count = 0
            let failure = rd_kafka_header_get_all(list, index, &name, &value, &count)
            guard failure == RD_KAFKA_RESP_ERR_NO_ERROR, let name else { return nil }
            let bytes = value.map { [UInt8](UnsafeRawBufferPointer(start: $0, count: count)) }
            return KafkaHeader(String(cString: name), bytes)
        }
    }

    private static func milliseconds(_ message: UnsafePointer<rd_kafka_message_t>) -> Int64? {
        var kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let time = rd_kafka_message_timestamp(message, &kind)
        return kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || time < 0 ? nil : time
    }

    /// What stands in the place of the content where a failure came instead.
    private static func complaint(_ message: rd_kafka_message_t) -> String? {
        message.payload.map { String(decoding: UnsafeRawBufferPointer(start: $0, count: message.len), as: UTF8.self) }
    }
}

extension UnsafeMutableBufferPointer<UInt8> {
    /// Copies bytes to `position`; how many there were.
    fileprivate func append(_ bytes: UnsafeRawPointer?, _ count: Int, at position: Int) -> Int {
        guard let bytes, count > 0, let base = baseAddress else { return 0 }
        UnsafeMutableRawPointer(base + position).copyMemory(from: bytes, byteCount: count)
        return count
    }
}
