// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sojourn
import Testing

@testable import SojournServer

/// CSV is read as RFC 4180 writes it, whatever stands in the cells, and what is not CSV is named by its line.
@Suite("CSV files of retail") struct CSVReaderTests {
    /// The rows of a text, by a file of it.
    private func rows(_ text: String) throws -> [CSVRow] {
        let path = NSTemporaryDirectory() + UUID().uuidString
        #expect(FileManager.default.createFile(atPath: path, contents: Data(text.utf8)))
        defer { try? FileManager.default.removeItem(atPath: path) }
        var reader = try CSVReader(path: path)
        var rows: [CSVRow] = []
        while let row = try reader.row() { rows.append(row) }
        return rows
    }

    @Test("what is written is read again, whatever it is")
    func roundTrip() throws {
        let pieces = ["a", "두부", "\"", ",", "\n", "\r\n", "\r", " ", "", "é", "'"]
        var random = SeededRandom(seed: 3)
        let cells = (0..<400).map { number in
            ["\(number)"] + (0..<2).map { _ in (0...random.below(6)).map { _ in random.pick(pieces) }.joined() }
        }
        let read = try rows((["id", "one", "two"].csvLine) + cells.map(\.csvLine).joined())
        #expect(read.map { row in ["id", "one", "two"].map { row.cells[$0] ?? "" } } == cells)
    }

    @Test("lines are counted through cells of several lines; a byte order mark, CRLF and blank lines are no content")
    func lines() throws {
        let read = try rows("\u{FEFF}a,b\r\n\r\n\"x\ny\",2\r\n3,4")
        #expect(read.map(\.line) == [3, 5])
        #expect(read.map(\.cells) == [["a": "x\ny", "b": "2"], ["a": "3", "b": "4"]])
    }

    @Test("a row as long as the file is cut out of many chunks")
    func chunks() throws {
        let cell = String(repeating: "가", count: 20_000)
        let read = try rows("a\n" + String(repeating: "\(cell)\n", count: 20))
        #expect(read.count == 20 && read.allSatisfy { $0.cells["a"] == cell })
    }

    @Test(
        "what is no CSV is named by its line",
        arguments: [
            ("", "empty"), ("a,b\n1,2\n3\n", "line 3"), ("a\n\"x\n", "line 2"), ("a\n\"x\"y\n", "line 2"),
            ("a,a\n", "twice"),
            ("a\n" + String(repeating: "x", count: 70_000), "line 2"),
        ])
    func faults(text: String, told: String) {
        let error = #expect(throws: SojournError.self) { _ = try rows(text) }
        #expect(error?.message.contains(told) == true, "\(error?.message ?? "")")
    }

    @Test(
        "a file is checked whole before anything is written; an empty cell is nothing", arguments: RetailKind.allCases)
    func checked(kind: RetailKind) throws {
        func check(_ text: String) throws -> RetailImport {
            let path = NSTemporaryDirectory() + UUID().uuidString
            #expect(FileManager.default.createFile(atPath: path, contents: Data(text.utf8)))
            defer { try? FileManager.default.removeItem(atPath: path) }
            return try RetailImport(kind, path: path)
        }
        let id = "0197a4e0-0000-7000-8000-000000000000"
        let header = kind.columns.csvLine
        let row = kind.columns.map { column in
            switch column {
            case "order_id", "user_id", "product_id": id
            case "name": "x"
            case "price": " 5 "
            default: ""
            }
        }
        #expect(try check(header + row.csvLine + row.csvLine).rows == 2)
        let error = #expect(throws: SojournError.self) {
            _ = try check(header + row.csvLine + ([""] + row.dropFirst()).csvLine)
        }
        #expect(error?.message.contains("line 3: \(kind.columns[0])") == true, "\(error?.message ?? "")")
        #expect(throws: SojournError.self) { _ = try check((kind.columns + ["extra"]).csvLine) }
        #expect(throws: SojournError.self) { _ = try check(Array(kind.columns.dropFirst()).csvLine) }
    }
}
