// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Sojourn

/// The query of a request: each parameter once, `+` and percent escapes decoded.
struct Query: Sendable {
    private let values: [String: String]

    /// No query.
    static let empty = Query(values: [:])

    private init(values: [String: String]) {
        self.values = values
    }

    /// Reads a query.
    ///
    /// - Parameter known: the names that may stand in it; nil for any.
    /// - Throws: `Problem` 422 naming a parameter that is unknown, is there twice, or is not UTF-8.
    init(_ text: String, known: [Parameter]?) throws {
        var values: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let decoded = parts.map { $0.replacing("+", with: " ").removingPercentEncoding }
            guard let name = decoded.first ?? nil, let value = decoded.count > 1 ? decoded[1] : "" else {
                throw Problem.invalid(String(parts.first ?? ""), "Is not UTF-8 in percent encoding.")
            }
            if let known, !known.contains(where: { $0.place == .query && $0.name == name }) {
                throw Problem.invalid(name, "There is no such query parameter here.")
            }
            guard values.updateValue(value, forKey: name) == nil else {
                throw Problem.invalid(name, "May stand here only once.")
            }
        }
        self.values = values
    }

    /// A parameter's value; nil where it was not given.
    subscript(_ name: String) -> String? { values[name] }

    /// One of these words; nil where not given.
    func choice(_ name: String, _ words: [String]) throws -> String? {
        guard let value = values[name] else { return nil }
        guard words.contains(value) else {
            throw Problem.invalid(name, "Must be " + words.joined(separator: " or ") + ".")
        }
        return value
    }

    /// A moment in RFC 3339; nil where not given.
    func timestamp(_ name: String) throws -> Timestamp? {
        guard let value = values[name] else { return nil }
        guard let time = Timestamp(value) else {
            throw Problem.invalid(name, "Must be a time in RFC 3339, such as 2026-01-31T12:00:00Z.")
        }
        return time
    }

    /// `limit` and `cursor`. The façade holds the limit to its bounds.
    func page() throws -> PageRequest {
        var limit = 50
        if let value = values["limit"] {
            guard let number = Int(value), value.utf8.allSatisfy({ (48...57).contains($0) }) else {
                throw Problem.invalid("limit", "Must be a whole number.")
            }
            limit = number
        }
        guard let text = values["cursor"] else { return PageRequest(limit: limit) }
        guard let cursor = PageCursor(text) else {
            throw Problem.invalid("cursor", "Must be `next` of the page before.")
        }
        return PageRequest(limit: limit, after: cursor)
    }
}
