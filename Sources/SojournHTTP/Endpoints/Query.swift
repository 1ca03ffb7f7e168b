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
    /// - Throws: `Problem` 422 naming a parameter that is unknown, is there twice, is not UTF-8, or breaks its schema.
    init(_ text: String, known: [Parameter]?) throws {
        var values: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let decoded = parts.map { $0.replacing("+", with: " ").removingPercentEncoding }
            guard let name = decoded.first ?? nil, let value = decoded.count > 1 ? decoded[1] : "" else {
                throw Problem.invalid(String(parts.first ?? ""), "Is not UTF-8 in percent encoding.")
            }
            if let known {
                guard let parameter = known.first(where: { $0.place == .query && $0.name == name }) else {
                    throw Problem.invalid(name, "There is no such query parameter here.")
                }
                if let rule = parameter.schema.rule(brokenBy: value) { throw Problem.invalid(name, rule) }
            }
            guard values.updateValue(value, forKey: name) == nil else {
                throw Problem.invalid(name, "May stand here only once.")
            }
        }
        self.values = values
    }

    /// A parameter's value; nil where it was not given.
    subscript(_ name: String) -> String? { values[name] }

    /// A moment; nil where not given.
    func timestamp(_ name: String) -> Timestamp? {
        values[name].flatMap { Timestamp($0) }
    }

    /// `limit` and `cursor`.
    func page() throws -> PageRequest {
        let limit = values["limit"].flatMap { Int($0) } ?? 50
        guard let text = values["cursor"] else { return PageRequest(limit: limit) }
        guard let cursor = PageCursor(text) else {
            throw Problem.invalid("cursor", "Must be `next` of the page before.")
        }
        return PageRequest(limit: limit, after: cursor)
    }
}
