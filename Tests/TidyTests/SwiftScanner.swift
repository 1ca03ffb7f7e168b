// SPDX-License-Identifier: Apache-2.0

// The tidy rules need to know which braces and words of a Swift file are code. This is no parser: it blanks comments
// and the content of string literals (interpolations included), keeps every line break, and what is left can be
// searched by words and matched by braces. Regex literals are not known to it; nothing here needs one with a brace.

/// Finds imports and functions in Swift source, without a parser.
struct SwiftScanner {
    /// The source with comments and strings blanked, line breaks kept.
    let code: [UInt8]
    /// Where its lines end.
    private let breaks: [Int]

    /// Blanks what is not code in `source`.
    init(_ source: String) {
        var blanker = Blanker(bytes: Array(source.utf8))
        blanker.code(interpolated: false)
        code = blanker.bytes
        breaks = code.indices.filter { [code] in code[$0] == UInt8(ascii: "\n") }
    }

    /// A declaration with a body.
    struct Function: Equatable {
        /// The keyword and the name, as in `func run<T>`.
        var name: String
        /// The line of the keyword, from 1.
        var line: Int
        /// Lines from the keyword to the closing brace, both counted.
        var lines: Int
    }
}

extension SwiftScanner {
    /// The modules named by import declarations, in order, whatever access or attribute stands before them.
    var imports: [String] {
        String(decoding: code, as: UTF8.self).split(separator: "\n").compactMap { line in
            var words = line.split(separator: " ")[...]
            let modifiers: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]
            words = words.drop { $0.hasPrefix("@") || modifiers.contains($0) }
            guard words.popFirst() == "import" else { return nil }
            let kinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
            words = words.drop { kinds.contains($0) }
            return words.first?.split(separator: ".").first.map(String.init)
        }
    }

    /// Every `func`, `init`, `deinit` and `subscript` that has a body, in order of its keyword.
    var functions: [Function] {
        let words = words()
        return words.indices.compactMap { index in
            let word = words[index]
            guard isDeclaration(word), let open = body(of: index, in: words), let close = brace(closing: open) else {
                return nil
            }
            let first = line(at: word.start)
            return Function(name: name(at: word.start), line: first, lines: line(at: close) - first + 1)
        }
    }

    /// A run of letters, digits and underscores.
    private struct Word {
        /// The characters.
        var text: String
        /// Where it begins in `code`.
        var start: Int
    }

    /// Splits the code into words.
    private func words() -> [Word] {
        var words: [Word] = []
        var start: Int?
        for index in 0...code.count {
            if index < code.count, code[index].isWord {
                start = start ?? index
            } else if let begin = start {
                words.append(Word(text: String(decoding: code[begin..<index], as: UTF8.self), start: begin))
                start = nil
            }
        }
        return words
    }

    /// Whether a word declares a function: `.init(…)` and `` `init` `` are uses.
    private func isDeclaration(_ word: Word) -> Bool {
        guard ["func", "init", "deinit", "subscript"].contains(word.text) else { return false }
        guard word.start > 0 else { return true }
        return !".`".utf8.contains(code[word.start - 1])
    }

    /// The text of a declaration up to its parameters.
    private func name(at start: Int) -> String {
        let text = String(decoding: code[start...].prefix { !"({\n".utf8.contains($0) }, as: UTF8.self)
        return text.split(separator: " ").joined(separator: " ")
    }

    /// Where the body of the declaration at `index` opens; nil for a requirement of a protocol.
    private func body(of index: Int, in words: [Word]) -> Int? {
        let modifiers: Set<String> = [
            "func", "init", "deinit", "subscript", "var", "let", "static", "class", "mutating", "nonisolated", "public",
            "internal", "private", "fileprivate", "package", "associatedtype", "case", "struct", "enum", "actor",
        ]
        var next = index + 1
        var depth = 0
        for position in words[index].start..<code.count {
            while next < words.count, words[next].start < position { next += 1 }
            switch code[position] {
            case UInt8(ascii: "("), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: ")"), UInt8(ascii: "]"): depth -= 1
            case UInt8(ascii: "{") where depth == 0: return position
            case UInt8(ascii: "}") where depth == 0: return nil
            default:
                guard depth == 0, next < words.count, words[next].start == position, opensLine(position) else {
                    continue
                }
                if modifiers.contains(words[next].text) { return nil }
            }
        }
        return nil
    }

    /// Whether only blanks stand before `position` on its line.
    private func opensLine(_ position: Int) -> Bool {
        code[..<position].reversed().first { $0 != UInt8(ascii: " ") } == UInt8(ascii: "\n")
    }

    /// The brace that closes the one at `open`.
    private func brace(closing open: Int) -> Int? {
        var depth = 0
        for position in open..<code.count {
            if code[position] == UInt8(ascii: "{") { depth += 1 }
            if code[position] == UInt8(ascii: "}") { depth -= 1 }
            if depth == 0 { return position }
        }
        return nil
    }

    /// The line of a position, from 1.
    private func line(at position: Int) -> Int {
        breaks.count { $0 < position } + 1
    }
}

