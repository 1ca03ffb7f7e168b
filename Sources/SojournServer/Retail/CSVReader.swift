// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Sojourn

/// One row of a CSV file: its cells by the names in the file's first row.
struct CSVRow {
    /// The line that it begins on, from 1.
    let line: Int
    /// Its cells.
    let cells: [String: String]
}

/// Reads a CSV file (RFC 4180, UTF-8) row by row, holding no more of it than a chunk and a row.
struct CSVReader {
    /// The names of the columns, from the first row.
    private(set) var header: [String] = []
    private let file: FileHandle
    private var chunk: [UInt8] = []
    private var position = 0
    private var line = 1

    private static let chunkBytes = 256 * 1024
    /// The longest row: one that is longer has a quotation mark that nobody closed.
    private static let rowBytesMax = 64 * 1024

    /// Opens a file and reads its first row.
    ///
    /// - Throws: `SojournError` with code `invalidInput`.
    init(path: String) throws {
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw SojournError(.invalidInput, "The file \(path) cannot be read.", field: "FILE")
        }
        self.file = file
        if try peek() == 0xEF, chunk.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        guard let header = try record() else {
            throw SojournError(.invalidInput, "The file \(path) is empty.", field: "FILE")
        }
        guard Set(header).count == header.count else {
            throw SojournError(.invalidInput, "The first row names a column twice.", field: "FILE")
        }
        self.header = header
    }

    /// The next row; nil at the end.
    ///
    /// - Throws: `SojournError` with code `invalidInput` naming the line.
    mutating func row() throws -> CSVRow? {
        while try peek() == UInt8(ascii: "\n") || peek() == UInt8(ascii: "\r") { _ = try next() }
        let start = line
        guard let record = try record() else { return nil }
        guard record.count == header.count else {
            throw wrong("\(record.count) cells, where the first row names \(header.count) columns", at: start)
        }
        return CSVRow(line: start, cells: Dictionary(uniqueKeysWithValues: zip(header, record)))
    }

    private mutating func record() throws -> [String]? {
        guard try peek() != nil else { return nil }
        let start = line
        var cells: [String] = []
        var cell: [UInt8] = []
        var bytes = 0
        var isQuoted = false
        var wasQuoted = false
        func text() throws -> String {
            guard let text = String(validating: cell, as: UTF8.self) else { throw wrong("is not UTF-8", at: start) }
            return text
        }
        while let byte = try next() {
            bytes += 1
            guard bytes <= Self.rowBytesMax else { break }
            switch byte {
            case UInt8(ascii: "\"") where isQuoted:
                if try peek() == byte { cell.append(try next() ?? byte) } else { isQuoted = false }
            case _ where isQuoted: cell.append(byte)
            case UInt8(ascii: "\"") where cell.isEmpty && !wasQuoted: (isQuoted, wasQuoted) = (true, true)
            case UInt8(ascii: ","):
                cells.append(try text())
                (cell, wasQuoted) = ([], false)
            case UInt8(ascii: "\r") where try peek() == UInt8(ascii: "\n"): continue
            case UInt8(ascii: "\n"): return cells + [try text()]
            case _ where wasQuoted: throw wrong("something follows a quotation mark that closes a cell", at: start)
            default: cell.append(byte)
            }
        }
        guard !isQuoted, bytes <= Self.rowBytesMax else {
            throw wrong("a quotation mark is not closed, or the row is longer than 64 KiB", at: start)
        }
        return cells + [try text()]
    }

    private mutating func peek() throws -> UInt8? {
        if position == chunk.count {
            chunk = Array(try file.read(upToCount: Self.chunkBytes) ?? Data())
            position = 0
        }
        return position < chunk.count ? chunk[position] : nil
    }

    private mutating func next() throws -> UInt8? {
        guard let byte = try peek() else { return nil }
        position += 1
        if byte == UInt8(ascii: "\n") { line += 1 }
        return byte
    }

    private func wrong(_ what: String, at line: Int) -> SojournError {
        SojournError(.invalidInput, "line \(line): \(what)", field: "FILE")
    }
}

extension [String] {
    /// The cells as a line of CSV, quoted where they must be.
    var csvLine: String {
        map { cell in
            cell.utf8.contains { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }
                ? "\"" + cell.replacing("\"", with: "\"\"") + "\"" : cell
        }
        .joined(separator: ",") + "\n"
    }
}
