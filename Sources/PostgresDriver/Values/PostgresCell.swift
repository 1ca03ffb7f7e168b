// SPDX-License-Identifier: Apache-2.0

/// One value that is not NULL, in PostgreSQL's binary format: a column's, or an element's of an array there.
struct PostgresCell {
    /// The column that it comes from, for messages.
    let column: Int
    /// Its type.
    let type: PostgresType
    /// Its bytes, in libpq's memory.
    let bytes: UnsafeRawBufferPointer
}

extension PostgresCell {
    /// Of a `smallint`, `integer` or `bigint`.
    func int() throws(PostgresError) -> Int {
        switch (type, bytes.count) {
        case (.int8, 8): return Int(integer(Int64.self))
        case (.int4, 4): return Int(integer(Int32.self))
        case (.int2, 2): return Int(integer(Int16.self))
        default: throw mismatch("an integer")
        }
    }

    /// Of a `boolean`.
    func bool() throws(PostgresError) -> Bool {
        guard type == .bool, bytes.count == 1 else { throw mismatch("a boolean") }
        return bytes[0] != 0
    }

    /// Of a `real` or `double precision`.
    func double() throws(PostgresError) -> Double {
        switch (type, bytes.count) {
        case (.float8, 8): return Double(bitPattern: integer(UInt64.self))
        case (.float4, 4): return Double(Float(bitPattern: integer(UInt32.self)))
        default: throw mismatch("a floating-point number")
        }
    }

    /// Of a text, or of an enumeration.
    func text() throws(PostgresError) -> String {
        guard PostgresType.plainTexts.contains(type) || type.rawValue >= PostgresType.firstUserDefined else {
            throw mismatch("text")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Of a `bytea`.
    func array() throws(PostgresError) -> [UInt8] {
        guard type == .bytea else { throw mismatch("bytea") }
        return Array(bytes)
    }

    /// Of a `uuid`.
    func uuid() throws(PostgresError) -> (UInt64, UInt64) {
        guard type == .uuid, bytes.count == 16 else { throw mismatch("a uuid") }
        return (integer(UInt64.self), integer(UInt64.self, at: 8))
    }

    /// Of a `timestamptz` that is not infinite, since 1970.
    func microseconds() throws(PostgresError) -> Int64 {
        guard type == .timestamptz, bytes.count == 8, let value = PostgresEpoch.toUnix(integer(Int64.self)) else {
            throw mismatch("a finite timestamptz")
        }
        return value
    }

    /// Of a `jsonb` or `json`.
    func json() throws(PostgresError) -> String {
        switch type {
        case .json: return String(decoding: bytes, as: UTF8.self)
        case .jsonb where bytes.first == 1: return String(decoding: bytes.dropFirst(), as: UTF8.self)
        default: throw mismatch("jsonb or json")
        }
    }

    /// The elements of an array of one dimension; nil for each NULL.
    func elements<Element>(
        _ read: (PostgresCell) throws(PostgresError) -> Element
    ) throws(PostgresError) -> [Element?] {
        guard bytes.count >= 12 else { throw mismatch("an array") }
        let dimensions = integer(Int32.self)
        if dimensions == 0, bytes.count == 12 { return [] }
        let element = PostgresType(rawValue: integer(UInt32.self, at: 8))
        guard dimensions == 1, bytes.count >= 20 else { throw mismatch("an array of one dimension") }
        var elements: [Element?] = []
        var offset = 20
        for _ in 0..<integer(Int32.self, at: 12) {
            guard offset + 4 <= bytes.count else { throw mismatch("an array") }
            let length = Int(integer(Int32.self, at: offset))
            offset += 4
            guard length >= 0 else {
                elements.append(nil)
                continue
            }
            guard offset + length <= bytes.count else { throw mismatch("an array") }
            let value = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
            elements.append(try read(PostgresCell(column: column, type: element, bytes: value)))
            offset += length
        }
        return elements
    }
}

extension PostgresCell {
    /// The big-endian integer at `offset`, which lies within.
    private func integer<Value: FixedWidthInteger>(_: Value.Type, at offset: Int = 0) -> Value {
        Value(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Value.self))
    }

    /// The failure of having read another type than there is.
    private func mismatch(_ wanted: String) -> PostgresError {
        PostgresError(
            .unexpectedResult,
            "Column \(column) of the result is not \(wanted): its type has the id \(type.rawValue), "
                + "its value \(bytes.count) bytes.")
    }
}
