// SPDX-License-Identifier: Apache-2.0

internal import CKafka
internal import Foundation
internal import Logging
internal import Metrics

/// Brings what librdkafka says of itself into the log and the metrics.
struct Reporter: Sendable {
    let logger: Logger
    /// Tells this client's gauges from those of others in the process.
    let clientID: String

    /// A line of librdkafka's own log.
    func log(_ event: OpaquePointer) {
        var facility: UnsafePointer<CChar>?
        var text: UnsafePointer<CChar>?
        var severity: Int32 = 0
        guard rd_kafka_event_log(event, &facility, &text, &severity) == 0, let text else { return }
        logger.log(
            level: Self.level(severity), "\(String(cString: text))",
            metadata: facility.map { ["facility": "\(String(cString: $0))"] })
    }

    /// An error that no call of ours has brought about; returned where it is for the owner, as it will not pass.
    func failure(_ event: OpaquePointer) -> KafkaError? {
        let text = rd_kafka_event_error_string(event).map { String(cString: $0) }
        var error = KafkaError(.kafka, rd_kafka_event_error(event), text)
        error.isFatal = error.isFatal || rd_kafka_event_error_is_fatal(event) != 0
        return note(error)
    }

    /// The same for an error that came by another way.
    func note(_ error: KafkaError) -> KafkaError? {
        Counter(label: "kafka.errors", dimensions: dimensions).increment()
        logger.log(
            level: error.isFatal ? .critical : .warning, "Kafka reports an error",
            metadata: ["error": "\(error.debugDescription)"])
        return error.isRetriable ? nil : error
    }

    /// librdkafka's statistics.
    func record(_ event: OpaquePointer) {
        guard let text = rd_kafka_event_stats(event) else { return }
        let data = Data(bytes: text, count: strlen(text))
        guard let statistics = try? JSONDecoder().decode(Statistics.self, from: data) else {
            logger.debug("librdkafka's statistics cannot be read")
            return
        }
        gauge("kafka.queue.messages", statistics.msg_cnt)
        gauge("kafka.queue.bytes", statistics.msg_size)
        gauge("kafka.bytes.sent", statistics.tx_bytes)
        gauge("kafka.bytes.received", statistics.rx_bytes)
        gauge("kafka.brokers.up", statistics.brokers.values.count { $0.state == "UP" })
        for (topic, partitions) in statistics.topics {
            for (number, partition) in partitions.partitions {
                guard let lag = partition.lag else { continue }
                Gauge(
                    label: "kafka.consumer.lag", dimensions: dimensions + [("topic", topic), ("partition", number)]
                ).record(lag)
            }
        }
    }

    private func gauge(_ label: String, _ value: Int) {
        Gauge(label: label, dimensions: dimensions).record(value)
    }

    var dimensions: [(String, String)] { [("client", clientID)] }

    /// The level for a severity of syslog's.
    static func level(_ severity: Int32) -> Logger.Level {
        switch severity {
        case ...2: .critical
        case 3: .error
        case 4: .warning
        case 5: .notice
        case 6: .info
        default: .debug
        }
    }
}

/// What we read of librdkafka's statistics, by its names (STATISTICS.md there).
struct Statistics: Decodable {
    struct Broker: Decodable {
        let state: String
    }

    struct Topic: Decodable {
        let partitions: [String: Partition]
    }

    struct Partition: Decodable {
        /// Behind the last message that was handed to us; negative for none.
        let app_offset: Int64
        /// Behind the last message of the partition; negative where it is not known.
        let hi_offset: Int64
        /// `active` where the partition is being read.
        let fetch_state: String

        /// Messages that have not been handed to us; nil where we do not read here.
        var lag: Int64? {
            fetch_state == "active" && app_offset >= 0 && hi_offset >= 0 ? max(0, hi_offset - app_offset) : nil
        }
    }

    let msg_cnt: Int
    let msg_size: Int
    let tx_bytes: Int
    let rx_bytes: Int
    let brokers: [String: Broker]
    let topics: [String: Topic]

    private enum CodingKeys: String, CodingKey {
        case msg_cnt, msg_size, tx_bytes, rx_bytes, brokers, topics
    }
}
