// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Sojourn

/// Rows under headings, aligned for people.
struct Table {
    /// A column: its heading, and whether its cells are numbers, which are set to the right.
    struct Column {
        let heading: String
        var isNumber = false
    }

    /// The columns.
    let columns: [Column]
    /// The cells, row by row; a row has as many as there are columns.
    var rows: [[String]] = []

    /// An empty table with text columns so headed; a heading that begins with `#` is one of numbers.
    init(_ headings: String...) {
        self.init(headings)
    }

    /// The same for columns that are counted out elsewhere.
    init(_ headings: [String]) {
        columns = headings.map { heading in
            heading.hasPrefix("#")
                ? Column(heading: String(heading.dropFirst()), isNumber: true) : Column(heading: heading)
        }
    }

    /// The table as lines, the headings first.
    var text: String {
        let head = columns.map { $0.heading.uppercased() }
        let lines = [head] + rows.map { $0.map { $0.escapingControls() } }
        let widths = columns.indices.map { column in lines.map { $0[column].displayWidth }.max() ?? 0 }
        return lines.map { cells in
            columns.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - cells[column].displayWidth)
                return columns[column].isNumber ? padding + cells[column] : cells[column] + padding
            }
            .joined(separator: "  ").trimmingTrailingSpaces
        }
        .joined(separator: "\n")
    }
}

extension String {
    /// How many columns of a terminal the text takes: Korean, Chinese and Japanese characters take two.
    var displayWidth: Int {
        unicodeScalars.reduce(0) { width, scalar in
            switch scalar.value {
            case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
                0x1F300...0x1FAFF:
                width + 2
            case 0x0300...0x036F, 0x200B...0x200F: width
            default: width + 1
            }
        }
    }

    fileprivate var trimmingTrailingSpaces: String {
        String(reversed().drop { $0 == " " }.reversed())
    }
}

extension Timestamp {
    /// The moment for people: UTC, to the second.
    var shown: String {
        String(text.prefix(19).replacing("T", with: " "))
    }
}

extension JSONValue {
    /// A moment as the HTTP contract writes it; null for none.
    static func time(_ moment: Timestamp?) -> JSONValue {
        moment.map { .string($0.text) } ?? .null
    }

    /// A text; null for none.
    static func text(_ text: String?) -> JSONValue {
        text.map(JSONValue.string) ?? .null
    }

    /// A whole number.
    static func count(_ count: Int) -> JSONValue {
        .integer(Int64(count))
    }
}
