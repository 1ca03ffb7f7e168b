// SPDX-License-Identifier: Apache-2.0

/// One partition of a topic, as one group of consumers reads it.
public struct StreamPartition: Sendable, Hashable, CustomStringConvertible {
    /// The consumers that share the topic.
    public let group: String
    /// The topic.
    public let topic: String
    /// The partition's number, from 0.
    public let number: Int

    /// Partition `number` of `topic` for `group`.
    public init(group: String, topic: String, number: Int) {
        self.group = group
        self.topic = topic
        self.number = number
    }

    public var description: String { "\(topic)/\(number)" }
}

/// One message, as it came.
public struct StreamMessage: Sendable, Hashable {
    /// Its place in the partition.
    public let offset: Int64
    /// Its key, nil for none.
    public let key: [UInt8]?
    /// Its content, nil for none.
    public let value: [UInt8]?

    /// A message.
    public init(offset: Int64, key: [UInt8]?, value: [UInt8]?) {
        self.offset = offset
        self.key = key
        self.value = value
    }
}

/// Consecutive messages of one partition, to be written together with how far they bring the group.
public struct StreamStep: Sendable {
    /// A message that is an order.
    public struct Order: Sendable {
        /// The message.
        public let message: StreamMessage
        /// What it says.
        public let draft: RetailOrderDraft
    }

    /// A message that cannot be written.
    public struct Refusal: Sendable {
        /// The message.
        public let message: StreamMessage
        /// Why not, for people.
        public let reason: String

        /// A message, and why it cannot be written.
        public init(message: StreamMessage, reason: String) {
            self.message = message
            self.reason = reason
        }
    }

    /// The partition.
    public let partition: StreamPartition
    /// Where the group must be for the step to be taken.
    public let from: Int64
    /// Where the group is once it is taken.
    public let next: Int64
    /// The orders.
    public private(set) var orders: [Order] = []
    /// What becomes a dead letter at once.
    public private(set) var refusals: [Refusal] = []

    /// Reads messages, each by itself: what is no order is refused.
    public init(_ messages: some Sequence<StreamMessage>, of partition: StreamPartition, from: Int64, to next: Int64) {
        self.partition = partition
        self.from = from
        self.next = next
        for message in messages {
            do {
                orders.append(Order(message: message, draft: try RetailOrderDraft(message)))
            } catch {
                refusals.append(Refusal(message: message, reason: "\(error)"))
            }
        }
    }

    /// A step past one message that is refused whatever it says.
    public init(refusing refusal: Refusal, of partition: StreamPartition, from: Int64, to next: Int64) {
        self.partition = partition
        self.from = from
        self.next = next
        refusals = [refusal]
    }
}

/// What came of a step.
public enum StreamOutcome: Sendable, Hashable {
    /// It was taken: so many orders are new, so many were there, so many messages became dead letters.
    case taken(orders: Int, present: Int, dead: Int)
    /// The group is somewhere else, since somebody else moved it; nothing was written.
    case fenced
}

extension RetailOrderDraft {
    /// The most bytes of a message's content.
    public static let messageBytesMax = 65_536

    /// Reads an order from a message of the topic `orders`: a JSON object as `POST /v1/orders` takes it, with an id, by
    /// which a repeat is recognised (K2).
    ///
    /// - Throws: `malformedJSON`, `tooLarge`, or `invalidInput` naming the field that is missing or wrong.
    public init(_ message: StreamMessage) throws {
        guard let value = message.value else {
            throw SojournError(.malformedJSON, "The message has no content: a JSON object is expected.")
        }
        guard value.count <= Self.messageBytesMax else {
            throw SojournError(.tooLarge, "The message is larger than \(Self.messageBytesMax) bytes.")
        }
        guard case .object(let members) = try JSONValue(parsing: value) else {
            throw SojournError(.malformedJSON, "The message is no JSON object.")
        }
        guard case .string = members["order_id"] else {
            throw SojournError(
                .invalidInput, "A UUID is expected, by which a repeat is recognised.", field: "order_id")
        }
        try self.init(json: members)
        try check()
    }
}
