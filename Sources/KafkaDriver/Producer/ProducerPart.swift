// SPDX-License-Identifier: Apache-2.0

internal import CKafka
internal import Logging
internal import Metrics

/// Reads the reports of a producer's records.
final class ProducerPart: ClientPart {
    let queue: OpaquePointer
    private let client: OpaquePointer
    private let desk: ProducerDesk
    private let reporter: Reporter
    /// Whether reports were read since the last turn.
    private var hasNews = false

    /// Opens the desk.
    init(_ client: OpaquePointer, _ desk: ProducerDesk, _ reporter: Reporter) {
        self.client = client
        self.desk = desk
        self.reporter = reporter
        queue = rd_kafka_queue_get_main(client)
        desk.open(client)
    }

    func handle(_ event: OpaquePointer, _ type: rd_kafka_event_type_t) {
        guard type == RD_KAFKA_EVENT_DR else { return rd_kafka_event_destroy(event) }
        var (delivered, failed) = (0, 0)
        // Most often, one ledger's are side by side.
        var (address, news) = (UnsafeMutableRawPointer?.none, KafkaLedger.News())
        func settle() {
            delivered += news.delivered
            failed += news.failed
            if let address { Unmanaged<KafkaLedger>.fromOpaque(address).takeUnretainedValue().settle(news) }
        }
        while let report = rd_kafka_event_message_next(event) {
            if report.pointee._private != address {
                settle()
                (address, news) = (report.pointee._private, KafkaLedger.News())
            }
            news.add(report.pointee, failure(report))
        }
        settle()
        desk.underWay.add(-delivered - failed)
        Counter(label: "kafka.messages.delivered", dimensions: reporter.dimensions).increment(by: delivered)
        if failed > 0 {
            Counter(label: "kafka.messages.undelivered", dimensions: reporter.dimensions).increment(by: failed)
        }
        desk.leave(event)
        hasNews = true
    }

    /// Why the record was given up, or nil.
    private func failure(_ report: UnsafePointer<rd_kafka_message_t>) -> KafkaError? {
        let code = report.pointee.err
        guard code != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        let isPurged = code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT
        var error =
            KafkaError(fatalOf: client, .undelivered) ?? KafkaError(isPurged ? .shutDown : .undelivered, code)
        if rd_kafka_message_status(report) != RD_KAFKA_MSG_STATUS_NOT_PERSISTED { error.outcome = .unknown }
        return error
    }

    /// What fails for good fails every record, and callers hear of it by those.
    func failed(_ error: KafkaError) {}

    /// Whoever waits for room frees what was read, and has room for as many records. Where nobody comes, and no more is told
    /// either, it is freed here: within two seconds, as a thread that nobody wakes comes by each second.
    func turn() {
        if !hasNews { desk.freeSpent() }
        hasNews = false
        desk.room.advance()
    }

    func beginClosing() {
        desk.close()
    }

    var isDone: Bool { desk.underWay.value == 0 }

    func end(isLate: Bool) {
        // A purge waits until every record that it finds has its report: they are all in the queue. One that is on its way
        // from broker to broker is not found.
        for _ in 0..<Self.purgesMax where desk.underWay.value > 0 {
            rd_kafka_purge(client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT)
            while desk.underWay.value > 0, let event = rd_kafka_queue_poll(queue, Self.purgeTimeout) {
                handle(event, rd_kafka_event_type(event))
            }
        }
        desk.freeSpent()
        rd_kafka_queue_destroy(queue)
        desk.room.advance()
    }

    private static let purgesMax = 3
    /// How long a report may stay away after a purge, in milliseconds.
    private static let purgeTimeout: Int32 = 1000
}
