// SPDX-License-Identifier: Apache-2.0

internal import KafkaDriver
public import Logging
public import ServiceLifecycle
public import Sojourn

/// Writes dead letters into their topic (K3), once they are in the table: each at least once, with the reason and the place as
/// headers. One that Kafka finds too large is announced without its value, as the header `left_out` says.
public struct DeadLetterAnnouncer: Service {
    private let topics: PipelineTopics
    private let store: any DeadLetterStore
    private let logger: Logger
    /// The most letters that are held at once, and about the most bytes of their messages.
    private static let most = (letters: 500, bytes: 4 << 20)

    /// Announces the dead letters of `store`.
    public init(_ topics: PipelineTopics, store: any DeadLetterStore, logger: Logger) {
        self.topics = topics
        self.store = store
        self.logger = logger
    }

    /// Looks every second, until the service group's graceful shutdown or cancellation.
    public func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            var producer = KafkaProducer(topics.kafka, logger: logger)
            repeat {
                do {
                    while try await announce(by: producer) {}
                } catch {
                    guard !Task.isCancelled else { break }
                    logger.warning("Dead letters are not in their topic yet.", metadata: ["reason": "\(error)"])
                    if (error as? KafkaError)?.isFatal == true {
                        producer = KafkaProducer(topics.kafka, logger: logger)
                    }
                }
            } while (try? await Task.sleep(for: .seconds(1))) != nil
            await producer.shutdown()
        }
    }

    /// Announces the oldest letters; whether there were any.
    ///
    /// - Throws: Why one could not be announced. Those that were are not announced again.
    private func announce(by producer: KafkaProducer) async throws -> Bool {
        let letters = try await store.unannouncedDeadLetters(max: Self.most.letters, bytesMax: Self.most.bytes)
        var handedOver: [(letter: DeadLetter, ledger: KafkaLedger)] = []
        var (told, large): ([Int64], [DeadLetter]) = ([], [])
        var failure: KafkaError?
        for letter in letters where failure == nil {
            let ledger = KafkaLedger()
            do throws(KafkaError) {
                try await producer.enqueue(record(of: letter), in: ledger)
                handedOver.append((letter, ledger))
            } catch {
                if error.isTooLarge { large.append(letter) } else { failure = error }
            }
        }
        for (letter, ledger) in handedOver {
            do throws(KafkaError) {
                try await ledger.settled()
                told.append(letter.id)
            } catch {
                if error.isTooLarge { large.append(letter) } else { failure = failure ?? error }
            }
        }
        for letter in large where failure == nil {
            do throws(KafkaError) {
                try await announce(large: letter, by: producer)
                told.append(letter.id)
            } catch {
                failure = error
            }
        }
        if !told.isEmpty { try await store.announced(told) }
        if let failure { throw failure }
        return !letters.isEmpty
    }

    /// Announces a letter by itself, since a broker may have refused it for others of the same request, and without its value
    /// where it is too large even so.
    private func announce(large letter: DeadLetter, by producer: KafkaProducer) async throws(KafkaError) {
        do throws(KafkaError) {
            _ = try await producer.send(record(of: letter))
        } catch {
            guard error.isTooLarge else { throw error }
            _ = try await producer.send(shortRecord(of: letter))
        }
    }

    private func record(of letter: DeadLetter) -> KafkaRecord {
        KafkaRecord(
            topic: PipelineTopics.deadLetterTopic(of: letter.partition.topic), key: letter.message.key,
            value: letter.message.value,
            headers: [
                KafkaHeader("reason", letter.reason), KafkaHeader("topic", letter.partition.topic),
                KafkaHeader("partition", "\(letter.partition.number)"),
                KafkaHeader("offset", "\(letter.message.offset)"), KafkaHeader("letter_id", "\(letter.id)"),
            ])
    }

    /// What fits into a message of any topic: no value, a key and a reason as far as they are short.
    private func shortRecord(of letter: DeadLetter) -> KafkaRecord {
        var record = record(of: letter)
        record.value = nil
        let isLong = (record.key?.count ?? 0) > Self.shortMax
        if isLong { record.key = nil }
        record.headers[0] = KafkaHeader("reason", String(letter.reason.unicodeScalars.prefix(Self.shortMax)))
        record.headers.append(KafkaHeader("left_out", isLong ? "key, value" : "value"))
        return record
    }

    /// The most bytes of a key, and the most characters of a reason, beside a value that was left out.
    private static let shortMax = 1000
}
