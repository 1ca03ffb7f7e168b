// SPDX-License-Identifier: Apache-2.0

import Logging
import Synchronization
import Testing

@testable import Sojourn

/// What the writer of a stream does about each class of errors (K2), over a stream store in this process, which stands in for a
/// database and says what it is told to say.
@Suite("The writer of a stream", .timeLimit(.minutes(5)))
struct PipelineWriterTests {
    /// Positions and offsets of what was written, moved by compare-and-set.
    private final class FakeStreamStore: StreamStore {
        struct State {
            var position: Int64 = 0
            var written: [Int64] = []
            var dead: [Int64: String] = [:]
            var calls = 0
        }

        let state = Mutex(State())
        /// Throws before a step is taken, or after, by the number of the call.
        let before: @Sendable (StreamStep, Int) throws -> Void
        let after: @Sendable (Int) throws -> Void

        init(
            before: @escaping @Sendable (StreamStep, Int) throws -> Void = { _, _ in },
            after: @escaping @Sendable (Int) throws -> Void = { _ in }
        ) {
            self.before = before
            self.after = after
        }

        func positions(of partitions: [StreamPartition]) async throws -> [StreamPartition: Int64] {
            let position = state.withLock { $0.position }
            return Dictionary(uniqueKeysWithValues: partitions.map { ($0, position) })
        }

        func take(_ step: StreamStep) async throws -> StreamOutcome {
            let call = state.withLock {
                $0.calls += 1
                return $0.calls
            }
            try before(step, call)
            let outcome: StreamOutcome = state.withLock { state in
                guard state.position == step.from else { return .fenced }
                state.position = step.next
                state.written += step.orders.map(\.message.offset)
                for refusal in step.refusals { state.dead[refusal.message.offset] = refusal.reason }
                return .taken(StreamTally(written: step.orders.count, dead: step.refusals.count))
            }
            try after(call)
            return outcome
        }

        func droppedMessages(of group: String) async throws -> Int { 0 }

        func rewind(to positions: [StreamPartition: Int64]) async throws {
            state.withLock { $0.position = positions.values.first ?? 0 }
        }
    }

    private let partition = StreamPartition(group: "g", topic: "orders", number: 0)
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func message(_ offset: Int64, _ text: String? = nil) -> StreamMessage {
        let order = RetailOrderDraft(
            id: OrderID(UUIDBytes(high: 1, low: UInt64(offset))), userID: UserID(stored: "u"), productID: "p")
        return StreamMessage(offset: offset, key: nil, value: text.map { Array($0.utf8) } ?? order.message)
    }

    private func write(
        _ messages: [StreamMessage], into store: FakeStreamStore, to next: Int64, while isCurrent: Bool = true
    ) async throws -> PipelineWriter.Outcome {
        try await PipelineWriter(store, logger: logger, restMax: .milliseconds(1)).write(
            messages[...], of: partition, from: 0, to: next, while: { isCurrent })
    }

