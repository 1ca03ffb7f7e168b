// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A file of the repository that somebody writes and reads: Swift, SQL or a script.
struct SourceFile {
    /// The path below the repository's root, as in `Sources/Sojourn/Session.swift`.
    let path: String
    /// The content as it stands.
    let text: String

    /// The folders and the file's name, outermost first.
    var components: [Substring] { path.split(separator: "/") }
    /// The lines without their ends; an end of file after the last line adds none.
    var lines: [Substring] {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.last == "" ? lines.dropLast() : lines
    }
    /// Whether the compiler reads it.
    var isSwift: Bool { path.hasSuffix(".swift") }
    /// The module it belongs to; nil outside `Sources/`.
    var module: String? {
        components.count > 2 && components[0] == "Sources" ? String(components[1]) : nil
    }
}

extension SourceFile {
    /// The folders that hold files for people to read.
    private static let folders = ["Sources", "Tests", "Benchmarks", "script", ".ci"]
    /// What a file's name ends with where it is source; scripts are known by their first two bytes instead.
    private static let extensions: Set<String> = ["swift", "sql", "py", "sh", "lua", "c", "h"]

    /// Every source file of this repository, sorted by path.
    static func all() throws -> [SourceFile] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        var files = [SourceFile(path: "Package.swift", text: try read(root.appending(path: "Package.swift")))]
        for folder in folders {
            let base = root.appending(path: folder, directoryHint: .isDirectory)
            for path in try paths(below: base) {
                let text = try read(base.appending(path: path))
                guard extensions.contains(URL(filePath: path).pathExtension) || text.hasPrefix("#!") else { continue }
                files.append(SourceFile(path: "\(folder)/\(path)", text: text))
            }
        }
        return files.sorted { $0.path < $1.path }
    }

    /// The regular files below a folder, without build products; none where the folder is missing.
    private static func paths(below base: URL) throws -> [String] {
        guard FileManager.default.fileExists(atPath: base.path) else { return [] }
        return try FileManager.default.subpathsOfDirectory(atPath: base.path).filter { path in
            var isFolder = false as ObjCBool
            _ = FileManager.default.fileExists(atPath: base.appending(path: path).path, isDirectory: &isFolder)
            return !isFolder.boolValue && !path.split(separator: "/").contains { $0.hasPrefix(".build") }
        }
    }

    /// The content as UTF-8, where a byte that is none becomes U+FFFD.
    private static func read(_ url: URL) throws -> String {
        String(decoding: try Data(contentsOf: url), as: UTF8.self)
    }
}
