// SPDX-License-Identifier: Apache-2.0
import Foundation
@testable import KafkaDriver
import KafkaTestSupport
import Testing

/// What a producer promises of each record.
@Suite("Kafka: producer", .timeLimit(.minutes(5))) struct KafkaProducerTests {
    @Test("a record comes back as it was: key, value, headers, partition, offset and time") func roundTrip()
        async throws
    {
        try await MockCluster.run { cluster async throws in
            let time = Date(timeIntervalSince1970: 1_700_000_000.123)
            let records = [
                KafkaRecord(
                    topic: "orders", key: Array("k".utf8), value: Array("v".utf8),
                    headers: [KafkaHeader("source", "web"), KafkaHeader("none", nil), KafkaHeader("source", "")],
                    partition: 4, timestamp: time),
                KafkaRecord(topic: "orders", key: nil, value: [], partition: 4, timestamp: time),
                KafkaRecord(topic: "orders", key: [], value: nil, partition: 4, timestamp: time),
                KafkaRecord(topic: "orders", value: [0, 255], headers: [KafkaHeader("", [0])], partition: 4),
            ]
            try await cluster.withProducer { producer async throws in
                for (offset, record) in records.enumerated() {
                    let position = try await producer.send(record)
                    #expect(position.partition == KafkaPartition("orders", 4))
                    #expect(position.offset == Int64(offset))
                }
            }
            try await cluster.withConsumer { consumer async throws in
                let batches = try await consumer.read(records.count)
                #expect(batches.allSatisfy { $0.partition == KafkaPartition("orders", 4) })
                #expect(batches.first?.firstOffset == 0 && batches.last?.nextOffset == Int64(records.count))
                let messages = batches.flatMap(\.messages)
                for (message, record) in zip(messages, records) {
                    #expect(message.key.map { Array($0) } == record.key)
                    #expect(message.value.map { Array($0) } == record.value)
                    #expect(message.headers == record.headers)
                    let expected = try record.timestamp ?? #require(message.timestamp)
                    #expect(try abs(#require(message.timestamp).timeIntervalSince(expected)) < 0.001)
                }
                #expect(messages.map(\.offset) == [0, 1, 2, 3])
            }
        }
    }

    @Test("the same key goes to the same partition, and keys go to all nine") func keys() async throws {
        try await MockCluster.run { cluster async throws in
            try await cluster.withProducer { producer async throws in
                var places: [Int: Set<Int>] = [:]
                for round in 0..<2 {
                    try await withThrowingTaskGroup(of: (Int, Int).self) { group in
                        for key in 0..<200 {
                            group.addTask {
                                let record = KafkaRecord(
                                    topic: "orders", key: Array("key-\(key)".utf8), value: Array("\(round)".utf8))
                                return (key, try await producer.send(record).partition.number)
                            }
                        }
                        for try await (key, partition) in group { places[key, default: []].insert(partition) }
                    }
                }
                #expect(places.values.allSatisfy { $0.count == 1 })
                #expect(Set(places.values.joined()) == Set(0..<9))
            }
        }
    }

    @Test("a full queue makes callers wait, and loses nothing", arguments: [false, true])
    func backPressure(byBytes: Bool) async throws {
        try await MockCluster.run { cluster async throws in
            for broker in 1...3 { try await cluster.delay(broker, milliseconds: 5) }
            try await cluster.withProducer {
                if byBytes { $0.queueBytesMax = 4096 } else { $0.queueMessagesMax = 8 }
            } _: { producer async throws in
                let ledger = KafkaLedger()
                try await withThrowingTaskGroup { group in
                    for task in 0..<4 {
                        group.addTask {
                            for number in 0..<100 {
                                try await producer.enqueue(
                                    KafkaRecord(
                                        topic: "orders", value: [UInt8](repeating: UInt8(task), count: 500 + number)),
                                    in: ledger)
                                // The others may have added theirs before they were refused.
                                #expect(ledger.counts.pending <= 8 + 4)
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                try await producer.flush()
                #expect(ledger.counts.delivered == 400 && ledger.counts.pending == 0)
            }
        }
    }

    @Test("records that are handed over together wait for room as they must, and keep their order") func together()
        async throws
    {
        try await MockCluster.run { cluster async throws in
            let numbers = Array(0..<500)
            try await cluster.withProducer {
                $0.queueMessagesMax = 8
            } _: { producer async throws in
                let ledger = KafkaLedger()
                let records = numbers.map { KafkaRecord(topic: "orders", value: Array("\($0)".utf8), partition: 2) }
                try await producer.enqueue(records, in: ledger)
                try await ledger.settled()
                #expect(ledger.counts.delivered == 500)
            }
            try await cluster.withConsumer { consumer async throws in
                #expect(try await consumer.read(500).flatMap(\.numbers) == numbers)
            }
        }
    }

    @Test("of records together, those before one that cannot be sent are delivered, and none after") func upToOne()
        async throws
    {
        try await MockCluster.run(brokers: 1) { cluster async throws in
            try await cluster.withProducer { producer async throws in
                let ledger = KafkaLedger()
                let large = KafkaRecord(topic: "orders", value: [UInt8](repeating: 0, count: 2_000_000))
                let small = KafkaRecord(topic: "orders", value: [1])
                let error = await expectFailure(.undelivered) {
                    try await producer.enqueue([small, small, large, small], in: ledger)
                }
                #expect(error?.kafkaCode == 10)
                try await ledger.settled()
                #expect(ledger.counts.delivered == 2 && ledger.counts.failed == 0)
                try await producer.enqueue([], in: ledger)
                try await ledger.settled()
                #expect(ledger.counts.delivered == 2)
            }
        }
    }

    @Test("who waits for room and is cancelled hears of it, and the record is not sent") func cancelled() async throws {
        try await MockCluster.run(brokers: 1) { cluster async throws in
            try await cluster.takeDown(1)
            let (first, second) = (KafkaLedger(), KafkaLedger())
            try await cluster.withProducer {
                $0.queueMessagesMax = 1
            } _: { producer async throws in
                try await producer.enqueue(KafkaRecord(topic: "orders", value: [1]), in: first)
                let waiting = Task {
                    try await producer.enqueue(KafkaRecord(topic: "orders", value: [2]), in: second)
                }
                waiting.cancel()
                await expectFailure(.cancelled) { try await waiting.value }
                let sending = Task { try await producer.send(KafkaRecord(topic: "orders", value: [3])) }
                sending.cancel()
                await expectFailure(.cancelled) { try await sending.value }
                try await cluster.bringUp(1)
                try await first.settled()
            }
            #expect(first.counts.delivered == 1)
            #expect(second.counts.delivered == 0 && second.counts.pending == 0)
        }
    }

    @Test("a broker that is gone: the record is given up in time, and may be tried again") func brokerGone()
        async throws
    {
        try await MockCluster.run(brokers: 1) { cluster async throws in
            try await cluster.takeDown(1)
            try await cluster.withProducer {
                $0.deliveryTimeout = .milliseconds(500)
            } _: { producer async throws in
                let error = await expectFailure(.undelivered) {
                    try await producer.send(KafkaRecord(topic: "orders", value: [1]))
                }
                #expect(error?.isRetriable == true && error?.kafkaCode == -192 && error?.outcome == .nothingHappened)
                #expect(error?.debugDescription.contains("_MSG_TIMED_OUT") == true)
                let ledger = KafkaLedger()
                for _ in 0..<10 { try await producer.enqueue(KafkaRecord(topic: "orders", value: [2]), in: ledger) }
                await expectFailure(.undelivered) { try await ledger.settled() }
                #expect(ledger.counts.failed == 10 && ledger.counts.firstFailure?.code == .undelivered)
            }
        }
    }

    @Test("what the broker refuses for good is told with its code") func refused() async throws {
        try await MockCluster.run(brokers: 1) { cluster async throws in
            try await cluster.withProducer { producer async throws in
                _ = try await producer.send(KafkaRecord(topic: "orders", value: [0]))
                // TOPIC_AUTHORIZATION_FAILED
                try await cluster.fail(.produce, with: 29)
                let error = await expectFailure(.undelivered) {
                    try await producer.send(KafkaRecord(topic: "orders", value: [1]))
                }
                #expect(error?.kafkaCode == 29 && error?.isRetriable == false)
            }
        }
    }

    @Test("a producer that may not be idempotent is of no use, and says so of every record") func fatal() async throws {
        try await MockCluster.run(brokers: 1) { cluster in
            // CLUSTER_AUTHORIZATION_FAILED
            try await cluster.fail(.initProducerID, with: 31)
            try await cluster.withProducer { producer in
                for number in 0..<3 {
                    let error = await expectFailure(.undelivered) {
                        try await producer.send(KafkaRecord(topic: "orders", value: [UInt8(number)]))
                    }
                    #expect(error?.isFatal == true && error?.isRetriable == false)
                    #expect(error?.message.contains("CLUSTER_AUTHORIZATION_FAILED") == true, "\(error?.message ?? "")")
                }
            }
        }
    }

    @Test("what cannot be sent is refused at once, and its ledger knows nothing of it") func impossible() async throws {
        try await MockCluster.run(brokers: 1) { cluster async throws in
            try await cluster.withProducer { producer async throws in
                let ledger = KafkaLedger()
                let large = KafkaRecord(topic: "orders", value: [UInt8](repeating: 0, count: 2_000_000))
                let tooLarge = await expectFailure(.undelivered) { try await producer.enqueue(large, in: ledger) }
                #expect(tooLarge?.kafkaCode == 10 && tooLarge?.isTooLarge == true)
                for topic in ["", "a\0b", String(repeating: "t", count: 250)] {
                    await expectFailure(.invalidArgument) {
                        try await producer.enqueue(KafkaRecord(topic: topic, value: [1]), in: ledger)
                    }
                }
                for partition in [-1, 1 << 40] {
                    await expectFailure(.invalidArgument) {
                        try await producer.enqueue(
                            KafkaRecord(topic: "orders", value: [1], partition: partition), in: ledger)
                    }
                }
                let unknown = KafkaRecord(topic: "orders", value: [1], partition: 99)
                await expectFailure(.undelivered) { try await producer.send(unknown) }
                #expect(ledger.counts.pending == 0 && ledger.counts.failed == 0)
            }
        }
    }

    @Test("a record that the queue has no room for even when it is empty is refused at once") func largerThanQueue()
        async throws
    {
        try await MockCluster.run(brokers: 1) { cluster async throws in
            try await cluster.withProducer {
                $0.queueBytesMax = 1000
            } _: { producer async throws in
                let large = KafkaRecord(topic: "orders", key: [1], value: [UInt8](repeating: 0, count: 1025))
                let error = await expectFailure(.invalidArgument) { try await producer.send(large) }
                #expect(error?.message.contains("queueBytesMax") == true && error?.isTooLarge == true)
                _ = try await producer.send(
                    KafkaRecord(topic: "orders", key: [1], value: [UInt8](repeating: 0, count: 1024)))
            }
        }
    }

    @Test("a queue that librdkafka does not know to make fails the first use") func tooLargeQueue() async throws {
        try await MockCluster.run(brokers: 1) { cluster async throws in
            try await cluster.withProducer {
                $0.queueBytesMax = .max
            } _: { producer async throws in
                _ = await expectFailure(.configuration) {
                    try await producer.send(KafkaRecord(topic: "orders", value: [1]))
                }
            }
        }
    }

    @Test("a ledger is kept as long as its records are under way, and not longer") func released() async throws {
        try await MockCluster.run(brokers: 1) { cluster async throws in
            weak var kept: KafkaLedger?
            try await cluster.withProducer { producer async throws in
                do {
                    let ledger = KafkaLedger()
                    kept = ledger
                    for number in 0..<100 {
                        try await producer.enqueue(KafkaRecord(topic: "orders", value: [UInt8(number)]), in: ledger)
                    }
                    let large = KafkaRecord(topic: "orders", value: [UInt8](repeating: 0, count: 2_000_000))
                    await expectFailure(.undelivered) { try await producer.enqueue(large, in: ledger) }
                }
                try await producer.flush()
            }
            #expect(kept == nil)
        }
    }

    @Test("what was delivered is freed soon, though nobody hands in more") func freed() async throws {
        try await MockCluster.run { cluster in
            let producer = KafkaProducer(cluster.configuration, logger: quietLogger)
            for _ in 0..<5 { _ = try await producer.send(KafkaRecord(topic: "orders", value: [1])) }
            // The last report is left to be freed a moment after its sender was told.
            try await Task.sleep(for: .milliseconds(500))
            let deadline = ContinuousClock.now + .seconds(30)
            while producer.desk.spentCount > 0, .now < deadline { try await Task.sleep(for: .milliseconds(50)) }
            #expect(producer.desk.spentCount == 0)
            await producer.shutdown()
        }
    }

    @Test("a leader that goes and moves: every record is there once, in order") func leaderMoves() async throws {
        try await MockCluster.run { cluster async throws in
            for partition in 0..<9 { try await cluster.move("orders", partition, to: 1) }
            try await cluster.withProducer { producer async throws in
                let ledger = KafkaLedger()
                for number in 0..<2000 {
                    if number == 1000 {
                        try await cluster.takeDown(1)
                        for partition in 0..<9 { try await cluster.move("orders", partition, to: 2 + partition % 2) }
                    }
                    try await producer.enqueue(
                        KafkaRecord(topic: "orders", value: Array("\(number)".utf8), partition: number % 9), in: ledger)
                }
                try await ledger.settled()
                #expect(ledger.counts.delivered == 2000)
            }
            try await cluster.coordinate("group", by: 2)
            try await cluster.withConsumer { consumer async throws in
                let batches = try await consumer.read(2000)
                #expect(Set(batches.flatMap(\.numbers)) == Set(0..<2000))
                for partition in 0..<9 {
                    let numbers = batches.filter { $0.partition.number == partition }.flatMap(\.numbers)
                    #expect(numbers == Array(stride(from: partition, to: 2000, by: 9)))
                }
            }
        }
    }
}

/// How a producer ends.
@Suite("Kafka: end of a producer", .timeLimit(.minutes(5))) struct KafkaProducerEndTests {
    @Test("what was taken is delivered before the end") func orderly() async throws {
        try await MockCluster.run(brokers: 1) { cluster async throws in
            let ledger = KafkaLedger()
            try await cluster.withProducer {
                $0.linger = .milliseconds(300)
            } _: { producer async throws in
                for _ in 0..<100 { try await producer.enqueue(KafkaRecord(topic: "orders", value: [1]), in: ledger) }
            }
            #expect(ledger.counts.delivered == 100)
        }
    }

    @Test("what cannot be delivered is given up when the time is over") func late() async throws {
        try await MockCluster.run(brokers: 1) { cluster async throws in
            try await cluster.takeDown(1)
            var configuration = cluster.configuration
            configuration.shutdownTimeout = .milliseconds(300)
            var settings = KafkaProducer.Settings()
            settings.queueMessagesMax = 100
            let producer = KafkaProducer(configuration, settings, logger: quietLogger)
            let ledger = KafkaLedger()
            for _ in 0..<100 { try await producer.enqueue(KafkaRecord(topic: "orders", value: [1]), in: ledger) }
            let waiting = Task { try await producer.send(KafkaRecord(topic: "orders", value: [2])) }
            await producer.shutdown()
            #expect(ledger.counts.failed == 100 && ledger.counts.firstFailure?.code == .shutDown)
            await expectFailure(.shutDown) { try await waiting.value }
            await expectFailure(.shutDown) { try await producer.send(KafkaRecord(topic: "orders", value: [3])) }
            try await producer.flush()
        }
    }

    @Test("a producer that was never used ends at once, and takes nothing after that") func unused() async throws {
        let producer = KafkaProducer(KafkaConfiguration(brokers: ["127.0.0.1:1"]), logger: quietLogger)
        await producer.shutdown()
        let round = producer.desk.room.round
        await expectFailure(.shutDown) { try await producer.send(KafkaRecord(topic: "orders", value: [1])) }
        #expect(producer.desk.room.round > round, "who flushed meanwhile would wait for ever")
    }
}
