// SPDX-License-Identifier: Apache-2.0

// An array on the wire: the number of dimensions (0 where it is empty), whether it holds NULLs, its elements' type;
// then, per dimension, the length and the first index; then every element behind its length, -1 for NULL.

extension PostgresArguments {
    /// Adds a `boolean[]`.
    public mutating func append(bools values: [Bool?]) {
        appendArray(of: .bool, values) { $0.append($1 ? 1 : 0) }
    }

    /// Adds an `integer[]`.
    public mutating func append(int4s values: [Int32?]) {
        appendArray(of: .int4, values) { $0.append(bigEndian: $1) }
    }

    /// Adds a `bigint[]`.
    public mutating func append(int8s values: [Int64?]) {
        appendArray(of: .int8, values) { $0.append(bigEndian: $1) }
    }

    /// Adds a `double precision[]`.
    public mutating func append(float8s values: [Double?]) {
        appendArray(of: .float8, values) { $0.append(bigEndian: $1.bitPattern) }
    }

    /// Adds a `text[]`. A NUL character in one is refused as in `append(text:)`.
    public mutating func append(texts values: [String?]) {
        for value in values { noteNUL(value) }
        appendArray(of: .text, values) { $0.append(contentsOf: $1.utf8) }
    }

    /// Adds a `uuid[]`, each by its upper and lower half.
    public mutating func append(uuids values: [(UInt64, UInt64)?]) {
        appendArray(of: .uuid, values) { $0.append(uuid: $1) }
    }

    /// Adds a `bytea[]`.
    public mutating func append(bytes values: [[UInt8]?]) {
        appendArray(of: .bytea, values) { $0.append(contentsOf: $1) }
    }

    /// Adds a `timestamptz[]`, each in microseconds since 1970-01-01 UTC.
    public mutating func append(microseconds values: [Int64?]) {
        appendArray(of: .timestamptz, values) { $0.append(bigEndian: PostgresEpoch.fromUnix($1)) }
    }

    /// Adds a `jsonb[]`, each by its text.
    public mutating func append(jsons values: [String?]) {
        for value in values { noteNUL(value) }
        appendArray(of: .jsonb, values) { $0.append(json: $1) }
    }

    /// Adds a one-dimensional array whose elements `encode` writes.
    private mutating func appendArray<Element>(
        of type: PostgresType, _ values: [Element?], _ encode: (inout [UInt8], Element) -> Void
    ) {
        appendValue(values) { buffer, values in
            buffer.append(bigEndian: Int32(values.isEmpty ? 0 : 1))
            buffer.append(bigEndian: Int32(values.contains { $0 == nil } ? 1 : 0))
            buffer.append(bigEndian: type.rawValue)
            guard !values.isEmpty else { return }
            buffer.append(bigEndian: Int32(clamping: values.count))
            buffer.append(bigEndian: Int32(1))
            for value in values {
                guard let value else {
                    buffer.append(bigEndian: Int32(-1))
                    continue
                }
                let start = buffer.count
                buffer.append(bigEndian: Int32(0))
                encode(&buffer, value)
                buffer.set(bigEndian: Int32(clamping: buffer.count - start - 4), at: start)
            }
        }
    }
}
