// SPDX-License-Identifier: Apache-2.0

/// What a change does to a column.
public enum FieldChange<Value: Sendable & Hashable>: Sendable, Hashable {
    /// Nothing.
    case keep
    /// Gives it this value; nil clears it, where it may be empty.
    case set(Value)
}

/// Reads a row's columns out of a JSON object, whoever sent it: strictly, so that one that is missing, of another type or
/// unknown is refused by name.
struct RetailFields {
    private var members: [String: JSONValue]
    /// Where the object stands, before a column's name: `` or `[3].`.
    private let place: String

    /// The columns of an object.
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

    /// A change of a column that may be empty: absent keeps, null clears.
    mutating func change<Value>(
        _ name: String, _ read: (inout Self, String) throws -> Value?
    ) throws -> FieldChange<Value?> {
        guard members.keys.contains(name) else { return .keep }
        return .set(try read(&self, name))
    }

    /// A change of a column that may not be empty: null is refused.
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

    /// A user's id.
    mutating func user(_ name: String) throws -> UserID? {
        try parsed(name, "1 to \(UserID.lengthMax) characters, none of them a control character") { UserID($0) }
    }

    /// An order's id.
    mutating func order(_ name: String) throws -> OrderID? {
        try parsed(name, "a UUID") { OrderID($0) }
    }

    /// A gender.
    mutating func gender(_ name: String) throws -> RetailGender? {
        try parsed(name, "M or F") { RetailGender(rawValue: $0) }
    }

    /// A day.
    mutating func date(_ name: String) throws -> CalendarDate? {
        try parsed(name, "a date such as 2026-01-31") { CalendarDate($0) }
    }

    /// A moment.
    mutating func time(_ name: String) throws -> Timestamp? {
        try parsed(name, "a time in RFC 3339, such as 2026-01-31T12:00:00Z") { Timestamp($0) }
    }

    private mutating func parsed<Value>(_ name: String, _ what: String, _ parse: (String) -> Value?) throws -> Value? {
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

/// Holds a row's values to their limits; each failure names the column.
struct RetailCheck {
    /// Where the row stands, before a column's name.
    let place: String

    /// Text of 1 to so many characters, none of them a control character.
    func name(_ text: String?, _ field: String, lengthMax: Int) throws {
        guard let text, !Limits.isName(text, lengthMax: lengthMax) else { return }
        throw SojournError(
            .invalidInput, "Must be 1 to \(lengthMax) characters, none of them a control character.",
            field: place + field)
    }

    /// A whole number within bounds.
    func number(_ number: Int?, _ field: String, _ range: ClosedRange<Int>) throws {
        guard let number, !range.contains(number) else { return }
        throw SojournError(
            .invalidInput, "Must be a whole number from \(range.lowerBound) to \(range.upperBound).",
            field: place + field)
    }

    /// Not an address and a region at once.
    func oneOf(address: Bool, region: Bool) throws {
        guard address && region else { return }
        throw SojournError(
            .invalidInput, "Give the address, which the region is taken from, or the region; not both.",
            field: place + "region")
    }
}

extension FieldChange {
    /// The new value; nil where there is none.
    func value<Wrapped>() -> Wrapped? where Value == Wrapped? {
        if case .set(let value) = self { value } else { nil }
    }

    /// The new value; nil where there is none.
    func value() -> Value? {
        if case .set(let value) = self { value } else { nil }
    }
}

extension JSONValue {
    /// Text, or null.
    static func optional(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }
    /// A whole number, or null.
    static func optional(_ number: Int?) -> JSONValue { number.map { .integer(Int64($0)) } ?? .null }
}

/// Amounts of money, stock and the like.
public enum RetailAmount {
    /// Money is a whole number of the currency's smallest unit (won, cents): 0 to 10^12, so that a price times a quantity
    /// fits in 64 bits, and a sum of many in what every JSON reader keeps exact.
    public static let range = 0...1_000_000_000_000
}
