// SPDX-License-Identifier: Apache-2.0

/// Puts the text of a `jsonb` value into the form in which `JSONDocument` keeps its text: compact, keys sorted.
///
/// PostgreSQL writes `jsonb` with a space after every colon and comma, and orders keys by their length first. Every
/// validation reads two documents, so what is common goes byte by byte; what is not (escapes, keys beyond ASCII, numbers
/// that are no short integers, deep nesting) is left to the tree, which gives the same text at fifteen times the price.
struct JSONBText {
    /// Deeper documents are left to the tree.
    private static let depthMax = 8

    private let bytes: UnsafeBufferPointer<UInt8>
    private var at = 0

    /// The canonical text; nil where the tree has to be asked.
    static func canonical(_ text: String) -> String? {
        var text = text
        return text.withUTF8 { bytes in
            var reader = JSONBText(bytes: bytes)
            var canonical: [UInt8] = []
            canonical.reserveCapacity(bytes.count)
            guard reader.value(into: &canonical, depth: 0), reader.at == bytes.count else { return nil }
            return String(decoding: canonical, as: UTF8.self)
        }
    }

    private init(bytes: UnsafeBufferPointer<UInt8>) {
        self.bytes = bytes
    }

    private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

    /// Takes `byte`, and a space after it, if it is next.
    private mutating func take(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        at += 1
        if next == UInt8(ascii: " ") { at += 1 }
        return true
    }

    /// Copies one value; false where it is not of the common kind.
    private mutating func value(into output: inout [UInt8], depth: Int) -> Bool {
        guard let byte = next, depth < Self.depthMax else { return false }
        switch byte {
        case UInt8(ascii: "{"): return object(into: &output, depth: depth)
        case UInt8(ascii: "["): return array(into: &output, depth: depth)
        case UInt8(ascii: "\""):
            guard let range = string(asKey: false) else { return false }
            output.append(contentsOf: bytes[range])
            return true
        default: return word(into: &output)
        }
    }

    /// `true`, `false`, `null` or an integer that every reader keeps.
    private mutating func word(into output: inout [UInt8]) -> Bool {
        let start = at
        while let byte = next, byte != UInt8(ascii: ","), byte != UInt8(ascii: "}"), byte != UInt8(ascii: "]") {
            let isWord = byte == UInt8(ascii: "-") || (48...57).contains(byte) || (97...122).contains(byte)
            // An exponent or a fraction is the tree's to write.
            guard isWord else { return false }
            at += 1
        }
        guard at - start < 16 else { return false }
        output.append(contentsOf: bytes[start..<at])
        return true
    }

    /// The bytes of a string with its quotes; nil where it has escapes, or is a key beyond ASCII.
    private mutating func string(asKey: Bool) -> Range<Int>? {
        guard next == UInt8(ascii: "\"") else { return nil }
        let start = at
        at += 1
        while let byte = next, byte != UInt8(ascii: "\"") {
            guard byte != UInt8(ascii: "\\"), !asKey || byte < 0x80 else { return nil }
            at += 1
        }
        guard next != nil else { return nil }
        at += 1
        return start..<at
    }

    private mutating func array(into output: inout [UInt8], depth: Int) -> Bool {
        at += 1
        output.append(UInt8(ascii: "["))
        var isFirst = true
        while next != UInt8(ascii: "]") {
            if !isFirst {
                guard take(UInt8(ascii: ",")) else { return false }
                output.append(UInt8(ascii: ","))
            }
            isFirst = false
            guard value(into: &output, depth: depth + 1) else { return false }
        }
        at += 1
        output.append(UInt8(ascii: "]"))
        return true
    }

    private mutating func object(into output: inout [UInt8], depth: Int) -> Bool {
        at += 1
        var members: [(key: Range<Int>, value: [UInt8])] = []
        while next != UInt8(ascii: "}") {
            if !members.isEmpty { guard take(UInt8(ascii: ",")) else { return false } }
            guard let key = string(asKey: true), take(UInt8(ascii: ":")) else { return false }
            var copy: [UInt8] = []
            guard value(into: &copy, depth: depth + 1) else { return false }
            members.append((key, copy))
        }
        at += 1
        // Without their quotes: a key comes before one that it begins.
        members.sort {
            bytes[$0.key].dropFirst().dropLast().lexicographicallyPrecedes(bytes[$1.key].dropFirst().dropLast())
        }
        output.append(UInt8(ascii: "{"))
        for (index, member) in members.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            output.append(contentsOf: bytes[member.key])
            output.append(UInt8(ascii: ":"))
            output.append(contentsOf: member.value)
        }
        output.append(UInt8(ascii: "}"))
        return true
    }
}
