// SPDX-License-Identifier: Apache-2.0

/// The most bytes that values take in JSON, for whoever makes room for them beforehand.
enum JSONBytes {
    /// A string.
    static func most(of text: String) -> Int { 6 * text.utf8.count + 2 }
    /// A whole number.
    static let number = 20
    /// A UUID.
    static let uuid = UUIDBytes.textBytes + 2
    /// A moment.
    static let timestamp = Timestamp.textBytes + 2
}

/// Values as JSON. There must be room for them, as `JSONBytes` says.
extension OutputSpan<UInt8> {
    /// JSON text as it is.
    @inline(__always)
    mutating func append(_ text: StaticString) {
        append(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// The same.
    @inline(__always)
    mutating func append(_ text: UnsafeBufferPointer<UInt8>) {
        append { buffer in
            // What `update` returns costs more than copying does.
            precondition(buffer.count >= text.count, "There is no room for the text.")
            if let from = text.baseAddress { buffer.baseAddress?.update(from: from, count: text.count) }
            return text.count
        }
    }

    /// A string, escaped where RFC 8259 says so.
    @inline(__always)
    mutating func append(json text: String) {
        var text = text
        append(UInt8(ascii: "\""))
        text.withUTF8 { text in
            // To the end in any case: it is faster than to look at each whether to go on.
            if text.reduce(0, { $0 &+ ($1.isEscaped ? 1 : 0) }) == 0 {
                append(text)
            } else {
                for byte in text { append(escaping: byte) }
            }
        }
        append(UInt8(ascii: "\""))
    }

    /// A whole number.
    mutating func append(json number: Int) {
        var text = String(number)
        text.withUTF8 { append($0) }
    }

    /// A UUID in lower case.
    mutating func append(json uuid: UUIDBytes) {
        append(UInt8(ascii: "\""))
        append(uuid.write(to:))
        append(UInt8(ascii: "\""))
    }

    /// A moment in RFC 3339.
    mutating func append(json moment: Timestamp) {
        append(UInt8(ascii: "\""))
        append(moment.write(to:))
        append(UInt8(ascii: "\""))
    }

    /// What `write` writes to the beginning of the room that there is; it returns how many bytes that are.
    @inline(__always)
    private mutating func append(_ write: (UnsafeMutableBufferPointer<UInt8>) -> Int) {
        withUnsafeMutableBufferPointer { buffer, count in
            count += write(UnsafeMutableBufferPointer(rebasing: buffer[count...]))
        }
    }

    /// A byte of a string.
    private mutating func append(escaping byte: UInt8) {
        guard byte.isEscaped else { return append(byte) }
        append(UInt8(ascii: "\\"))
        switch byte {
        case UInt8(ascii: "\n"): append(UInt8(ascii: "n"))
        case UInt8(ascii: "\r"): append(UInt8(ascii: "r"))
        case UInt8(ascii: "\t"): append(UInt8(ascii: "t"))
        case 0..<0x20:
            append("u00")
            append(UInt8(ascii: "0") + byte >> 4)
            append(byte & 15 < 10 ? UInt8(ascii: "0") + byte & 15 : UInt8(ascii: "a") + byte & 15 - 10)
        default: append(byte)
        }
    }
}

extension UInt8 {
    /// Whether it may not stand in a JSON string as it is (RFC 8259, 7).
    fileprivate var isEscaped: Bool { self < 0x20 || self == UInt8(ascii: "\"") || self == UInt8(ascii: "\\") }
}
