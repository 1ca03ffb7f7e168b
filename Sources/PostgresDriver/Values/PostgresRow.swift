// SPDX-License-Identifier: Apache-2.0

internal import CPostgres

/// One row of a result. Columns count from 0.
///
/// Reading a column that is not there, is NULL, or has another type throws `.unexpectedResult`; the `optional…`
/// readers return nil for NULL. Numerics, addresses and dates have no reader: cast them in SQL.
public struct PostgresRow: Sendable {
    /// The result that this is a row of.
    let result: PostgresResult
    /// The row's number; it exists.
    let row: Int32

    /// Whether `column` is NULL. A column that is not there is not.
    public func isNull(_ column: Int) -> Bool {
        guard let index = Int32(exactly: column), index >= 0, index < PQnfields(result.pointer) else { return false }
        return PQgetisnull(result.pointer, row, index) == 1
    }

    /// A `smallint`, `integer` or `bigint`.
    public func int(_ column: Int) throws(PostgresError) -> Int {
        try required(column, optionalInt(column))
    }

    /// A `boolean`.
    public func bool(_ column: Int) throws(PostgresError) -> Bool {
        try required(column, optionalBool(column))
    }

    /// A `real` or `double precision`.
    public func double(_ column: Int) throws(PostgresError) -> Double {
        try required(column, optionalDouble(column))
    }

    /// A `text`, `varchar`, `name` or enumeration.
    public func text(_ column: Int) throws(PostgresError) -> String {
        try required(column, optionalText(column))
    }

    /// A `bytea`.
    public func bytes(_ column: Int) throws(PostgresError) -> [UInt8] {
        try required(column, optionalBytes(column))
    }

    /// A `uuid`, by its upper and lower half.
    public func uuid(_ column: Int) throws(PostgresError) -> (UInt64, UInt64) {
        try required(column, optionalUUID(column))
    }

    /// A `timestamptz` in microseconds since 1970-01-01 UTC. `infinity` throws.
    public func microseconds(_ column: Int) throws(PostgresError) -> Int64 {
        try required(column, optionalMicroseconds(column))
    }

    /// A `jsonb` or `json`, as text.
    public func json(_ column: Int) throws(PostgresError) -> String {
        try required(column, optionalJSON(column))
    }
}

extension PostgresRow {
    /// As `int`, nil for NULL.
    public func optionalInt(_ column: Int) throws(PostgresError) -> Int? { try cell(column)?.int() }

    /// As `bool`, nil for NULL.
    public func optionalBool(_ column: Int) throws(PostgresError) -> Bool? { try cell(column)?.bool() }

    /// As `double`, nil for NULL.
    public func optionalDouble(_ column: Int) throws(PostgresError) -> Double? { try cell(column)?.double() }

    /// As `text`, nil for NULL.
    public func optionalText(_ column: Int) throws(PostgresError) -> String? { try cell(column)?.text() }

    /// As `bytes`, nil for NULL.
    public func optionalBytes(_ column: Int) throws(PostgresError) -> [UInt8]? { try cell(column)?.array() }

    /// As `uuid`, nil for NULL.
    public func optionalUUID(_ column: Int) throws(PostgresError) -> (UInt64, UInt64)? { try cell(column)?.uuid() }

    /// As `microseconds`, nil for NULL.
    public func optionalMicroseconds(_ column: Int) throws(PostgresError) -> Int64? { try cell(column)?.microseconds() }

    /// As `json`, nil for NULL.
    public func optionalJSON(_ column: Int) throws(PostgresError) -> String? { try cell(column)?.json() }

    /// Lends the value's bytes as they came, of whatever type; none for NULL. They are gone when `body` returns.
    public func withBytes<Value>(
        _ column: Int, _ body: (UnsafeRawBufferPointer) throws(PostgresError) -> Value
    ) throws(PostgresError) -> Value {
        let bytes = try cell(column)?.bytes ?? UnsafeRawBufferPointer(start: nil, count: 0)
        return try withExtendedLifetime(result) { () throws(PostgresError) in try body(bytes) }
    }
}

// MARK: - Arrays of one dimension; nil is NULL

extension PostgresRow {
    /// A `smallint[]`, `integer[]` or `bigint[]`.
    public func ints(_ column: Int) throws(PostgresError) -> [Int?] {
        try required(column, cell(column)).elements { cell throws(PostgresError) in try cell.int() }
    }

    /// A `text[]` or the like.
    public func texts(_ column: Int) throws(PostgresError) -> [String?] {
        try required(column, cell(column)).elements { cell throws(PostgresError) in try cell.text() }
    }

    /// A `uuid[]`, each by its upper and lower half.
    public func uuids(_ column: Int) throws(PostgresError) -> [(UInt64, UInt64)?] {
        try required(column, cell(column)).elements { cell throws(PostgresError) in try cell.uuid() }
    }

    /// A `bytea[]`.
    public func byteArrays(_ column: Int) throws(PostgresError) -> [[UInt8]?] {
        try required(column, cell(column)).elements { cell throws(PostgresError) in try cell.array() }
    }
}

extension PostgresRow {
    /// The value in `column`, nil where it is NULL.
    private func cell(_ column: Int) throws(PostgresError) -> PostgresCell? {
        let columns = PQnfields(result.pointer)
        guard let index = Int32(exactly: column), index >= 0, index < columns else {
            throw PostgresError(
                .unexpectedResult, "The result has \(columns) columns, and none with the index \(column).")
        }
        guard PQgetisnull(result.pointer, row, index) == 0 else { return nil }
        let bytes = UnsafeRawBufferPointer(
            start: PQgetvalue(result.pointer, row, index), count: Int(PQgetlength(result.pointer, row, index)))
        return PostgresCell(column: column, type: result.type(of: index), bytes: bytes)
    }

    /// The value, or the failure of being NULL.
    private func required<Value>(_ column: Int, _ value: Value?) throws(PostgresError) -> Value {
        guard let value else { throw PostgresError(.unexpectedResult, "Column \(column) of the result is NULL.") }
        return value
    }
}
