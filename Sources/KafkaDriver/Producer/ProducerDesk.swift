// SPDX-License-Identifier: Apache-2.0

internal import CKafka
internal import DriverSupport
internal import Foundation
internal import Synchronization

/// Where callers hand in records. They go to librdkafka on the callers' own threads, as that takes less than a microsecond
/// a record and never waits for a broker.
final class ProducerDesk: Sendable {
    /// What became of an attempt.
    enum Attempt {
        /// All are librdkafka's, and counted.
        case taken
        /// There is no room for it now.
        case full
        /// There is no client to give it to, or no longer one; the engine knows which.
        case notStarted
        /// It will never be taken.
        case refused(KafkaError)
    }

    /// What librdkafka has; addresses, as pointers cannot be shared. They are used under the lock only, and are gone before
    /// the client is.
    private struct Client {
        let address: UInt
        var topics: [String: UInt] = [:]
    }

    /// Advances when there may be room, or nothing under way any more.
    let room = Signal()
    /// Records that are neither delivered nor given up.
    let underWay = Tally()
    /// The size of the queue: a larger value would wait for room for ever.
    private let kilobytesMax: Int
    private let client = Mutex<Client?>(nil)
    /// Events that were read and are to be freed with their records, as addresses; all are, before the client is gone. Under a
    /// lock of its own: who reads reports must not wait for those who hand records in.
    private let spent = Mutex<[UInt]>([])

    /// A desk before a queue of so many kilobytes (1024).
    init(kilobytesMax: Int) {
        self.kilobytesMax = kilobytesMax
    }

    /// Opens for `client`.
    func open(_ client: OpaquePointer) {
        self.client.withLock { $0 = Client(address: UInt(bitPattern: client)) }
    }

    /// Closes: librdkafka gets nothing more, and its topics are given back.
    func close() {
        let closed = client.withLock { client in client.take() }
        for topic in (closed?.topics ?? [:]).values { rd_kafka_topic_destroy(OpaquePointer(bitPattern: topic)) }
        room.advance()
    }

    /// Takes an event that was read, to be freed.
    ///
    /// Whoever hands in the next records frees it, since they were most likely made on the same thread: two threads that make
    /// and free would wait for each other at the allocator's lock.
    func leave(_ event: OpaquePointer) {
        let address = UInt(bitPattern: event)
        spent.withLock { $0.append(address) }
    }

    /// Frees the events that wait for it. While there is a client.
    func freeSpent() {
        let events = spent.withLock { spent in
            defer { spent = [] }
            return spent
        }
        for event in events { rd_kafka_event_destroy(OpaquePointer(bitPattern: event)) }
    }

    /// How many events wait for it.
    var spentCount: Int { spent.withLock { $0.count } }

    /// Hands records in, in their order and up to one that is not taken: how many were, and what became of the last attempt.
    func produce(_ records: ArraySlice<KafkaRecord>, _ ledger: KafkaLedger) -> (taken: Int, Attempt) {
        // Before librdkafka has them: the reports may come at once. Until then the ledger keeps itself.
        ledger.add(records.count)
        underWay.add(records.count)
        var taken = 0
        let attempt: Attempt = client.withLock { client in
            guard let address = client?.address, let pointer = OpaquePointer(bitPattern: address) else {
                return .notStarted
            }
            // Under this lock, as the client must be there.
            freeSpent()
            do throws(KafkaError) {
                let opaque = Unmanaged.passUnretained(ledger).toOpaque()
                return try records.withUnsafeBufferPointer { records throws(KafkaError) in
                    guard var record = records.baseAddress else { return .taken }
                    var (name, topic) = ("", OpaquePointer?.none)
                    while taken < records.count {
                        if topic == nil || name != record.pointee.topic {
                            name = record.pointee.topic
                            topic = try Self.topic(name, pointer, &client)
                        }
                        try check(record)
                        let attempt = try Self.produce(record, pointer, topic, opaque)
                        guard case .taken = attempt else { return attempt }
                        taken += 1
                        record += 1
                    }
                    return .taken
                }
            } catch {
                return .refused(error)
            }
        }
        if taken < records.count {
            ledger.takeBack(records.count - taken)
            underWay.add(taken - records.count)
            // No thread comes by to wake who has seen them under way.
            if case .notStarted = attempt { room.advance() }
        }
        return (taken, attempt)
    }

