// SPDX-License-Identifier: Apache-2.0

internal import GRDB
internal import Sojourn

/// SQLite's failures in our terms, each with a message for the person who reads it at 3 a.m.
///
/// Messages and causes name no statement, value or path.
enum SQLiteFailure {
    /// `error` as a `SojournError`: ours as they are, SQLite's by their result code.
    static func map(_ error: any Error) -> SojournError {
        if let error = error as? SojournError { return error }
        guard let error = error as? DatabaseError else {
            return SojournError(.storeUnavailable, "The database did not answer.", underlying: error)
        }
        let (code, message) = meaning(of: error.resultCode, extended: error.extendedResultCode)
        // Without the statement that GRDB keeps in its errors.
        let cause = DatabaseError(resultCode: error.extendedResultCode, message: error.message)
        return SojournError(code, message, underlying: cause)
    }

    private static func meaning(of code: ResultCode, extended: ResultCode) -> (SojournError.Code, String) {
        switch code {
        case .SQLITE_FULL:
            (
                .storeFull,
                "The disk that holds the database is full. Nothing was lost; free some space and it goes on by itself."
            )
        case .SQLITE_READONLY:
            (
                .storeFull,
                "The database file is read-only. Check its owner and mode and how its disk is mounted, then restart."
            )
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            (
                .storeDamaged,
                "The database file is damaged or no SQLite database. Stop the server, copy the file away as it is, "
                    + "then put the newest backup in its place."
            )
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            (
                .storeUnavailable,
                "Another process has kept the database locked for five seconds. "
                    + "Look for a long command beside the server, and try again."
            )
        case .SQLITE_IOERR:
            (
                .storeUnavailable,
                "The disk that holds the database failed to read or write. Look at the system's log and the free space."
            )
        case .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH:
            (
                .storeUnavailable,
                "The database file could not be opened. Check that its folder exists and may be written to."
            )
        case .SQLITE_NOMEM:
            (.storeUnavailable, "There is not enough memory left for the database.")
        case .SQLITE_MISUSE:
            (.storeUnavailable, "The database is closed.")
        case .SQLITE_CONSTRAINT
        where extended == .SQLITE_CONSTRAINT_PRIMARYKEY || extended == .SQLITE_CONSTRAINT_UNIQUE:
            (.duplicateID, "A row with this id exists already.")
        case .SQLITE_CONSTRAINT, .SQLITE_ERROR, .SQLITE_SCHEMA, .SQLITE_MISMATCH:
            (
                .storeDamaged,
                "The database's tables are not as this version made them: was the file changed by hand or by a newer "
                    + "version?"
            )
        default:
            (.storeUnavailable, "The database did not answer.")
        }
    }
}
