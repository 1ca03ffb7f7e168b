// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Sojourn

// How values travel between two processes of one test: as JSON, a struct as the array of its fields in order. The types
// themselves are not Codable, since what HTTP and the stores write down of them is no image of their fields.

extension Encoder {
    /// Writes fields in this order.
    func write<each Field: Encodable>(_ fields: repeat each Field) throws {
        var list = unkeyedContainer()
        repeat try list.encode(each fields)
    }
}

/// The fields that `write` wrote, in its order.
struct Fields {
    private var list: any UnkeyedDecodingContainer

    /// The fields that a decoder has before it.
    init(_ decoder: any Decoder) throws {
        list = try decoder.unkeyedContainer()
    }

    /// The next one, of the type that is wanted of it.
    mutating func next<Field: Decodable>() throws -> Field {
        try list.decode(Field.self)
    }
}

extension Decoder {
    /// A value that a text was to name.
    ///
    /// - Throws: `DecodingError` for nil: the text names none.
    func known<Value>(_ value: Value?) throws -> Value {
        guard let value else {
            throw DecodingError.dataCorrupted(
                DecodingError.Context(codingPath: codingPath, debugDescription: "The text names no \(Value.self)."))
        }
        return value
    }
}

// MARK: - Names, moments, choices

extension SessionID: Codable {
    public func encode(to encoder: any Encoder) throws { try uuid.text.encode(to: encoder) }
    public init(from decoder: any Decoder) throws { self = try decoder.known(Self(String(from: decoder))) }
}

extension EntryID: Codable {
    public func encode(to encoder: any Encoder) throws { try uuid.text.encode(to: encoder) }
    public init(from decoder: any Decoder) throws { self = try decoder.known(Self(String(from: decoder))) }
}

extension UserID: Codable {
    public func encode(to encoder: any Encoder) throws { try text.encode(to: encoder) }
    public init(from decoder: any Decoder) throws { self.init(stored: try String(from: decoder)) }
}

extension SecretDigest: Codable {
    public func encode(to encoder: any Encoder) throws {
        // In a container, as only an encoder's own containers write `Data` as Base64.
        var value = encoder.singleValueContainer()
        try value.encode(Data(bytes))
    }
    public init(from decoder: any Decoder) throws {
        self.init(bytes: Array(try decoder.singleValueContainer().decode(Data.self)))
    }
}

extension Timestamp: Codable {
    public func encode(to encoder: any Encoder) throws { try microseconds.encode(to: encoder) }
    public init(from decoder: any Decoder) throws { self.init(microseconds: try Int64(from: decoder)) }
}

extension PageCursor: Codable {
    public func encode(to encoder: any Encoder) throws { try text.encode(to: encoder) }
    public init(from decoder: any Decoder) throws { self = try decoder.known(Self(String(from: decoder))) }
}

extension Retention: Codable {
    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .after(let duration): try encoder.write(Optional(duration))
        case .never: try encoder.write(Duration?.none)
        }
    }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        let duration: Duration? = try fields.next()
        self = duration.map { .after($0) } ?? .never
    }
}

extension SweepLap: Codable {
    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .off: try encoder.write(false, SessionID?.none)
        case .begin: try encoder.write(true, SessionID?.none)
        case .after(let id): try encoder.write(true, Optional(id))
        }
    }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        let isOn: Bool = try fields.next()
        let id: SessionID? = try fields.next()
        self = isOn ? id.map { .after($0) } ?? .begin : .off
    }
}

// Choices with a text of their own travel as that text, by the standard library's rule for them.
extension Actor: Codable {}
extension EndReason: Codable {}
extension SessionFactKind: Codable {}
extension SessionField: Codable {}
extension SessionStatus: Codable {}
extension StoreCapabilities: Codable {}
