// SPDX-License-Identifier: Apache-2.0

/// What a change does to a column.
public enum FieldChange<Value: Sendable & Hashable>: Sendable, Hashable {
    /// Nothing.
    case keep
    /// Gives it this value; nil clears it, where it may be empty.
    case set(Value)
}

/// What only rows have.
extension JSONFields {
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

/// Amounts of money, stock and the like.
public enum RetailAmount {
    /// Money is a whole number of the currency's smallest unit (won, cents): 0 to 10^12, so that a price times a quantity
    /// fits in 64 bits, and a sum of many in what every JSON reader keeps exact.
    public static let range = 0...1_000_000_000_000
}
