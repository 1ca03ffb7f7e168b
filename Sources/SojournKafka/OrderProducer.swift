// SPDX-License-Identifier: Apache-2.0

internal import KafkaDriver
public import Logging
public import Sojourn

/// Makes orders of random users for random products, and writes them to the topic, keyed by user (K1).
public struct OrderProducer: Sendable {
    private let stream: OrderStream
    private let logger: Logger
    private static let payments = ["card", "bank_transfer", "kakao_pay", "naver_pay", "cash"]

    /// A producer into `stream`.
    public init(_ stream: OrderStream, logger: Logger) {
        self.stream = stream
        self.logger = logger
    }

    /// Writes `count` orders, or orders until the task is cancelled where `count` is nil, and returns how many were delivered.
    ///
    /// - Parameter rate: orders a second, evenly; nil for as many as the brokers take.
    /// - Parameter pick: users and products to choose from; asked anew for every 10,000 orders.
    /// - Parameter progress: told how many orders were handed over.
    /// - Throws: `invalidInput` where there are no users or products; why an order was not delivered.
    public func produce(
        _ count: Int?, rate: Int?, pick: @Sendable () async throws -> (users: [RetailUser], products: [RetailProduct]),
        progress: @Sendable (Int) -> Void
    ) async throws -> Int {
        var settings = KafkaProducer.Settings()
        // Nobody waits for a single order: fuller requests are cheaper.
        settings.linger = .milliseconds(5)
        let producer = KafkaProducer(stream.kafka, settings, logger: logger)
        let ledger = KafkaLedger()
        do {
            let begin = ContinuousClock.now
            var done = 0
            var choice = try await Self.choice(pick)
            while done < count ?? .max, !Task.isCancelled {
                if done > 0, done.isMultiple(of: 10_000) { choice = try await Self.choice(pick) }
                if let rate, done.isMultiple(of: max(1, rate / 100)) {
                    try await Task.sleep(until: begin + .seconds(Double(done) / Double(rate)))
                }
                let order = Self.order(of: choice)
                try await producer.enqueue(
                    KafkaRecord(
                        topic: stream.topic, key: Array(order.userID.text.utf8), value: Array(order.json.text.utf8)),
                    in: ledger)
                done += 1
                if done.isMultiple(of: 500) { progress(done) }
                if let failure = ledger.counts.firstFailure { throw failure }
            }
            progress(done)
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

    private typealias Choice = (users: [RetailUser], products: [RetailProduct])

    private static func choice(_ pick: () async throws -> Choice) async throws -> Choice {
        let choice = try await pick()
        guard !choice.users.isEmpty, !choice.products.isEmpty else {
            throw SojournError(
                .invalidInput, "There are no users, or no products, to make orders of: `sojourn seed` makes some.")
        }
        return choice
    }

    private static func order(of choice: Choice) -> RetailOrderDraft {
        let user = choice.users[.random(in: choice.users.indices)]
        let product = choice.products[.random(in: choice.products.indices)]
        var order = RetailOrderDraft(userID: user.id, productID: product.id)
        order.quantity = .random(in: 1...5)
        order.shippingCost = product.price * order.quantity >= 50_000 ? 0 : 3_000
        order.paymentMethod = payments[.random(in: payments.indices)]
        order.createdAt = SystemWallClock().now
        return order
    }
}
