// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
internal import Sojourn

/// PostgreSQL's failures in our terms, each with a message for the person who reads it at 3 a.m.
///
/// Messages and causes name no statement, value or password.
enum PostgresFailure {
    /// `error` as a `SojournError`: ours as they are, the driver's by their code and SQLSTATE (PostgreSQL, appendix A).
    static func map(_ error: any Error) -> SojournError {
        if let error = error as? SojournError { return error }
        guard let error = error as? PostgresError else {
            return SojournError(.storeUnavailable, "The database did not answer.", underlying: error)
        }
        let (code, message) = meaning(of: error)
        return SojournError(code, message, underlying: error)
    }

    /// What to do about a database that takes no writes.
    static let readOnly = "The database takes no writes: is it a standby? Name the primary in DATABASE_URL."

    private static func meaning(of error: PostgresError) -> (SojournError.Code, String) {
        switch error.code {
        case .server where error.isMissingMonth:
            (.storeUnavailable, "The month of a turn is missing: was it retired just now? Try again in a moment.")
        case .server where error.isOddMonth:
            (
                .storeDamaged,
                """
                \(error.table ?? "A partition") does not span its whole month (UTC), or holds turns of another: detach and \
                rename it, call sojourn.add_month() for the months of its turns, and insert them into sojourn.conversations.
                """
            )
        case .server: meaning(ofState: error.sqlState ?? "")
        case .invalidArgument:
            (.invalidInput, "The text contains a NUL character (U+0000), which PostgreSQL cannot store.")
        case .queueFull: (.storeUnavailable, "Too many calls are waiting for the database. Try again in a moment.")
        case .timedOut:
            (.storeUnavailable, "The database did not answer in time. Look at its load, its locks and the network.")
        case .unreachable:
            (.storeUnavailable, "The database cannot be reached. Check that it runs and that DATABASE_URL is right.")
        case .configuration: (.storeUnavailable, "The connection to the database is not configured right: \(error)")
        case .shutDown: (.storeUnavailable, "The database is closed.")
        case .unexpectedResult:
            (
                .storeDamaged,
                "The database's tables are not as this version made them: were they changed by hand or by a newer version?"
            )
        default: (.storeUnavailable, "The connection to the database was lost. Try again in a moment.")
        }
    }

    private static func meaning(ofState state: String) -> (SojournError.Code, String) {
        switch state {
        case "22021", "22P05":
            (.invalidInput, "The text contains a NUL character (U+0000), which PostgreSQL cannot store.")
        case "22P02": (.invalidInput, "A value is not of the form that its column has, such as an IP address.")
        case "53100": (.storeFull, "The disk that holds the database is full. Nothing was lost; free some space.")
        case "25006": (.storeUnavailable, readOnly)
        case "42P01", "3F000", "42883", "42703":
            (.storeUnavailable, "The database has no tables of this version: `sojourn init` makes them.")
        case "42501":
            (.storeUnavailable, "The database's role lacks a right that it needs: connect as the tables' owner.")
        case "55P03":
            (
                .storeUnavailable,
                """
                The database's tables are locked, or the month is being retired. pg_stat_activity shows the oldest \
                transaction (ORDER BY xact_start): end it, or try again later.
                """
            )
        case _ where state.hasPrefix("XX"):
            (.storeDamaged, "The database reports damage. Stop the servers and look at PostgreSQL's log.")
        case _ where state.hasPrefix("22") || state.hasPrefix("23"):
            (.invalidInput, "A value is outside what the database accepts.")
        // Our own functions raise other codes.
        case _ where state.hasPrefix("P0"):
            (.invalidInput, "A rule of the database's own, such as a trigger, refused it. PostgreSQL's log tells why.")
        default: (.storeUnavailable, "The database refused the call. Look at PostgreSQL's log.")
        }
    }
}
