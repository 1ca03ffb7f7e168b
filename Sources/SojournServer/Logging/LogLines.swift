// SPDX-License-Identifier: Apache-2.0
internal import Logging

/// A log line as one JSON object: `ts`, `level`, `logger`, `message`, then the metadata beside them.
enum JSONLine {
    /// The names that are taken; metadata of such a name gets a `_` behind it.
    private static let reserved: Set<String> = ["ts", "level", "logger", "message"]

    /// The object, without a line break in it.
    static func line(_ record: LogRecord) -> [UInt8] {
        var line: [UInt8] = []
        line.reserveCapacity(256)
        var fields: [(String, Logger.MetadataValue)] = [
            ("ts", .string(record.time)), ("level", .string(record.level.rawValue)),
            ("logger", .string(record.logger)), ("message", .string(record.message)),
        ]
        fields += record.fields.map { (reserved.contains($0.key) ? $0.key + "_" : $0.key, $0.value) }
        object(fields, into: &line)
        return line
    }

    /// Appends an object with its members in the order given.
    private static func object(_ members: [(String, Logger.MetadataValue)], into line: inout [UInt8]) {
        list(members, "{", "}", into: &line) { member, line in
            string(member.0, into: &line)
            line.append(UInt8(ascii: ":"))
            value(member.1, into: &line)
        }
    }

    /// Appends a value: text as a string, lists and dictionaries as what they are.
    private static func value(_ value: Logger.MetadataValue, into line: inout [UInt8]) {
        switch value {
        case .string(let text): string(text, into: &line)
        case .stringConvertible(let convertible): string("\(convertible)", into: &line)
        case .array(let elements): list(elements, "[", "]", into: &line) { self.value($0, into: &$1) }
        case .dictionary(let members): object(members.sorted { $0.key < $1.key }, into: &line)
        }
    }

    /// Appends elements between two brackets, with commas.
    private static func list<Element>(
        _ elements: [Element], _ open: Unicode.Scalar, _ close: Unicode.Scalar, into line: inout [UInt8],
        append: (Element, inout [UInt8]) -> Void
    ) {
        line.append(UInt8(ascii: open))
        for (index, element) in elements.enumerated() {
            if index > 0 { line.append(UInt8(ascii: ",")) }
            append(element, &line)
        }
        line.append(UInt8(ascii: close))
    }

    /// Appends a string with its quotation marks.
    private static func string(_ text: String, into line: inout [UInt8]) {
        line.append(UInt8(ascii: "\""))
        LogText.append(text, into: &line)
        line.append(UInt8(ascii: "\""))
    }
}

/// A log line for people: `2026-01-31T12:00:00.000Z WARNING message key=value other="two words"`.
enum TextLine {
    /// The line, without a line break in it.
    static func line(_ record: LogRecord) -> [UInt8] {
        var line = Array("\(record.time) \(record.level.rawValue.uppercased()) ".utf8)
        LogText.append(record.message, quotes: false, into: &line)
        for (key, value) in record.fields {
            line.append(UInt8(ascii: " "))
            LogText.append(key, into: &line)
            line.append(UInt8(ascii: "="))
            let text = "\(value)"
            let isWord = !text.isEmpty && !text.contains { $0 == " " || $0 == "\"" || $0 == "=" }
            if !isWord { line.append(UInt8(ascii: "\"")) }
            LogText.append(text, quotes: !isWord, into: &line)
            if !isWord { line.append(UInt8(ascii: "\"")) }
        }
        return line
    }
}

/// Text that cannot leave its line, nor move the cursor of a terminal.
enum LogText {
    /// Appends text with JSON's escapes (RFC 8259, section 7) for control characters, C1 and DEL included, and for
    /// U+2028 and U+2029, which some readers take for the end of a line.
    ///
    /// - Parameter quotes: whether quotation marks and backslashes are escaped too.
    static func append(_ text: String, quotes: Bool = true, into line: inout [UInt8]) {
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0x22 where quotes, 0x5C where quotes: line += [UInt8(ascii: "\\"), UInt8(scalar.value)]
            case 0x0A: line += Array("\\n".utf8)
            case 0x0D: line += Array("\\r".utf8)
            case 0x09: line += Array("\\t".utf8)
            case 0x00..<0x20, 0x7F..<0xA0, 0x2028, 0x2029: line += Array(escape(scalar.value).utf8)
            default: line += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
            }
        }
    }

    /// The escape `\uXXXX` of a scalar below 2^16.
    private static func escape(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    }
}
