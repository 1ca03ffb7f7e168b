// SPDX-License-Identifier: Apache-2.0

// So that whoever imports the driver may name the cases of `PostgresPassword`.
@_exported public import DriverSupport

/// Where the database's password comes from. With none, there is peer or certificate authentication, or libpq's own
/// password file.
public typealias PostgresPassword = DriverPassword

extension PostgresPassword {
    /// The password now, nil for none. Blocks the thread for at most `timeout`.
    func read(timeout: Duration) throws(PostgresError) -> String? {
        do throws(PasswordFailure) {
            return try text(timeout: timeout)
        } catch {
            throw PostgresError(.configuration, "The database's password \(error.reason)")
        }
    }
}
