// SPDX-License-Identifier: Apache-2.0

/// A message that could not be written, kept with the reason and the place (K3).
public struct DeadLetter: Sendable, Hashable {
    /// What has been done about it.
    public enum State: String, Sendable, Hashable, CaseIterable {
        /// Nothing yet.
        case open
        /// It was written after all.
        case retried
        /// It was given up.
        case dropped
    }

    /// Its number, rising.
    public let id: Int64
    /// Where it stood.
    public let partition: StreamPartition
    /// The message.
    public let message: StreamMessage
    /// Why it could not be written.
    public let reason: String
    /// What has been done about it.
    public let state: State
    /// When it was found.
    public let createdAt: Timestamp
    /// When something was done about it; nil while it is open.
    public let settledAt: Timestamp?

    /// A row: for stores.
    public init(
        id: Int64, partition: StreamPartition, message: StreamMessage, reason: String, state: State,
        createdAt: Timestamp, settledAt: Timestamp?
    ) {
        self.id = id
        self.partition = partition
        self.message = message
        self.reason = reason
        self.state = state
        self.createdAt = createdAt
        self.settledAt = settledAt
    }

    /// The letter as every face shows it; bytes that are no UTF-8 are replaced.
    public var json: JSONValue {
        let text = { (bytes: [UInt8]?) in JSONValue.optional(bytes.map { String(decoding: $0, as: UTF8.self) }) }
        return .object([
            "letter_id": .integer(id), "group": .string(partition.group), "topic": .string(partition.topic),
            "partition": .integer(Int64(partition.number)), "content": .string(partition.content.rawValue),
            "offset": .integer(message.offset),
            "key": text(message.key), "value": text(message.value), "reason": .string(reason),
            "state": .string(state.rawValue), "created_at": .string(createdAt.text),
            "settled_at": .optional(settledAt?.text),
        ])
    }
}
