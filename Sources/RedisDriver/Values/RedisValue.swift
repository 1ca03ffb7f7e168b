// SPDX-License-Identifier: Apache-2.0

/// What Redis answers, in the types of RESP3. A server that speaks RESP2 only uses fewer of them: no map, set, double,
/// boolean or big number.
public enum RedisValue: Sendable, Hashable {
    /// A key with its value in a map.
    public struct Pair: Sendable, Hashable {
        /// The key.
        public let key: RedisValue
        /// The value.
        public let value: RedisValue

        /// The pair of both.
        public init(key: RedisValue, value: RedisValue) {
            self.key = key
            self.value = value
        }
    }

    /// Nothing: of whatever type it might have been.
    case null
    /// A whole number.
    case integer(Int)
    /// A number with a fraction, infinite, or not a number.
    case double(Double)
    /// True or false.
    case boolean(Bool)
    /// A status such as `OK`.
    case text(String)
    /// A string of bytes, which is what keys and values are.
    case bytes([UInt8])
    /// A whole number beyond 64 bits, in decimal digits.
    case bigNumber(String)
    /// An error, here only within another value: as an answer of its own it is thrown.
    case error(RedisErrorReply)
    /// A list.
    case array([RedisValue])
    /// Keys and values, in the server's order.
    case map([Pair])
    /// A list without an order.
    case set([RedisValue])
}

/// An error in the server's words.
public struct RedisErrorReply: Sendable, Hashable {
    /// All of it. It may quote arguments of the command.
    public let message: String

    /// The error with these words.
    public init(_ message: String) {
        self.message = message
    }

    /// The first word, which tells the kind: `ERR`, `WRONGTYPE`, `NOSCRIPT`.
    public var code: String {
        String(message.prefix { $0 != " " })
    }
}

extension RedisValue {
    /// Whether there is nothing.
    public var isNull: Bool { self == .null }

    /// The whole number, or the one that the string spells.
    ///
    /// - Throws: `.unexpectedResult` where it is none; the server's error where the value is one.
    public func int() throws(RedisError) -> Int {
        switch self {
        case .integer(let number): return number
        case .bytes(let bytes):
            if let number = Int(decimal: bytes) { return number }
        case .text(let text):
            if let number = Int(text) { return number }
        default: break
        }
        throw RedisError(wanted: "a whole number", got: self)
    }

    /// The string as text.
    ///
    /// - Throws: `.unexpectedResult` where it is none, or not UTF-8; the server's error where the value is one.
    public func string() throws(RedisError) -> String {
        switch self {
        case .text(let text), .bigNumber(let text): return text
        case .bytes(let bytes):
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw RedisError(wanted: "text in UTF-8", got: self)
            }
            return text
        default: throw RedisError(wanted: "text", got: self)
        }
    }

    /// The string as bytes.
    ///
    /// - Throws: `.unexpectedResult` where it is none; the server's error where the value is one.
    public func bytes() throws(RedisError) -> [UInt8] {
        switch self {
        case .bytes(let bytes): return bytes
        case .text(let text), .bigNumber(let text): return Array(text.utf8)
        default: throw RedisError(wanted: "bytes", got: self)
        }
    }

    /// The elements of a list or a set.
    ///
    /// - Throws: `.unexpectedResult` where it is neither; the server's error where the value is one.
    public func array() throws(RedisError) -> [RedisValue] {
        switch self {
        case .array(let elements), .set(let elements): return elements
        default: throw RedisError(wanted: "a list", got: self)
        }
    }

    /// The pairs of a map, or those that a list spells one after the other, as RESP2 has them.
    ///
    /// - Throws: `.unexpectedResult` where it is neither; the server's error where the value is one.
    public func pairs() throws(RedisError) -> [Pair] {
        switch self {
        case .map(let pairs): return pairs
        case .array(let elements) where elements.count.isMultiple(of: 2):
            return stride(from: 0, to: elements.count, by: 2).map {
                Pair(key: elements[$0], value: elements[$0 + 1])
            }
        default: throw RedisError(wanted: "a map", got: self)
        }
    }

    /// What its type is called in a message, without its content.
    fileprivate var kind: String {
        switch self {
        case .null: "nothing"
        case .integer: "a whole number"
        case .double: "a number"
        case .boolean: "true or false"
        case .text: "a status"
        case .bytes: "other bytes"
        case .bigNumber: "a big number"
        case .error: "an error"
        case .array: "a list"
        case .map: "a map"
        case .set: "a set"
        }
    }
}

extension Int {
    /// The whole number of 64 bits that decimal digits spell, with a sign or without; nil where they spell none.
    init?(decimal bytes: some RandomAccessCollection<UInt8>) {
        let isNegative = bytes.first == UInt8(ascii: "-")
        let digits = bytes.dropFirst(isNegative || bytes.first == UInt8(ascii: "+") ? 1 : 0)
        guard !digits.isEmpty else { return nil }
        // Counted downwards: the least number has no positive counterpart.
        var number = 0
        for byte in digits {
            let digit = byte &- UInt8(ascii: "0")
            let (tenfold, isTooMuch) = number.multipliedReportingOverflow(by: 10)
            let (sum, isTooMuchNow) = tenfold.subtractingReportingOverflow(Int(digit))
            guard digit < 10, !isTooMuch, !isTooMuchNow else { return nil }
            number = sum
        }
        guard isNegative || number != .min else { return nil }
        self = isNegative ? number : -number
    }
}

extension RedisError {
    fileprivate init(wanted: String, got value: RedisValue, file: String = #fileID, line: Int = #line) {
        if case .error(let reply) = value {
            self.init(reply, file: file, line: line)
        } else {
            self.init(
                .unexpectedResult, "Redis answered \(value.kind) where \(wanted) was expected.", outcome: .unknown,
                file: file, line: line)
        }
    }
}