    @Test("what is no order is a dead letter with its reason; the others are written")
    func malformed() async throws {
        let store = FakeStreamStore()
        let noID = #"{"user_id": "u", "product_id": "p"}"#
        let messages = [
            message(0), message(1, "no JSON"), message(2, "[]"), message(3, noID), message(4),
            message(5, #"{"order_id": "00000000-0000-0000-0000-000000000001", "product_id": "p"}"#),
            StreamMessage(offset: 6, key: nil, value: nil),
            message(7, "\"" + String(repeating: "x", count: RetailOrderDraft.messageBytesMax) + "\""),
        ]
        #expect(try await write(messages, into: store, to: 8) == .written)
        let state = store.state.withLock { $0 }
        #expect(state.written == [0, 4] && state.position == 8 && state.calls == 1)
        #expect(state.dead.keys.sorted() == [1, 2, 3, 5, 6, 7])
        #expect(state.dead[3]?.hasPrefix("order_id:") == true)
        #expect(state.dead[5]?.hasPrefix("user_id:") == true)
    }

    @Test("a message that the database refuses with all its neighbours is found by halving", arguments: 1...40)
    func halving(seed: UInt64) async throws {
        var random = SeededRandom(seed: seed)
        let count = Int64.random(in: 1...200, using: &random)
        let bad = Set(
            (0..<Int.random(in: 0...5, using: &random)).map { _ in Int64.random(in: 0..<count, using: &random) })
        let store = FakeStreamStore(before: { step, _ in
            if step.orders.contains(where: { bad.contains($0.message.offset) }) {
                throw SojournError(.invalidInput, "A value is outside what the database accepts.")
            }
        })
        #expect(try await write((0..<count).map { message($0) }, into: store, to: count + 3) == .written)
        let state = store.state.withLock { $0 }
        #expect(state.written == (0..<count).filter { !bad.contains($0) })
        #expect(Set(state.dead.keys) == bad && state.position == count + 3)
    }

    @Test("what passes is tried again, and what was written by a call whose answer was lost is not written twice")
    func passing() async throws {
        let store = FakeStreamStore(
            before: { _, call in if call <= 3 { throw SojournError(.storeUnavailable, "Down.") } },
            after: { call in if call == 4 { throw SojournError(.storeUnavailable, "Lost.") } })
        #expect(try await write([message(0), message(1)], into: store, to: 2) == .written)
        let state = store.state.withLock { $0 }
        #expect(state.written == [0, 1] && state.position == 2 && state.calls == 5)
    }

    @Test("who was overtaken writes nothing, and is told where the group is")
    func fenced() async throws {
        let store = FakeStreamStore()
        try await store.rewind(to: [partition: 7])
        #expect(try await write([message(0)], into: store, to: 1) == .moved(to: 7))
        #expect(store.state.withLock { $0.written.isEmpty && $0.position == 7 })
    }

    @Test("a partition that was taken away is left alone")
    func stale() async throws {
        let store = FakeStreamStore()
        #expect(try await write([message(0)], into: store, to: 1, while: false) == .stale)
        #expect(store.state.withLock { $0.calls == 0 })
    }

    @Test("what will not pass is thrown")
    func fatal() async throws {
        let store = FakeStreamStore(before: { _, _ in throw SojournError(.storeDamaged, "Damaged.") })
        let error = await #expect(throws: SojournError.self) {
            try await write([message(0), message(1)], into: store, to: 2)
        }
        #expect(error?.code == .storeDamaged)
        #expect(store.state.withLock { $0.calls == 1 && $0.position == 0 })
    }
}

/// The content of a message, written by hand, against the trees and the decoder that know nothing of it.
@Suite("The message of an order") struct OrderMessageTests {
    private static let full: RetailOrderDraft = {
        var order = RetailOrderDraft(
            id: OrderID(UUIDBytes(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210)),
            userID: UserID(stored: "김서연 é 🙂"), productID: "a \"b\" \\ c/d")
        order.quantity = 1_000_000
        order.totalAmount = 0
        order.shippingCost = 1_000_000_000
        order.discountAmount = 7
        order.paymentMethod = "\"\"\\\\"
        order.status = "\u{2028}\u{FFFF}{}[]:,"
        order.createdAt = Timestamp(microseconds: 1_767_225_599_987_000)
        return order
    }()
    private static let small: RetailOrderDraft = {
        let id = OrderID(UUIDBytes(high: 0, low: .max))
        return RetailOrderDraft(id: id, userID: UserID(stored: "u"), productID: "p")
    }()
    /// What no store takes; every byte is escaped, every number as long as can be.
    private static let extreme: RetailOrderDraft = {
        let controls = String(decoding: 0..<32, as: UTF8.self) + "\u{7F}"
        var order = RetailOrderDraft(userID: UserID(stored: controls), productID: String(repeating: "\0", count: 999))
        (order.quantity, order.totalAmount, order.shippingCost, order.discountAmount) = (.min, .min, .min, .min)
        (order.paymentMethod, order.status) = ("\0", "\u{1F}")
        order.createdAt = Timestamp(microseconds: .min)
        return order
    }()

    private func tree(_ order: RetailOrderDraft) -> JSONValue {
        .object([
            "order_id": .string(order.id.description), "user_id": .string(order.userID.text),
            "product_id": .string(order.productID), "quantity": .integer(Int64(order.quantity)),
            "total_amount": order.totalAmount.map { .integer(Int64($0)) } ?? .null,
            "shipping_cost": .integer(Int64(order.shippingCost)),
            "discount_amount": .integer(Int64(order.discountAmount)),
            "payment_method": order.paymentMethod.map { .string($0) } ?? .null, "status": .string(order.status),
            "created_at": order.createdAt.map { .string($0.text) } ?? .null,
        ])
    }

    @Test("is JSON that says all of the order, whatever its texts hold", arguments: [full, small, extreme])
    func content(_ order: RetailOrderDraft) throws {
        #expect(try JSONValue(parsing: order.message) == tree(order))
    }

    @Test("is read as the same order", arguments: [full, small]) func roundTrip(_ order: RetailOrderDraft) throws {
        let message = StreamMessage(offset: 0, key: nil, value: order.message)
        #expect(try RetailOrderDraft(message) == order)
    }
}
