// SPDX-License-Identifier: Apache-2.0
import Foundation
import KafkaDriver
import KafkaTestSupport
import Logging
import Synchronization
import Testing

/// A logger that says nothing.
let quietLogger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

extension MockCluster {
    /// Where it is, for clients that are told of rebalances soon, and are patient otherwise, as the machine may be busy.
    var configuration: KafkaConfiguration {
        var configuration = KafkaConfiguration(brokers: brokers)
        configuration.requestTimeout = .seconds(60)
        configuration.shutdownTimeout = .seconds(60)
        configuration.properties = ["heartbeat.interval.ms": "200", "reconnect.backoff.max.ms": "500"]
        return configuration
    }

    /// Lends a producer and shuts it down.
    func withProducer<Value>(
        _ change: (inout KafkaProducer.Settings) -> Void = { _ in }, _ body: (KafkaProducer) async throws -> Value
    ) async throws -> Value {
        var settings = KafkaProducer.Settings()
        settings.deliveryTimeout = .seconds(120)
        change(&settings)
        let producer = KafkaProducer(configuration, settings, logger: quietLogger)
        let result: Result<Value, any Error>
        do { result = .success(try await body(producer)) } catch { result = .failure(error) }
        await producer.shutdown()
        return try result.get()
    }

    /// A reader of `orders`. The mock waits for a member that has left until its session is over.
    static func member(of group: String = "group") -> KafkaConsumer.Settings {
        var settings = KafkaConsumer.Settings(group: group, topics: ["orders"])
        settings.sessionTimeout = .seconds(10)
        return settings
    }

    /// Lends a consumer of `orders` and shuts it down.
    func withConsumer<Value>(
        group: String = "group", _ change: (inout KafkaConsumer.Settings) -> Void = { _ in },
        _ body: (KafkaConsumer) async throws -> Value
    ) async throws -> Value {
        var settings = Self.member(of: group)
        change(&settings)
        let consumer = KafkaConsumer(configuration, settings, logger: quietLogger)
        let result: Result<Value, any Error>
        do { result = .success(try await body(consumer)) } catch { result = .failure(error) }
        await consumer.shutdown()
        return try result.get()
    }

    /// Writes records whose keys and values are these numbers; to one partition, or by key.
    func produce(_ numbers: Range<Int>, partition: Int? = nil) async throws {
        try await withProducer { producer async throws in
            let ledger = KafkaLedger()
            for number in numbers {
                try await producer.enqueue(
                    KafkaRecord(
                        topic: "orders", key: Array("\(number)".utf8), value: Array("\(number)".utf8),
                        partition: partition), in: ledger)
            }
            try await ledger.settled()
            #expect(ledger.counts.delivered == numbers.count)
        }
    }
}

extension KafkaConsumer {
    /// What is next; a consumer that is closed meanwhile is a failure.
    func event() async throws -> Event { try #require(await next()) }

    /// The next partitions that the group gives. Whatever comes before is a failure.
    func assigned() async throws -> [KafkaPartition] {
        let event = try await event()
        guard case .assigned(let partitions) = event else {
            Issue.record("\(event) instead of an assignment")
            return []
        }
        return partitions
    }

    /// Reads until `count` messages have come, whatever the group does meanwhile.
    func read(_ count: Int) async throws -> [KafkaBatch] {
        var batches: [KafkaBatch] = []
        while batches.reduce(0, { $0 + $1.messages.count }) < count {
            if case .messages(let more) = try await event() { batches += more }
        }
        return batches
    }
}

extension KafkaBatch {
    /// The values as numbers.
    var numbers: [Int] { messages.compactMap { $0.value.flatMap { Int(String(decoding: $0, as: UTF8.self)) } } }
}

/// Asserts that `body` throws a `KafkaError`, and lends it out.
@discardableResult func expectFailure<Value>(
    _ code: KafkaError.Code, _ body: () async throws -> Value, sourceLocation: SourceLocation = #_sourceLocation
) async -> KafkaError? {
    do {
        _ = try await body()
        Issue.record("nothing was thrown", sourceLocation: sourceLocation)
    } catch let error as KafkaError {
        #expect(error.code == code, "\(error.debugDescription)", sourceLocation: sourceLocation)
        return error
    } catch {
        Issue.record("\(error) was thrown", sourceLocation: sourceLocation)
    }
    return nil
}

/// How long a consumer takes to end.
func end(of consumer: KafkaConsumer) async -> Duration { await ContinuousClock().measure { await consumer.shutdown() } }

/// Lets others run until `isTrue`; the test's time limit ends what never is.
func wait(until isTrue: () async throws -> Bool) async throws {
    while try await !isTrue() { try await Task.sleep(for: .milliseconds(10)) }
}

/// Keeps what is logged.
final class LogBook: Sendable {
    private let state = Mutex<[(level: Logger.Level, facility: String?, message: String)]>([])

    var lines: [(level: Logger.Level, facility: String?, message: String)] { state.withLock { $0 } }

    var logger: Logger {
        var logger = Logger(label: "test") { _ in Handler(book: self) }
        logger.logLevel = .trace
        return logger
    }

    private struct Handler: LogHandler {
        let book: LogBook
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let facility = event.metadata?["facility"].map { "\($0)" }
            book.state.withLock { $0.append((event.level, facility, "\(event.message)")) }
        }
    }
}