    // Records are passed by their addresses: to copy one costs half as much as to hand it in.

    private func check(_ record: UnsafePointer<KafkaRecord>) throws(KafkaError) {
        if let partition = record.pointee.partition, Int32(exactly: partition) == nil || partition < 0 {
            throw KafkaError(.invalidArgument, "There is no partition \(partition).")
        }
        guard (record.pointee.value?.count ?? 0).kilobytes <= kilobytesMax else {
            throw KafkaError(
                .invalidArgument, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                "The value is larger than queueBytesMax, \(kilobytesMax) KiB.")
        }
    }

    private static func topic(
        _ name: String, _ pointer: OpaquePointer, _ client: inout Client?
    ) throws(KafkaError) -> OpaquePointer {
        if let known = client?.topics[name], let topic = OpaquePointer(bitPattern: known) { return topic }
        guard KafkaPartition.isTopic(name) else {
            throw KafkaError(.invalidArgument, "A topic's name has 1 to 249 bytes.")
        }
        guard let topic = rd_kafka_topic_new(pointer, name, nil) else {
            throw KafkaError(.kafka, rd_kafka_last_error())
        }
        client?.topics[name] = UInt(bitPattern: topic)
        return topic
    }

    private static func produce(
        _ record: UnsafePointer<KafkaRecord>, _ client: OpaquePointer, _ topic: OpaquePointer?,
        _ opaque: UnsafeMutableRawPointer
    ) throws(KafkaError) -> Attempt {
        let headers = try headers(record.pointee.headers)
        let failure = record.pointee.key.withBytes { key in
            record.pointee.value.withBytes { value in
                sojourn_kafka_produce(
                    client, topic, record.pointee.partition.map { Int32($0) } ?? -1, key.baseAddress, key.count,
                    value.baseAddress, value.count, milliseconds(record.pointee.timestamp), headers, opaque)
            }
        }
        if failure == RD_KAFKA_RESP_ERR_NO_ERROR { return .taken }
        if let headers { rd_kafka_headers_destroy(headers) }
        if failure == RD_KAFKA_RESP_ERR__QUEUE_FULL { return .full }
        throw KafkaError(fatalOf: client, .undelivered) ?? KafkaError(.undelivered, failure)
    }

    /// librdkafka's headers, nil for none.
    private static func headers(_ headers: [KafkaHeader]) throws(KafkaError) -> OpaquePointer? {
        guard !headers.isEmpty else { return nil }
        guard let list = rd_kafka_headers_new(headers.count) else { throw KafkaError(.kafka, rd_kafka_last_error()) }
        for header in headers {
            let failure = header.value.withBytes { value in
                rd_kafka_header_add(list, header.name, -1, value.baseAddress, value.count)
            }
            guard failure == RD_KAFKA_RESP_ERR_NO_ERROR else {
                rd_kafka_headers_destroy(list)
                throw KafkaError(.invalidArgument, failure)
            }
        }
        return list
    }

    /// Milliseconds since 1970, 0 for now.
    private static func milliseconds(_ date: Date?) -> Int64 {
        guard let date else { return 0 }
        return Int64(exactly: (date.timeIntervalSince1970 * 1000).rounded()) ?? 0
    }
}

extension [UInt8]? {
    /// Lends the bytes: a null address for nil, another for none.
    fileprivate func withBytes<Value>(_ body: (UnsafeRawBufferPointer) -> Value) -> Value {
        guard let bytes = self else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        return bytes.withUnsafeBytes { buffer in
            guard buffer.baseAddress == nil else { return body(buffer) }
            // An empty array may have no address.
            return withUnsafeBytes(of: UInt8(0)) { body(UnsafeRawBufferPointer(rebasing: $0[..<0])) }
        }
    }
}
