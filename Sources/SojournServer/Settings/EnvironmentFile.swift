// SPDX-License-Identifier: Apache-2.0

/// The file `.env`: lines of `NAME=value`, an `export` before them allowed, `#` for comments.
///
/// A value between quotation marks keeps its blanks and loses the marks; between double ones `\n`, `\"` and `\\` mean
/// what they do in a shell script's `$'…'`. Nothing is substituted.
struct EnvironmentFile {
    /// The values by name; of two with one name the last.
    private(set) var values: [String: String] = [:]
    /// The numbers of the lines that say nothing, from 1.
    private(set) var unreadableLines: [Int] = []

    /// Reads the content of a file.
    init(_ text: String) {
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = line.trimmed
            if line.isEmpty || line.hasPrefix("#") { continue }
            let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(\.trimmed)
            let name = parts[0].hasPrefix("export ") ? parts[0].dropFirst(7).trimmed : parts[0]
            guard parts.count == 2, !name.isEmpty, !name.contains(where: \.isWhitespace) else {
                unreadableLines.append(index + 1)
                continue
            }
            values[name] = Self.value(parts[1])
        }
    }

    /// A value without its quotation marks, or without the comment behind it.
    private static func value(_ text: String) -> String {
        guard let quote = text.first, quote == "\"" || quote == "'" else {
            return (text.firstRange(of: " #").map { text[..<$0.lowerBound] } ?? text[...]).trimmed
        }
        var value = ""
        var isEscaped = false
        for character in text.dropFirst() {
            if isEscaped {
                value += character == "n" ? "\n" : "\"\\".contains(character) ? "\(character)" : "\\\(character)"
                isEscaped = false
            } else if character == "\\", quote == "\"" {
                isEscaped = true
            } else if character == quote {
                break
            } else {
                value.append(character)
            }
        }
        return value
    }
}
