// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import Sojourn

/// Writes JSON straight into a buffer: what answers are made with.
///
/// Documents that a store keeps as JSON text are spliced in as they are, so that reading a session parses nothing.
struct JSONWriter {
    /// What was written so far. An array takes many small pieces several times as fast as a `ByteBuffer`.
    private var bytes: [UInt8] = []
    /// Whether the next member or element must be set off from one before it.
    private var needsComma = false

    /// A writer into a buffer that has room for `capacity` bytes and grows.
    init(capacity: Int = 1024) {
        bytes.reserveCapacity(capacity)
    }

    /// What was written so far.
    var buffer: ByteBuffer { ByteBuffer(bytes: bytes) }

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
        bytes.append(UInt8(ascii: "\""))
        put(name)
        put("\":")
        needsComma = false
    }

    /// A line feed: the next value stands on a line of its own (JSON Lines).
    mutating func endLine() {
        bytes.append(UInt8(ascii: "\n"))
        needsComma = false
    }

    private mutating func open(_ bracket: StaticString) {
        separate()
        put(bracket)
        needsComma = false
    }

    private mutating func close(_ bracket: StaticString) {
        put(bracket)
        needsComma = true
    }

    private mutating func put(_ text: StaticString) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private mutating func separate() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
    }

    // MARK: Values

    /// JSON text as it is.
    mutating func raw(_ text: String) {
        separate()
        bytes.append(contentsOf: text.utf8)
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
        bytes.append(UInt8(ascii: "\""))
        if text.utf8.contains(where: { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }) {
            for byte in text.utf8 { escape(byte) }
        } else {
            bytes.append(contentsOf: text.utf8)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            bytes.append(UInt8(ascii: "\\"))
            bytes.append(byte)
        case 0x0A: put("\\n")
        case 0x0D: put("\\r")
        case 0x09: put("\\t")
        case 0..<0x20:
            put("\\u00")
            bytes.append(contentsOf: (byte < 16 ? "0" + String(byte, radix: 16) : String(byte, radix: 16)).utf8)
        default: bytes.append(byte)
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
        bytes.append(UInt8(ascii: ":"))
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
