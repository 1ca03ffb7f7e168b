// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import KafkaDriver
public import Logging
public import Sojourn

/// Makes orders of random users for random products, and writes them to the topic, keyed by user (K1).
public struct OrderProducer: Sendable {
    private let topics: PipelineTopics
    private let logger: Logger
    /// Most orders that are made and handed over together: few enough to stay in the processor's caches.
    private static let shareMax = 100

    /// A producer into the topic of orders.
    public init(_ topics: PipelineTopics, logger: Logger) {
        self.topics = topics
        self.logger = logger
    }

    /// Writes `count` orders, or orders until the task is cancelled where `count` is nil, and returns how many were delivered.
    ///
    /// - Parameter rate: orders a second, evenly; nil for as many as the brokers take.
    /// - Parameter pick: users and products to choose from; asked anew after 10,000 orders, once a second at the most.
    /// - Parameter progress: told how many orders were handed over.
    /// - Throws: `invalidInput` where there are no users or products; why an order was not delivered.
    public func produce(
        _ count: Int?, rate: Int?, pick: @Sendable () async throws -> (users: [RetailUser], products: [RetailProduct]),
        progress: @Sendable (Int) -> Void
    ) async throws -> Int {
        var settings = KafkaProducer.Settings()
        // Nobody waits for a single order: fuller requests are cheaper.
        settings.linger = .milliseconds(5)
        let producer = KafkaProducer(topics.kafka, settings, logger: logger)
        let ledger = KafkaLedger()
        do {
            let begin = ContinuousClock.now
            var random = SeededRandom(seed: RandomSource.system.next())
            // Together: the clock is read once for them. At a rate, those of a hundredth of a second.
            let share = min(Self.shareMax, rate.map { max(1, $0 / 100) } ?? Self.shareMax)
            // The same ones again and again, for their memory.
            var records = [KafkaRecord](repeating: KafkaRecord(topic: topics.orders, value: nil), count: share)
            var done = 0
            var choice = try await Choice(pick)
            var (chosenFor, chosenAt) = (0, begin)
            while done < count ?? .max, !Task.isCancelled {
                if let rate { try await Task.sleep(until: begin + .seconds(Double(done) / Double(rate))) }
                if done - chosenFor >= 10_000, chosenAt.duration(to: .now) >= .seconds(1) {
                    choice = try await Choice(pick)
                    (chosenFor, chosenAt) = (done, .now)
                }
                let now = SystemWallClock().now
                records.removeLast(max(0, records.count - ((count ?? .max) - done)))
                for index in records.indices { choice.order(&records[index], at: now, &random) }
                try await producer.enqueue(records, in: ledger)
                done += records.count
                progress(done)
                if let failure = ledger.counts.firstFailure { throw failure }
            }
        } catch is CancellationError {
            logger.debug("The producer was cancelled.")
        } catch let error as KafkaError where error.code == .cancelled {
            logger.debug("The producer was cancelled.")
        } catch {
            await producer.shutdown()
            throw error
        }
        // What was handed over is delivered, though nobody waits for more.
        await producer.shutdown()
        let counts = ledger.counts
        if let failure = counts.firstFailure { throw failure }
        return counts.delivered
    }
}

/// Users and products to make orders of.
private struct Choice {
    private let users: [(id: UserID, key: [UInt8])]
    private let products: [(id: ProductID, price: Int)]
    private static let payments = ["card", "bank_transfer", "kakao_pay", "naver_pay", "cash"]

    /// What `pick` picks.
    init(_ pick: () async throws -> (users: [RetailUser], products: [RetailProduct])) async throws {
        let rows = try await pick()
        guard !rows.users.isEmpty, !rows.products.isEmpty else {
            throw SojournError(
                .invalidInput, "There are no users, or no products, to make orders of: `sojourn seed` makes some.")
        }
        users = rows.users.map { ($0.id, Array($0.id.text.utf8)) }
        products = rows.products.map { ($0.id, $0.price) }
    }

    /// Makes a record that of a random order, keyed by its user.
    func order(_ record: inout KafkaRecord, at now: Timestamp, _ random: inout SeededRandom) {
        let user = users[random.below(users.count)]
        let product = products[random.below(products.count)]
        let id = OrderID(UUIDBytes(version7At: now, bits: (random.next(), random.next())))
        var order = RetailOrderDraft(id: id, userID: user.id, productID: product.id)
        order.quantity = 1 + random.below(5)
        order.shippingCost = product.price * order.quantity >= 50_000 ? 0 : 3_000
        order.paymentMethod = Self.payments[random.below(Self.payments.count)]
        order.createdAt = now
        var content = record.value.take() ?? []
        order.write(to: &content)
        record.value = content
        record.key = user.key
        record.timestamp = Date(now)
    }
}
