// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Sojourn
internal import SwiftCSV

/// A catalogue of items in a CSV file (RFC 4180, UTF-8) with the header `id,name,category`; the category may be left
/// out or empty, further columns are passed over (I1).
///
/// The whole file is checked before the first row is written, so that a bad row loses nothing.
public struct CatalogueFile: Sendable {
    /// The rows, in the file's order.
    public let items: [Item]

    /// The most faults that one error names.
    private static let faultsMax = 10

    /// Reads and checks a file.
    ///
    /// - Throws: `SojournError` with code `invalidInput` that names the rows at fault, the first one being row 2,
    ///   below the header.
    public init(path: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw SojournError(.invalidInput, "The file \(path) cannot be read.", field: "FILE")
        }
        guard var text = String(validating: data, as: UTF8.self) else {
            throw SojournError(.invalidInput, "The file \(path) is not UTF-8: save it as UTF-8.", field: "FILE")
        }
        if text.hasPrefix("\u{FEFF}") { text.removeFirst() }
        try self.init(text: text)
    }

    /// Reads and checks the text of a file; see `init(path:)`.
    public init(text: String) throws {
        let table: CSV<Named>
        do {
            // Quotation marks come in pairs; of one that is left over, the parser would make what it can.
            guard text.utf8.count(where: { $0 == UInt8(ascii: "\"") }).isMultiple(of: 2) else {
                throw CSVParseError.quotation(message: "odd")
            }
            table = try CSV<Named>(string: text, delimiter: .comma)
        } catch {
            throw SojournError(
                .invalidInput, "The file is not CSV: look for a quotation mark that is not closed.", field: "FILE",
                underlying: error)
        }
        guard table.header.contains("id"), table.header.contains("name") else {
            throw SojournError(
                .invalidInput,
                "The first row must name the columns id, name and category; it names "
                    + "\(table.header.joined(separator: ", ")).", field: "FILE")
        }
        var items: [Item] = []
        var faults: [String] = []
        for (index, row) in table.rows.enumerated() {
            do throws(Fault) {
                items.append(try Self.item(row))
            } catch {
                faults.append("row \(index + 2): \(error.reason)")
            }
        }
        guard faults.isEmpty else {
            let shown = faults.prefix(Self.faultsMax).joined(separator: "\n  ")
            let rest = faults.count > Self.faultsMax ? "\n  and \(faults.count - Self.faultsMax) more" : ""
            throw SojournError(
                .invalidInput, "Nothing was imported; \(faults.count) rows are at fault:\n  \(shown)\(rest)",
                field: "FILE")
        }
        self.items = items
    }

    private struct Fault: Error {
        let reason: String
    }

    private static func item(_ row: [String: String]) throws(Fault) -> Item {
        let idText = trimmed(row["id"])
        guard let id = ItemID(idText), Item.ids.contains(id) else {
            throw Fault(reason: "id must be a whole number from 1 to 2^53 - 1, not “\(idText.prefix(40))”")
        }
        let name = trimmed(row["name"])
        guard Limits.isName(name, lengthMax: Item.nameMax) else {
            throw Fault(reason: "name must be 1 to \(Item.nameMax) characters, none of them a control character")
        }
        let category = trimmed(row["category"])
        guard category.isEmpty || Limits.isName(category, lengthMax: Item.categoryMax) else {
            throw Fault(
                reason: "category must be at most \(Item.categoryMax) characters, none of them a control character")
        }
        return Item(id: id, name: name, category: category.isEmpty ? nil : category)
    }

    private static func trimmed(_ cell: String?) -> String {
        (cell ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
