// SPDX-License-Identifier: Apache-2.0
import CKafka
import Foundation
import KafkaTestSupport
import Logging
import ServiceLifecycle
import Synchronization
import Testing

@testable import KafkaDriver

/// What librdkafka says of itself.
@Suite("Kafka: log and statistics", .timeLimit(.minutes(5))) struct KafkaReportTests {
    @Test("librdkafka's log arrives in ours, with its level") func log() async throws {
        try await MockCluster.run(brokers: 1) { cluster in
            try await cluster.takeDown(1)
            let book = LogBook()
            var configuration = cluster.configuration
            configuration.requestTimeout = .milliseconds(300)
            // For another kind of client, which it only warns of.
            configuration.properties["fetch.min.bytes"] = "2"
            let admin = KafkaAdmin(configuration, logger: book.logger)
            await expectFailure(.kafka) { try await admin.partitions(of: "orders") }
            await admin.shutdown()
            #expect(book.lines.contains { $0.level == .error && $0.facility == "FAIL" }, "\(book.lines)")
            #expect(book.lines.contains { $0.level == .warning && $0.message.contains("fetch.min.bytes") })
        }
    }

    @Test("severities of syslog become levels") func levels() {
        let levels: [Logger.Level] = [.critical, .critical, .critical, .error, .warning, .notice, .info, .debug]
        #expect((0...7).map { Reporter.level($0) } == levels)
    }

    @Test("statistics can be read as this librdkafka writes them") func statistics() throws {
        let conf = rd_kafka_conf_new()
        var complaint = [CChar](repeating: 0, count: 512)
        rd_kafka_conf_set(conf, "statistics.interval.ms", "10", &complaint, complaint.count)
        rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_STATS)
        let client = try #require(rd_kafka_new(RD_KAFKA_PRODUCER, conf, &complaint, complaint.count))
        let queue = try #require(rd_kafka_queue_get_main(client))
        defer {
            rd_kafka_queue_destroy(queue)
            rd_kafka_destroy(client)
        }
        let event = try #require(rd_kafka_queue_poll(queue, 120_000))
        defer { rd_kafka_event_destroy(event) }
        let text = try #require(rd_kafka_event_stats(event))
        let statistics = try JSONDecoder().decode(Statistics.self, from: Data(String(cString: text).utf8))
        #expect(statistics.msg_cnt == 0 && statistics.topics.isEmpty)
    }

    @Test(
        "the lag is what has not been handed over, of partitions that are read",
        arguments: [
            ("active", 90, 100, 10), ("active", 100, 100, 0), ("active", 101, 100, 0), ("active", -1001, 100, nil),
            ("active", 90, -1001, nil), ("none", 90, 100, nil),
        ] as [(String, Int64, Int64, Int64?)]) func lag(state: String, app: Int64, high: Int64, lag: Int64?)
    {
        #expect(Statistics.Partition(app_offset: app, hi_offset: high, fetch_state: state).lag == lag)
    }
}

/// Clients in a service group.
@Suite("Kafka: services", .timeLimit(.minutes(5))) struct KafkaServiceTests {
    @Test("a group that shuts down delivers what was taken, leaves, and ends") func group() async throws {
        try await MockCluster.run { cluster in
            let producer = KafkaProducer(cluster.configuration, logger: quietLogger)
            let consumer = KafkaConsumer(cluster.configuration, MockCluster.member(), logger: quietLogger)
            let admin = KafkaAdmin(cluster.configuration, logger: quietLogger)
            let group = ServiceGroup(services: [producer, consumer, admin], logger: quietLogger)
            let ledger = KafkaLedger()
            try await withThrowingTaskGroup { tasks in
                tasks.addTask { try await group.run() }
                #expect(try await consumer.assigned().count == 9)
                #expect(try await admin.partitions(of: "orders").count == 9)
                for _ in 0..<100 { try await producer.enqueue(KafkaRecord(topic: "orders", value: [1]), in: ledger) }
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
            }
            #expect(ledger.counts.delivered == 100)
            #expect(try await consumer.next() == nil)
            await expectFailure(.shutDown) { try await admin.partitions(of: "orders") }
        }
    }
}
