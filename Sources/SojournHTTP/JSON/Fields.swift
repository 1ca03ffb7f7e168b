// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

/// Reads the members of a JSON object that a client sent, strictly: a missing member, one of another type and one that
/// nobody asked for are each refused by name. A null counts as absent.
struct Fields {
    private var members: [String: JSONValue]
    /// Where the object stands in the body, before a member's name: `` or `sessions[3].`.
    private let place: String

    /// The members of a value, which must be an object.
    init(_ value: JSONValue, place: String = "") throws {
        guard case .object(let members) = value else {
            throw Problem.invalid(place.isEmpty ? "body" : String(place.dropLast()), "Must be an object.")
        }
        self.members = members
        self.place = place
    }

    /// Refuses what was not read.
    func finish() throws {
        guard let name = members.keys.min() else { return }
        throw Problem.invalid(path(name), "There is no such field here.")
    }

    /// Where a member stands in the body.
    func path(_ name: String) -> String { place + name }

    /// Any value; nil where absent or null.
    mutating func value(_ name: String) -> JSONValue? {
        guard let value = members.removeValue(forKey: name), value != .null else { return nil }
        return value
    }

    /// A string; nil where absent.
    mutating func string(_ name: String) throws -> String? {
        guard let value = value(name) else { return nil }
        guard case .string(let string) = value else { throw wrong(name, "a string") }
        return string
    }

    /// A string that must be there.
    mutating func requiredString(_ name: String) throws -> String {
        guard let string = try string(name) else { throw missing(name) }
        return string
    }

    /// A whole number; nil where absent.
    mutating func integer(_ name: String) throws -> Int64? {
        guard let value = value(name) else { return nil }
        guard let integer = value.wholeNumber else { throw wrong(name, "a whole number") }
        return integer
    }

    /// A number; nil where absent.
    mutating func number(_ name: String) throws -> Double? {
        switch value(name) {
        case nil: return nil
        case .integer(let integer): return Double(integer)
        case .number(let number): return number
        default: throw wrong(name, "a number")
        }
    }

    /// An object; nil where absent.
    mutating func object(_ name: String) throws -> [String: JSONValue]? {
        guard let value = value(name) else { return nil }
        guard case .object(let members) = value else { throw wrong(name, "an object") }
        return members
    }

    /// An array; nil where absent.
    mutating func array(_ name: String) throws -> [JSONValue]? {
        guard let value = value(name) else { return nil }
        guard case .array(let elements) = value else { throw wrong(name, "an array") }
        return elements
    }

    /// An array of whole numbers; nil where absent.
    mutating func integers(_ name: String) throws -> [Int64]? {
        try array(name)?.enumerated().map { index, value in
            guard let integer = value.wholeNumber else { throw wrong("\(name)[\(index)]", "a whole number") }
            return integer
        }
    }

    /// A moment in RFC 3339; nil where absent.
    mutating func timestamp(_ name: String) throws -> Timestamp? {
        guard let text = try string(name) else { return nil }
        guard let time = Timestamp(text) else { throw wrong(name, "a time in RFC 3339, such as 2026-01-31T12:00:00Z") }
        return time
    }

    /// A user's id; nil where absent.
    mutating func user(_ name: String) throws -> UserID? {
        guard let text = try string(name) else { return nil }
        guard let user = UserID(text) else { throw wrong(name, "1 to 50 characters, none of them a control character") }
        return user
    }

    /// One of an enumeration's names; nil where absent.
    mutating func choice<Choice: RawRepresentable & CaseIterable>(_ name: String, _: Choice.Type) throws -> Choice?
    where Choice.RawValue == String {
        guard let text = try string(name) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw wrong(name, "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return choice
    }

    /// The failure of a member that must be there and is not.
    func missing(_ name: String) -> Problem { .invalid(path(name), "Is missing.") }

    /// The failure of a member that is something else than `what`.
    func wrong(_ name: String, _ what: String) -> Problem { .invalid(path(name), "Must be \(what).") }
}
