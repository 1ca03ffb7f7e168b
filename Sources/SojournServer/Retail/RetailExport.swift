// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Sojourn

/// Users, products or orders on their way into a CSV file, page by page. Users known from a session alone are left out.
public struct RetailExport: Sendable {
    private let kind: RetailKind
    private let path: String

    /// An export into a new file.
    public init(_ kind: RetailKind, path: String) {
        self.kind = kind
        self.path = path
    }

    /// Writes the file, under another name until it is complete, and returns how many rows it has; `progress` is told how many
    /// are done.
    ///
    /// - Throws: `SojournError` with code `invalidInput` where the file exists or cannot be written; what the store throws.
    public func run(from retail: Retail, progress: (Int) -> Void) async throws -> Int {
        guard !FileManager.default.fileExists(atPath: path) else {
            throw SojournError(.invalidInput, "There is a file \(path) already: name a new one.", field: "FILE")
        }
        let part = path + ".part"
        guard FileManager.default.createFile(atPath: part, contents: nil),
            let file = FileHandle(forWritingAtPath: part)
        else { throw unwritable(nil) }
        do {
            let rows = try await write(to: file, from: retail, progress)
            try file.close()
            try FileManager.default.moveItem(atPath: part, toPath: path)
            return rows
        } catch let error as SojournError {
            throw error
        } catch {
            throw unwritable(error)
        }
    }

    private func write(to file: FileHandle, from retail: Retail, _ progress: (Int) -> Void) async throws -> Int {
        try file.write(contentsOf: Data(kind.columns.csvLine.utf8))
        var rows = 0
        var cursor: PageCursor?
        repeat {
            let page = try await kind.page(PageRequest(limit: retail.limits.pageMax, after: cursor), of: retail)
            let lines = page.items.map(kind.cells).filter { kind != .users || !$0[1].isEmpty }
            try file.write(contentsOf: Data(lines.map(\.csvLine).joined().utf8))
            rows += lines.count
            progress(rows)
            cursor = page.next
        } while cursor != nil
        return rows
    }

    private func unwritable(_ cause: (any Error)?) -> SojournError {
        SojournError(.invalidInput, "The file \(path) cannot be written.", field: "FILE", underlying: cause)
    }
}
