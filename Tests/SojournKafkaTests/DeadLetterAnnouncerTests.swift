// SPDX-License-Identifier: Apache-2.0

import KafkaDriver
import KafkaTestSupport
import Logging
import Sojourn
import SojournKafka
import Synchronization
import Testing

/// Dead letters on their way into their topic (K3).
@Suite("Dead letters are announced", .timeLimit(.minutes(5)))
struct DeadLetterAnnouncerTests {
    private static let topic = PipelineTopics.deadLetterTopic(of: "orders")
    private static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Runs an announcer until all letters are announced, and returns what is in the topic then.
    private func announced(_ letters: Letters, on cluster: MockCluster) async throws -> [KafkaMessage] {
        let topics = PipelineTopics(KafkaConfiguration(brokers: cluster.brokers))
        let announcing = Task {
            try await DeadLetterAnnouncer(topics, store: letters, logger: Self.logger).run()
        }
        while !letters.isDone { try await Task.sleep(for: .milliseconds(20)) }
        announcing.cancel()
        try await announcing.value

        let admin = KafkaAdmin(topics.kafka, logger: Self.logger)
        let kept = try await admin.offsets(of: try await admin.partitions(of: Self.topic))
        await admin.shutdown()
        let consumer = KafkaConsumer(
            topics.kafka, KafkaConsumer.Settings(group: "reader", topics: [Self.topic]), logger: Self.logger)
        var messages: [KafkaMessage] = []
        while messages.count < kept.values.reduce(0, { $0 + $1.count }), let event = try await consumer.next() {
            if case .messages(let batches) = event { messages += batches.flatMap(\.messages) }
        }
        await consumer.shutdown()
        return messages
    }

    @Test("one that Kafka finds too large is announced without its value, the others whole, each once")
    func large() async throws {
        try await MockCluster.run(brokers: 1, topics: [Self.topic: 1]) { cluster in
            let sizes = [10, 999_990, 20, 400_000, 30]
            let letters = Letters(values: sizes)
            let messages = try await announced(letters, on: cluster)
            #expect(messages.count == sizes.count)
            for (number, size) in sizes.enumerated() {
                let message = try #require(messages.first { $0.header("letter_id") == "\(number)" })
                #expect(message.value?.count == (number == 1 ? nil : size))
                #expect(message.header("left_out") == (number == 1 ? "value" : nil))
                #expect(message.key == Array("key".utf8)[...] && message.header("offset") == "\(100 + number)")
            }
        }
    }

    @Test("one whose key and reason are too large as well is announced all the same")
    func largest() async throws {
        try await MockCluster.run(brokers: 1, topics: [Self.topic: 1]) { cluster in
            let letters = Letters(values: [10, 10], key: 999_980, reason: String(repeating: "ü", count: 500_000))
            let messages = try await announced(letters, on: cluster)
            #expect(messages.compactMap { $0.header("left_out") } == ["key, value", "key, value"])
            #expect(messages.allSatisfy { $0.key == nil && $0.header("reason")?.hasPrefix("üü") == true })
        }
    }

    @Test("few large ones are held at once") func bounded() async throws {
        try await MockCluster.run(brokers: 1, topics: [Self.topic: 1]) { cluster in
            let letters = Letters(values: Array(repeating: 100_000, count: 90))
            _ = try await announced(letters, on: cluster)
            #expect(letters.largestBatch < 45 * 100_000)
        }
    }

    @Test("a producer that can do nothing any more is replaced") func fatal() async throws {
        try await MockCluster.run(brokers: 1, topics: [Self.topic: 1]) { cluster in
            // CLUSTER_AUTHORIZATION_FAILED
            try await cluster.fail(.initProducerID, with: 31)
            let letters = Letters(values: [10, 20])
            #expect(try await announced(letters, on: cluster).count == 2)
        }
    }
}

extension KafkaMessage {
    /// The text of a header.
    fileprivate func header(_ name: String) -> String? {
        headers.first { $0.name == name }?.value.map { String(decoding: $0, as: UTF8.self) }
    }
}

/// Letters in memory, with values of these sizes, that are to be announced.
private final class Letters: DeadLetterStore {
    private struct State {
        var waiting: [DeadLetter]
        var largestBatch = 0
    }

    private let state: Mutex<State>

    init(values: [Int], key: Int? = nil, reason: String = "x") {
        let letters = values.enumerated().map { number, size in
            DeadLetter(
                id: Int64(number), partition: StreamPartition(group: "g", topic: "orders", number: 3),
                message: StreamMessage(
                    offset: Int64(100 + number), key: key.map { Array(repeating: 0, count: $0) } ?? Array("key".utf8),
                    value: Array(repeating: 0, count: size)),
                reason: reason, state: .open, createdAt: SystemWallClock().now, settledAt: nil)
        }
        state = Mutex(State(waiting: letters))
    }

    var isDone: Bool { state.withLock { $0.waiting.isEmpty } }
    /// The most bytes of values that were asked for at once.
    var largestBatch: Int { state.withLock { $0.largestBatch } }

    func unannouncedDeadLetters(max: Int, bytesMax: Int) async throws -> [DeadLetter] {
        state.withLock { state in
            var bytes = 0
            let batch = Array(
                state.waiting.prefix(max).prefix { letter in
                    defer { bytes += letter.message.bytes }
                    return bytes < bytesMax
                })
            state.largestBatch = Swift.max(state.largestBatch, batch.reduce(0) { $0 + $1.message.bytes })
            return batch
        }
    }

    func announced(_ letters: [Int64]) async throws {
        state.withLock { state in state.waiting.removeAll { letters.contains($0.id) } }
    }

    func deadLetters(_ page: PageRequest, state: DeadLetter.State?) async throws -> Page<DeadLetter> { throw Unasked() }
    func deadLetter(_ id: Int64) async throws -> DeadLetter? { throw Unasked() }
    func openDeadLetters() async throws -> Int { throw Unasked() }
    func retryDeadLetter(_ id: Int64) async throws -> DeadLetter? { throw Unasked() }
    func dropDeadLetter(_ id: Int64) async throws -> DeadLetter? { throw Unasked() }
}

extension StreamMessage {
    fileprivate var bytes: Int { (key?.count ?? 0) + (value?.count ?? 0) }
}

/// No announcer asks this.
private struct Unasked: Error {}
