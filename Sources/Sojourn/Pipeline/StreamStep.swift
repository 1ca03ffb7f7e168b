// SPDX-License-Identifier: Apache-2.0

/// What the messages of a topic are.
public enum StreamContent: String, Sendable, Hashable, CaseIterable {
    /// Orders, one each (K1).
    case orders
    /// Entries of the journal, those of one call each (K4).
    case journal
}

/// One partition of a topic, as one group of consumers reads it.
public struct StreamPartition: Sendable, Hashable, CustomStringConvertible {
    /// The consumers that share the topic.
    public let group: String
    /// The topic.
    public let topic: String
    /// The partition's number, from 0.
    public let number: Int
    /// What its messages are.
    public let content: StreamContent

    /// Partition `number` of `topic` for `group`.
    public init(group: String, topic: String, number: Int, content: StreamContent = .orders) {
        self.group = group
        self.topic = topic
        self.number = number
        self.content = content
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

    /// A message that is entries of a session's journal.
    public struct Append: Sendable {
        /// The message.
        public let message: StreamMessage
        /// What it says.
        public let entries: QueuedEntries
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
    /// The orders, where the partition has orders.
    public private(set) var orders: [Order] = []
    /// The entries, where the partition has those.
    public private(set) var appends: [Append] = []
    /// What becomes a dead letter at once.
    public private(set) var refusals: [Refusal] = []

    /// Reads messages, each by itself: what is not what the partition's messages are is refused.
    public init(_ messages: some Sequence<StreamMessage>, of partition: StreamPartition, from: Int64, to next: Int64) {
        self.partition = partition
        self.from = from
        self.next = next
        for message in messages {
            do {
                switch partition.content {
                case .orders: orders.append(Order(message: message, draft: try RetailOrderDraft(message)))
                case .journal: appends.append(Append(message: message, entries: try QueuedEntries(message)))
                }
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
    /// It was taken.
    case taken(StreamTally)
    /// The group is somewhere else, since somebody else moved it; nothing was written.
    case fenced
}

/// What became of the messages of a step.
public struct StreamTally: Sendable, Hashable {
    /// Written now, in whole or in part.
    public var written = 0
    /// There already.
    public var present = 0
    /// Entries of a session that is gone, which nobody can read any more.
    public var dropped = 0
    /// Dead letters.
    public var dead = 0

    /// Messages, by what became of them.
    public init(written: Int = 0, present: Int = 0, dropped: Int = 0, dead: Int = 0) {
        self.written = written
        self.present = present
        self.dropped = dropped
        self.dead = dead
    }
}

extension RetailOrderDraft {
    /// The most bytes of a message's content.
    public static let messageBytesMax = 65_536

    /// Reads an order from a message of the topic `orders`: a JSON object as `POST /v1/orders` takes it, with an id, by
    /// which a repeat is recognised (K2).
    ///
    /// - Throws: `malformedJSON`, `tooLarge`, or `invalidInput` naming the field that is missing or wrong.
    public init(_ message: StreamMessage) throws {
        let members = try message.members(bytesMax: Self.messageBytesMax)
        guard case .string = members["order_id"] else {
            throw SojournError(
                .invalidInput, "A UUID is expected, by which a repeat is recognised.", field: "order_id")
        }
        try self.init(json: members)
        try check()
    }

    /// The content of the message that `init(_:)` reads as this order.
    public var message: [UInt8] {
        var content: [UInt8] = []
        write(to: &content)
        return content
    }

    /// Replaces `content` by `message`, in its memory: a producer makes hundreds of thousands a second.
    public func write(to content: inout [UInt8]) {
        let texts =
            JSONBytes.most(of: userID.text) + JSONBytes.most(of: productID) + JSONBytes.most(of: paymentMethod ?? "")
            + JSONBytes.most(of: status)
        // The names and what stands between them are 144 bytes.
        let most = 144 + JSONBytes.uuid + texts + 4 * JSONBytes.number + JSONBytes.timestamp
        content.removeAll(keepingCapacity: true)
        content.append(addingCapacity: most) { (json: inout OutputSpan<UInt8>) in
            json.append(#"{"order_id":"#)
            json.append(json: id.uuid)
            json.append(#","user_id":"#)
            json.append(json: userID.text)
            json.append(#","product_id":"#)
            json.append(json: productID)
            json.append(#","quantity":"#)
            json.append(json: quantity)
            json.append(#","total_amount":"#)
            if let totalAmount { json.append(json: totalAmount) } else { json.append("null") }
            json.append(#","shipping_cost":"#)
            json.append(json: shippingCost)
            json.append(#","discount_amount":"#)
            json.append(json: discountAmount)
            json.append(#","payment_method":"#)
            if let paymentMethod { json.append(json: paymentMethod) } else { json.append("null") }
            json.append(#","status":"#)
            json.append(json: status)
            json.append(#","created_at":"#)
            if let createdAt { json.append(json: createdAt) } else { json.append("null") }
            json.append("}")
        }
    }
}

extension StreamMessage {
    /// The members of the JSON object that its content is.
    ///
    /// - Throws: `malformedJSON` or `tooLarge`.
    func members(bytesMax: Int) throws -> [String: JSONValue] {
        guard let value else {
            throw SojournError(.malformedJSON, "The message has no content: a JSON object is expected.")
        }
        guard value.count <= bytesMax else {
            throw SojournError(.tooLarge, "The message is larger than \(bytesMax) bytes.")
        }
        guard case .object(let members) = try JSONValue(parsing: value) else {
            throw SojournError(.malformedJSON, "The message is no JSON object.")
        }
        return members
    }
}
