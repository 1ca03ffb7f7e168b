// SPDX-License-Identifier: Apache-2.0

// SQL runs here on GRDB's cached statements, stepped and read through SQLite's own calls: a session row has 27 columns,
// and GRDB's `Row` costs more than SQLite itself on the way of a validation (docs/decisions, SQLite).
internal import GRDB
internal import GRDBSQLite
internal import Sojourn

/// A value for a `?` in a statement; nil is NULL.
enum Argument {
    case integer(Int64?)
    case real(Double?)
    case text(String?)
    case blob([UInt8]?)
    case uuid(UUIDBytes)
    case time(Timestamp?)

    /// A count or number of ours.
    static func integer(_ value: Int) -> Self { .integer(Int64(value)) }
    /// A session's key.
    static func id(_ id: SessionID) -> Self { .uuid(id.uuid) }
    /// A user's key; NULL for an anonymous visitor.
    static func user(_ user: UserID?) -> Self { .text(user?.text) }
}

extension Database {
    /// Runs a statement that returns no rows.
    ///
    /// - Returns: How many rows it changed itself, cascades not counted.
    @discardableResult
    func run(_ sql: String, _ arguments: [Argument] = []) throws -> Int {
        try each(sql, arguments) { _ in true }
        guard let connection = sqliteConnection else { return 0 }
        return Int(sqlite3_changes(connection))
    }

    /// The first row of a query, read by `body`; nil where it has none.
    func first<Value>(_ sql: String, _ arguments: [Argument] = [], _ body: (Columns) throws -> Value) throws -> Value? {
        var found: Value?
        try each(sql, arguments) { columns in
            found = try body(columns)
            return false
        }
        return found
    }

    /// All rows of a query, each read by `body`.
    func all<Value>(_ sql: String, _ arguments: [Argument] = [], _ body: (Columns) throws -> Value) throws -> [Value] {
        var found: [Value] = []
        try each(sql, arguments) { columns in
            found.append(try body(columns))
            return true
        }
        return found
    }

    /// Hands each row to `body` until that returns false. `body` must not run the same SQL: a connection has each
    /// statement once.
    func each(_ sql: String, _ arguments: [Argument] = [], _ body: (Columns) throws -> Bool) throws {
        let statement = try cachedStatement(sql: sql)
        let handle = statement.sqliteStatement
        sqlite3_reset(handle)
        defer { sqlite3_reset(handle) }
        for (index, argument) in arguments.enumerated() {
            try check(argument.bind(to: handle, at: CInt(index + 1)))
        }
        while true {
            let code = sqlite3_step(handle)
            if code == SQLITE_DONE { return }
            guard code == SQLITE_ROW else { throw failure(code) }
            guard try body(Columns(statement: handle)) else { return }
        }
    }

    private func check(_ code: CInt) throws {
        guard code == SQLITE_OK else { throw failure(code) }
    }

    /// What went wrong, without the statement: its text belongs in no log.
    private func failure(_ code: CInt) -> DatabaseError {
        guard let connection = sqliteConnection else { return DatabaseError(resultCode: .SQLITE_MISUSE) }
        let extended = sqlite3_extended_errcode(connection)
        return DatabaseError(
            resultCode: ResultCode(rawValue: extended & 0xFF == code & 0xFF ? extended : code),
            message: String(cString: sqlite3_errmsg(connection)))
    }
}

extension Argument {
    /// SQLite's SQLITE_TRANSIENT, a cast of -1 that Swift does not import: the bytes are copied while we call.
    private static var copied: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