/// Overwrites comments and strings with spaces, in one pass over the bytes.
private struct Blanker {
    /// The source, blanked up to `position`.
    var bytes: [UInt8]
    /// The next byte to look at.
    var position = 0

    /// Whether the literal stands at the position.
    private func at(_ literal: String) -> Bool {
        bytes[position...].starts(with: literal.utf8)
    }

    /// Overwrites the next `count` bytes, line breaks excepted.
    private mutating func blank(_ count: Int = 1) {
        for index in position..<min(position + count, bytes.count) where bytes[index] != UInt8(ascii: "\n") {
            bytes[index] = UInt8(ascii: " ")
        }
        position = min(position + count, bytes.count)
    }

    /// Passes over code: the whole file, or an interpolation up to its closing parenthesis, which is blanked too.
    mutating func code(interpolated: Bool) {
        var depth = 0
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "/") where at("//"): while position < bytes.count, !at("\n") { blank() }
            case UInt8(ascii: "/") where at("/*"): comment()
            case UInt8(ascii: "\""), UInt8(ascii: "#"):
                if let hashes = literalHashes() { string(hashes: hashes) } else { pass(interpolated) }
            case let byte:
                if byte == UInt8(ascii: "(") { depth += 1 }
                if byte == UInt8(ascii: ")") { depth -= 1 }
                pass(interpolated)
                if interpolated, depth < 0 { return }
            }
        }
    }

    /// Goes over one byte of code, which stays unless it is inside a string.
    private mutating func pass(_ interpolated: Bool) {
        if interpolated { blank() } else { position += 1 }
    }

    /// Blanks a comment in `/* */`, which may hold others.
    private mutating func comment() {
        var depth = 0
        repeat {
            let opens = at("/*")
            let closes = at("*/")
            depth += opens ? 1 : closes ? -1 : 0
            blank(opens || closes ? 2 : 1)
        } while depth > 0 && position < bytes.count
    }

    /// The number of `#` before the string literal that opens here; nil where none does.
    private func literalHashes() -> Int? {
        let hashes = bytes[position...].prefix { $0 == UInt8(ascii: "#") }.count
        let quote = position + hashes
        return quote < bytes.count && bytes[quote] == UInt8(ascii: "\"") ? hashes : nil
    }

    /// Blanks a string literal, one line or many, raw or not.
    private mutating func string(hashes: Int) {
        let pad = String(repeating: "#", count: hashes)
        blank(hashes)
        let quote = at("\"\"\"") ? "\"\"\"" : "\""
        blank(quote.utf8.count)
        while position < bytes.count {
            if at(quote + pad) { return blank(quote.utf8.count + hashes) }
            if at("\\" + pad + "(") {
                blank(2 + hashes)
                code(interpolated: true)
            } else if at("\\" + pad) {
                blank(2 + hashes)
            } else {
                blank()
            }
        }
    }
}

extension UInt8 {
    /// Whether the byte is part of an identifier; bytes of other scripts are.
    fileprivate var isWord: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"), 0x80...: true
        default: false
        }
    }
}
