// SPDX-License-Identifier: Apache-2.0

/// Reads the members of a JSON object, whoever sent it: strictly, so that one that is missing, of another type or unknown is
/// refused by name.
struct JSONFields {
    private var members: [String: JSONValue]
    /// Where the object stands, before a member's name: `` or `[3].`.
    private let place: String

    /// The members of an object.
    init(_ members: [String: JSONValue], place: String) {
        self.members = members
        self.place = place
    }

    /// Refuses what was not read.
    func finish() throws {
        guard let name = members.keys.min() else { return }
        throw SojournError(.invalidInput, "There is no such field here.", field: place + name)
    }

    /// A value that must be there.
    mutating func required<Value>(
        _ name: String, _ read: (inout Self, String) throws -> Value?
    ) throws -> Value {
        guard let value = try read(&self, name) else {
            throw SojournError(.invalidInput, "Is missing.", field: place + name)
        }
        return value
    }

    /// A change of a value that may be empty: absent keeps, null clears.
    mutating func change<Value>(
        _ name: String, _ read: (inout Self, String) throws -> Value?
    ) throws -> FieldChange<Value?> {
        guard members.keys.contains(name) else { return .keep }
        return .set(try read(&self, name))
    }

    /// A change of a value that may not be empty: null is refused.
    mutating func firmChange<Value>(
        _ name: String, _ read: (inout Self, String) throws -> Value?
    ) throws -> FieldChange<Value> {
        guard members.keys.contains(name) else { return .keep }
        guard let value = try read(&self, name) else {
            throw SojournError(.invalidInput, "May not be null.", field: place + name)
        }
        return .set(value)
    }

    /// Text; nil where absent or null, as below.
    mutating func text(_ name: String) throws -> String? {
        guard let value = value(name) else { return nil }
        guard case .string(let text) = value else { throw wrong(name, "a string") }
        return text
    }

    /// A whole number.
    mutating func number(_ name: String) throws -> Int? {
        guard let value = value(name) else { return nil }
        guard let number = value.wholeNumber else { throw wrong(name, "a whole number") }
        return Int(number)
    }

    /// A number.
    mutating func double(_ name: String) throws -> Double? {
        switch value(name) {
        case nil: return nil
        case .number(let number): return number
        case .integer(let number): return Double(number)
        default: throw wrong(name, "a number")
        }
    }

    /// The members of an object.
    mutating func object(_ name: String) throws -> [String: JSONValue]? {
        guard let value = value(name) else { return nil }
        guard case .object(let members) = value else { throw wrong(name, "an object") }
        return members
    }

    /// The elements of an array.
    mutating func array(_ name: String) throws -> [JSONValue]? {
        guard let value = value(name) else { return nil }
        guard case .array(let elements) = value else { throw wrong(name, "an array") }
        return elements
    }

    /// A moment.
    mutating func time(_ name: String) throws -> Timestamp? {
        try parsed(name, "a time in RFC 3339, such as 2026-01-31T12:00:00Z") { Timestamp($0) }
    }

    /// What `parse` makes of a text; `what` says for people what it takes.
    mutating func parsed<Value>(_ name: String, _ what: String, _ parse: (String) -> Value?) throws -> Value? {
        guard let text = try text(name) else { return nil }
        guard let value = parse(text) else { throw wrong(name, what) }
        return value
    }

    private mutating func value(_ name: String) -> JSONValue? {
        guard let value = members.removeValue(forKey: name), value != .null else { return nil }
        return value
    }

    private func wrong(_ name: String, _ what: String) -> SojournError {
        SojournError(.invalidInput, "Must be \(what).", field: place + name)
    }
}

extension JSONValue {
    /// Text, or null.
    static func optional(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }
    /// A whole number, or null.
    static func optional(_ number: Int?) -> JSONValue { number.map { .integer(Int64($0)) } ?? .null }
}
