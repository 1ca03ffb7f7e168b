// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import Sojourn

/// Writes JSON straight into a buffer: what answers are made with.
///
/// Documents that a store keeps as JSON text are spliced in as they are, so that reading a session parses nothing.
struct JSONWriter {
    /// What was written so far.
    private(set) var buffer: ByteBuffer
    /// Whether the next member or element must be set off from one before it.
    private var needsComma = false

    /// A writer into a buffer that has room for `capacity` bytes and grows.
    init(capacity: Int = 1024) {
        buffer = ByteBufferAllocator().buffer(capacity: capacity)
    }

    // MARK: Structure

    /// An object with the members that `write` writes.
    mutating func object(_ write: (inout JSONWriter) -> Void) {
        open("{")
        write(&self)
        close("}")
    }

    /// An array with one value for each element, written by `write`.
    mutating func array<Elements: Sequence>(
        _ elements: Elements, _ write: (inout JSONWriter, Elements.Element) -> Void
    ) {
        open("[")
        for element in elements { write(&self, element) }
        close("]")
    }

    /// A member's name; its value must follow. The name must need no escaping.
    mutating func key(_ name: StaticString) {
        separate()
        buffer.writeInteger(UInt8(ascii: "\""))
        buffer.writeStaticString(name)
        buffer.writeStaticString("\":")
        needsComma = false
    }

    /// A line feed: the next value stands on a line of its own (JSON Lines).
    mutating func endLine() {
        buffer.writeInteger(UInt8(ascii: "\n"))
        needsComma = false
    }

    private mutating func open(_ bracket: StaticString) {
        separate()
        buffer.writeStaticString(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: StaticString) {
        buffer.writeStaticString(bracket)
        needsComma = true
    }

    private mutating func separate() {
        if needsComma { buffer.writeInteger(UInt8(ascii: ",")) }
    }

    // MARK: Values

    /// JSON text as it is.
    mutating func raw(_ text: String) {
        separate()
        buffer.writeString(text)
        needsComma = true
    }

    /// `null`.
    mutating func null() {
        raw("null")
    }

    /// A string, escaped where RFC 8259 says so.
    mutating func string(_ text: String) {
        separate()
        needsComma = true
        buffer.writeInteger(UInt8(ascii: "\""))
        if text.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) {
            for byte in text.utf8 { escape(byte) }
        } else {
            buffer.writeString(text)
        }
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            buffer.writeInteger(UInt8(ascii: "\\"))
            buffer.writeInteger(byte)
        case 0x0A: buffer.writeStaticString("\\n")
        case 0x0D: buffer.writeStaticString("\\r")
        case 0x09: buffer.writeStaticString("\\t")
        case 0..<0x20:
            buffer.writeStaticString("\\u00")
            buffer.writeString(byte < 16 ? "0" + String(byte, radix: 16) : String(byte, radix: 16))
        default: buffer.writeInteger(byte)
        }
    }

    // MARK: Members

    /// A member with a string, or null.
    mutating func member(_ name: StaticString, _ value: String?) {
        key(name)
        if let value { string(value) } else { null() }
    }

    /// A member with a whole number, or null.
    mutating func member(_ name: StaticString, _ value: Int?) {
        key(name)
        raw(value.map { String($0) } ?? "null")
    }

    /// A member with a truth value.
    mutating func member(_ name: StaticString, _ value: Bool) {
        key(name)
        raw(value ? "true" : "false")
    }

    /// A member with a moment in RFC 3339, or null.
    mutating func member(_ name: StaticString, _ value: Timestamp?) {
        member(name, value?.text)
    }

    /// A member with a document, spliced in.
    mutating func member(_ name: StaticString, _ value: JSONDocument) {
        key(name)
        raw(value.text)
    }

    /// A member with any JSON value.
    mutating func member(_ name: StaticString, _ value: JSONValue) {
        key(name)
        raw(value.text)
    }

    /// A member whose name is not known beforehand.
    mutating func member(named name: String, _ value: JSONValue) {
        string(name)
        buffer.writeInteger(UInt8(ascii: ":"))
        needsComma = false
        raw(value.text)
    }

    /// A member with one value for each element, written by `write`.
    mutating func member<Elements: Sequence>(
        _ name: StaticString, _ elements: Elements, _ write: (inout JSONWriter, Elements.Element) -> Void
    ) {
        key(name)
        array(elements, write)
    }

    /// A page: `{"items": […], "next": cursor or null}`.
    mutating func page<Element>(_ page: Page<Element>, _ write: (inout JSONWriter, Element) -> Void) {
        object { json in
            json.member("items", page.items, write)
            json.member("next", page.next?.text)
        }
    }
}