    fileprivate func bind(to statement: SQLiteStatement, at index: CInt) -> CInt {
        switch self {
        case .integer(let value?): return sqlite3_bind_int64(statement, index, value)
        case .time(let value?): return sqlite3_bind_int64(statement, index, value.microseconds)
        case .real(let value?): return sqlite3_bind_double(statement, index, value)
        case .text(var value?):
            return value.withUTF8 { utf8 in
                // An empty buffer may have no address, and SQLite takes that for NULL.
                guard let address = utf8.baseAddress else { return sqlite3_bind_text(statement, index, "", 0, nil) }
                return address.withMemoryRebound(to: CChar.self, capacity: utf8.count) {
                    sqlite3_bind_text(statement, index, $0, CInt(utf8.count), Self.copied)
                }
            }
        case .blob(let value?):
            return value.isEmpty
                ? sqlite3_bind_zeroblob(statement, index, 0)
                : sqlite3_bind_blob(statement, index, value, CInt(value.count), Self.copied)
        case .uuid(let value):
            var words = (value.high.bigEndian, value.low.bigEndian)
            return withUnsafeBytes(of: &words) {
                sqlite3_bind_blob(statement, index, $0.baseAddress, 16, Self.copied)
            }
        case .integer(nil), .time(nil), .real(nil), .text(nil), .blob(nil): return sqlite3_bind_null(statement, index)
        }
    }
}

/// The current row of a running statement, by column number. Valid only while its row is handed out.
struct Columns {
    fileprivate let statement: SQLiteStatement

    /// Whether the column is NULL.
    func isNull(_ index: Int) -> Bool { sqlite3_column_type(statement, CInt(index)) == SQLITE_NULL }

    /// A number; 0 for NULL.
    func integer(_ index: Int) -> Int64 { sqlite3_column_int64(statement, CInt(index)) }

    /// A number that we count with; 0 for NULL. Throws where nobody can have counted so far, so that one more is never
    /// too many.
    func count(_ index: Int) throws -> Int {
        let count = integer(index)
        guard (0...1 << 62).contains(count) else { throw Self.foreign("a count") }
        return Int(count)
    }

    /// A moment; 1970 for NULL.
    func time(_ index: Int) -> Timestamp { Timestamp(microseconds: integer(index)) }

    /// A moment; nil for NULL.
    func optionalTime(_ index: Int) -> Timestamp? { isNull(index) ? nil : time(index) }

    /// A real number; nil for NULL.
    func optionalReal(_ index: Int) -> Double? {
        isNull(index) ? nil : sqlite3_column_double(statement, CInt(index))
    }

    /// A text; empty for NULL.
    func text(_ index: Int) -> String {
        guard let start = sqlite3_column_text(statement, CInt(index)) else { return "" }
        let length = Int(sqlite3_column_bytes(statement, CInt(index)))
        return String(decoding: UnsafeBufferPointer(start: start, count: length), as: UTF8.self)
    }

    /// A text; nil for NULL.
    func optionalText(_ index: Int) -> String? { isNull(index) ? nil : text(index) }

    /// Bytes; nil for NULL.
    func optionalBytes(_ index: Int) -> [UInt8]? {
        guard !isNull(index) else { return nil }
        let start = sqlite3_column_blob(statement, CInt(index))
        return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, CInt(index)))))
    }

    /// The sixteen bytes of an id.
    func uuid(_ index: Int) throws -> UUIDBytes {
        guard let start = sqlite3_column_blob(statement, CInt(index)),
            sqlite3_column_bytes(statement, CInt(index)) == 16
        else { throw Self.foreign("an id") }
        return UUIDBytes(
            high: UInt64(bigEndian: start.loadUnaligned(as: UInt64.self)),
            low: UInt64(bigEndian: start.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
    }

    /// One of a fixed set of names.
    func name<Name: RawRepresentable<String>>(_ index: Int, _ what: String = "\(Name.self)") throws -> Name {
        guard let name = Name(rawValue: text(index)) else { throw Self.foreign(what) }
        return name
    }

    private static func foreign(_ what: String) -> SojournError {
        SojournError(
            .storeDamaged,
            "A row holds something that is not \(what): was it written by a newer version, or by hand?")
    }
}
