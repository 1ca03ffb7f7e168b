// SPDX-License-Identifier: Apache-2.0

/// The values of a statement's parameters, in PostgreSQL's binary format.
///
/// They are encoded where they are appended, on the caller's task, into one buffer; the connection's thread only
/// points at it. Every `append` adds the next parameter; nil is NULL.
public struct PostgresArguments: Sendable {
    /// The values one after the other.
    private(set) var buffer: [UInt8] = []
    /// Each value's length in bytes; -1 is NULL.
    private(set) var lengths: [Int32] = []
    /// The first parameter (from 1) whose text holds a NUL character; nil where none does.
    private(set) var placeOfNUL: Int?

    /// No arguments yet; `capacity` is how many bytes are expected.
    public init(capacity: Int = 0) {
        if capacity > 0 {
            buffer.reserveCapacity(capacity)
            lengths.reserveCapacity(8)
        }
    }

    /// How many there are.
    public var count: Int { lengths.count }

    /// Adds NULL.
    public mutating func appendNull() {
        lengths.append(-1)
    }

    /// Adds a `boolean`.
    public mutating func append(bool value: Bool?) {
        appendValue(value) { buffer, value in buffer.append(value ? 1 : 0) }
    }

    /// Adds a `smallint`.
    public mutating func append(int2 value: Int16?) {
        appendValue(value) { $0.append(bigEndian: $1) }
    }

    /// Adds an `integer`.
    public mutating func append(int4 value: Int32?) {
        appendValue(value) { $0.append(bigEndian: $1) }
    }

    /// Adds a `bigint`.
    public mutating func append(int8 value: Int64?) {
        appendValue(value) { $0.append(bigEndian: $1) }
    }

    /// Adds a `double precision`.
    public mutating func append(float8 value: Double?) {
        appendValue(value) { $0.append(bigEndian: $1.bitPattern) }
    }

    /// Adds a `text`. One with a NUL character is refused when it is sent, with `.invalidArgument`.
    public mutating func append(text value: String?) {
        noteNUL(value)
        appendValue(value) { $0.append(contentsOf: $1.utf8) }
    }

    /// Adds a `uuid` by its upper and lower half.
    public mutating func append(uuid value: (UInt64, UInt64)?) {
        appendValue(value) { $0.append(uuid: $1) }
    }

    /// Adds a `bytea`.
    public mutating func append(bytes value: [UInt8]?) {
        appendValue(value) { $0.append(contentsOf: $1) }
    }

    /// Adds a `timestamptz`, in microseconds since 1970-01-01 UTC.
    public mutating func append(microseconds value: Int64?) {
        appendValue(value) { $0.append(bigEndian: PostgresEpoch.fromUnix($1)) }
    }

    /// Adds a `jsonb` by its text, which the server checks.
    public mutating func append(json value: String?) {
        noteNUL(value)
        appendValue(value) { $0.append(json: $1) }
    }
}

extension PostgresArguments {
    /// Adds one value that `encode` writes.
    mutating func appendValue<Value>(_ value: Value?, _ encode: (inout [UInt8], Value) -> Void) {
        guard let value else { return appendNull() }
        let start = buffer.count
        encode(&buffer, value)
        lengths.append(Int32(clamping: buffer.count - start))
    }

    /// Remembers the parameter about to be added where `text` cannot be stored.
    mutating func noteNUL(_ text: String?) {
        guard placeOfNUL == nil, let text, text.utf8.contains(0) else { return }
        placeOfNUL = lengths.count + 1
    }
}

/// PostgreSQL counts microseconds from 2000-01-01 UTC.
enum PostgresEpoch {
    /// From 1970-01-01 to 2000-01-01, in microseconds.
    static let offset: Int64 = 946_684_800_000_000

    /// Unix microseconds on the server's scale; what is out of range becomes its infinity.
    static func fromUnix(_ microseconds: Int64) -> Int64 {
        let (value, overflow) = microseconds.subtractingReportingOverflow(offset)
        return overflow ? .min : value
    }

    /// The server's microseconds since 1970-01-01, or nil for its infinities.
    static func toUnix(_ microseconds: Int64) -> Int64? {
        guard microseconds != .min, microseconds != .max else { return nil }
        let (value, overflow) = microseconds.addingReportingOverflow(offset)
        return overflow ? nil : value
    }
}

extension [UInt8] {
    /// Adds an integer as PostgreSQL sends it.
    mutating func append(bigEndian value: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    /// Adds a UUID's sixteen bytes.
    mutating func append(uuid value: (UInt64, UInt64)) {
        append(bigEndian: value.0)
        append(bigEndian: value.1)
    }

    /// Adds a `jsonb`: the format's version, then the text.
    mutating func append(json text: String) {
        append(1)
        append(contentsOf: text.utf8)
    }

    /// Overwrites four bytes at `index`.
    mutating func set(bigEndian value: Int32, at index: Int) {
        Swift.withUnsafeBytes(of: value.bigEndian) { bytes in
            for (offset, byte) in bytes.enumerated() { self[index + offset] = byte }
        }
    }
}
