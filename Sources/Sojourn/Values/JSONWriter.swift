// SPDX-License-Identifier: Apache-2.0

/// Writes JSON straight into bytes: what answers, and messages of orders, are made with.
///
/// Documents that a store keeps as JSON text are spliced in as they are, so that reading a session parses nothing.
package struct JSONWriter {
    /// What was written so far. An array takes many small pieces several times as fast as a `ByteBuffer`.
    package private(set) var bytes: [UInt8] = []
    /// Whether the next member or element must be set off from one before it.
    private var needsComma = false

    /// A writer into a buffer that has room for `capacity` bytes and grows.
    package init(capacity: Int = 1024) {
        bytes.reserveCapacity(capacity)
    }

    // MARK: Structure

    /// An object with the members that `write` writes.
    package mutating func object(_ write: (inout JSONWriter) -> Void) {
        open("{")
        write(&self)
        close("}")
    }

    /// A member's name; its value must follow. The name must need no escaping.
    package mutating func key(_ name: StaticString) {
        put(name, most: 0) { _ in }
        needsComma = false
    }

    /// A line feed: the next value stands on a line of its own (JSON Lines).
    package mutating func endLine() {
        bytes.append(UInt8(ascii: "\n"))
        needsComma = false
    }

    /// The beginning of an object or an array, its bracket.
    package mutating func open(_ bracket: Unicode.Scalar) {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        bytes.append(UInt8(ascii: bracket))
        needsComma = false
    }

    /// The end of what `open` began.
    package mutating func close(_ bracket: Unicode.Scalar) {
        bytes.append(UInt8(ascii: bracket))
        needsComma = true
    }

    /// A value of at most `most` bytes, which `write` writes, as a member where it has a name: all with one look at the room
    /// that there is, as that takes longer than the writing.
    @inline(__always)
    private mutating func put(_ name: StaticString?, most: Int, _ write: (inout OutputSpan<UInt8>) -> Void) {
        let needsComma = needsComma
        bytes.append(addingCapacity: most + (name?.utf8CodeUnitCount ?? 0) + 4) { bytes in
            if needsComma { bytes.append(UInt8(ascii: ",")) }
            if let name {
                bytes.append(UInt8(ascii: "\""))
                bytes.append(name)
                bytes.append("\":")
            }
            write(&bytes)
        }
        self.needsComma = true
    }

    /// JSON text as it is.
    private mutating func put(_ name: StaticString?, raw text: String) {
        var text = text
        text.withUTF8 { text in put(name, most: text.count) { $0.append(text) } }
    }

    /// A string.
    private mutating func put(_ name: StaticString?, _ text: String) {
        put(name, most: JSONBytes.most(of: text)) { $0.append(json: text) }
    }

    // MARK: Values

    /// JSON text as it is.
    package mutating func raw(_ text: String) {
        put(nil, raw: text)
    }

    /// `null`.
    package mutating func null() {
        raw("null")
    }

    /// A string, escaped where RFC 8259 says so.
    package mutating func string(_ text: String) {
        put(nil, text)
    }

    // MARK: Members

    /// A member with a string, or null.
    package mutating func member(_ name: StaticString, _ value: String?) {
        if let value { put(name, value) } else { put(name, raw: "null") }
    }

    /// A member with a whole number, or null.
    package mutating func member(_ name: StaticString, _ value: Int?) {
        put(name, raw: value.map { String($0) } ?? "null")
    }

    /// A member with a truth value.
    package mutating func member(_ name: StaticString, _ value: Bool) {
        put(name, raw: value ? "true" : "false")
    }

    /// A member with a moment in RFC 3339, or null.
    package mutating func member(_ name: StaticString, _ value: Timestamp?) {
        guard let value else { return put(name, raw: "null") }
        put(name, most: JSONBytes.timestamp) { $0.append(json: value) }
    }

    /// A member with a document, spliced in.
    package mutating func member(_ name: StaticString, _ value: JSONDocument) {
        put(name, raw: value.text)
    }

    /// A member with any JSON value.
    package mutating func member(_ name: StaticString, _ value: JSONValue) {
        put(name, raw: value.text)
    }

    /// A member whose name is not known beforehand.
    package mutating func member(named name: String, _ value: JSONValue) {
        string(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
        raw(value.text)
    }
}
