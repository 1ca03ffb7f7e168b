// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// A JSON value (RFC 8259) as a tree.
///
/// Whole numbers up to 64 bits stay exact; others are `Double`, as in JavaScript.
public enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])
}

extension JSONValue {
    /// The tree that UTF-8 JSON text stands for.
    ///
    /// - Throws: `SojournError` with code `malformedJSON` where it is not JSON (RFC 8259, any value at the top).
    public init(parsing text: some Collection<UInt8>) throws {
        guard Self.isStrict(text) else { throw SojournError(.malformedJSON, "The text is not JSON.") }
        do {
            self = try JSONDecoder().decode(JSONValue.self, from: Data(text))
        } catch {
            throw SojournError(.malformedJSON, "The text is not JSON.", underlying: error)
        }
    }

    /// False for what Foundation takes for JSON and RFC 8259 does not: a comma before a closing bracket, and encodings
    /// other than UTF-8, which a zero byte gives away.
    private static func isStrict(_ text: some Collection<UInt8>) -> Bool {
        var isInString = false
        var isEscaped = false
        var last: UInt8 = 0
        for byte in text {
            guard byte != 0 else { return false }
            if isInString {
                isInString = isEscaped || byte != UInt8(ascii: "\"")
                isEscaped = !isEscaped && byte == UInt8(ascii: "\\")
                continue
            }
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\n"), UInt8(ascii: "\r"): continue
            case UInt8(ascii: "]"), UInt8(ascii: "}"): if last == UInt8(ascii: ",") { return false }
            case UInt8(ascii: "\""): isInString = true
            default: break
            }
            last = byte
        }
        return true
    }

    /// Compact JSON with the keys of every object sorted, so that equal trees give equal text.
    public var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // A tree of ours always encodes: Codable below refuses what JSON cannot say (NaN) before it gets here.
        guard let data = try? encoder.encode(self) else { return "null" }
        return String(decoding: data, as: UTF8.self)
    }

    /// How many arrays and objects are nested at the deepest place: 0 for a plain value, 1 for `{}`.
    public var depth: Int {
        switch self {
        case .array(let elements): 1 + (elements.map(\.depth).max() ?? 0)
        case .object(let members): 1 + (members.values.map(\.depth).max() ?? 0)
        default: 0
        }
    }

    /// Whether any string or key holds U+0000, which PostgreSQL's `jsonb` cannot keep.
    public var containsNUL: Bool {
        switch self {
        case .string(let string): string.utf8.contains(0)
        case .array(let elements): elements.contains(where: \.containsNUL)
        case .object(let members): members.contains { $0.key.utf8.contains(0) || $0.value.containsNUL }
        default: false
        }
    }

    /// The value as a whole number; nil where it is none. `2.0` is one (JSON Schema, `integer`).
    public var wholeNumber: Int64? {
        switch self {
        case .integer(let integer): integer
        case .number(let number): Int64(exactly: number)
        default: nil
        }
    }

    /// This value after a JSON Merge Patch (RFC 7396).
    public func merging(_ patch: JSONValue) -> JSONValue {
        guard case .object(let changes) = patch else { return patch }
        var result: [String: JSONValue] = [:]
        if case .object(let members) = self { result = members }
        for (key, change) in changes {
            result[key] = change == .null ? nil : (result[key] ?? .null).merging(change)
        }
        return .object(result)
    }
}

extension JSONValue: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let bool = try? container.decode(Bool.self) {
            self = .bool(bool)
        } else if let string = try? container.decode(String.self) {
            self = .string(string)
        } else if let integer = try? container.decode(Int64.self) {
            self = .integer(integer)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else if let elements = try? container.decode([JSONValue].self) {
            self = .array(elements)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let bool): try container.encode(bool)
        case .integer(let integer): try container.encode(integer)
        case .number(let number): try container.encode(number)
        case .string(let string): try container.encode(string)
        case .array(let elements): try container.encode(elements)
        case .object(let members): try container.encode(members)
        }
    }
}

/// A JSON object kept as its text: metadata, claims, an event's data.
///
/// The text is what a store keeps and what an answer repeats, so that reading a session parses nothing.
/// Two documents are equal where their trees are, however a store spells them.
public struct JSONDocument: Sendable, Hashable, CustomStringConvertible {
    /// The object as JSON text.
    public let text: String

    /// `{}`.
    public static let empty = JSONDocument(stored: "{}")

    /// A document from a store of ours, believed without parsing.
    public init(stored text: String) {
        self.text = text
    }

    /// The document of a tree, keys sorted.
    public init(_ members: [String: JSONValue]) {
        text = members.isEmpty ? "{}" : JSONValue.object(members).text
    }

    /// The object's members; empty where a stored text is no object.
    public var members: [String: JSONValue] {
        if text == "{}" { return [:] }
        guard case .object(let members)? = try? JSONValue(parsing: text.utf8) else { return [:] }
        return members
    }

    /// This document after a JSON Merge Patch (RFC 7396) by another.
    public func merging(_ patch: JSONDocument) -> JSONDocument {
        guard patch.text != "{}", case .object(let merged) = JSONValue.object(members).merging(.object(patch.members))
        else { return self }
        return JSONDocument(merged)
    }

    public static func == (left: Self, right: Self) -> Bool {
        left.text == right.text || left.members == right.members
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(members)
    }

    public var description: String { text }
}

extension JSONDocument: Codable {
    public init(from decoder: any Decoder) throws {
        self.init(try [String: JSONValue](from: decoder))
    }

    public func encode(to encoder: any Encoder) throws {
        try members.encode(to: encoder)
    }
}
