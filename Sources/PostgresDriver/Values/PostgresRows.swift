// SPDX-License-Identifier: Apache-2.0

internal import CPostgres

/// What a statement returned: its rows, and how many it changed.
///
/// Values are decoded where they are read, on the caller's task, out of libpq's memory, which lives as long as a copy
/// of this or one of its rows does.
public struct PostgresRows: Sendable {
    /// The result that rows read from.
    let result: PostgresResult
    /// How many rows came back.
    public let count: Int

    /// The rows in `result`.
    init(_ result: PostgresResult) {
        self.result = result
        count = Int(PQntuples(result.pointer))
    }

    /// How many rows the statement inserted, changed, deleted or returned.
    public var affected: Int { Int(String(cString: PQcmdTuples(result.pointer))) ?? 0 }

    /// The number of columns.
    public var columnCount: Int { Int(PQnfields(result.pointer)) }

    /// The name of `column`, from 0, or nil where there is no such column.
    public func columnName(_ column: Int) -> String? {
        guard column >= 0, column < columnCount else { return nil }
        return PQfname(result.pointer, Int32(column)).map { String(cString: $0) }
    }

    /// The command as the server tells it: `SELECT`, `COMMIT`, `ROLLBACK`, ….
    var tag: String { String(cString: PQcmdStatus(result.pointer)) }
}

extension PostgresRows: RandomAccessCollection {
    public var startIndex: Int { 0 }
    public var endIndex: Int { count }

    public subscript(position: Int) -> PostgresRow {
        precondition(position >= 0 && position < count, "a row beyond the end of the result")
        return PostgresRow(result: result, row: Int32(position))
    }
}

/// Owns one `PGresult`.
///
/// Unchecked because the pointer is opaque: nobody writes to a result after libpq gave it away, its readers only look
/// values up, and it is freed once, with the last reference.
final class PostgresResult: @unchecked Sendable {
    let pointer: OpaquePointer

    /// Takes `pointer` over.
    init(_ pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit {
        PQclear(pointer)
    }

    /// The type of a column that exists.
    func type(of column: Int32) -> PostgresType {
        PostgresType(rawValue: PQftype(pointer, column))
    }

    /// A field of the error in here, or nil.
    func field(_ field: Int) -> String? {
        PQresultErrorField(pointer, Int32(field)).map { String(cString: $0) }
    }
}
