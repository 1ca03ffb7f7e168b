// SPDX-License-Identifier: Apache-2.0

// So that whoever imports the driver may name the cases of `RedisPassword`.
@_exported public import DriverSupport

/// Where the password for Redis, or for its Sentinels, comes from.
public typealias RedisPassword = DriverPassword

extension RedisPassword {
    /// The password now, nil for none. Blocks the thread for at most `timeout`.
    func read(timeout: Duration) throws(RedisError) -> String? {
        do throws(PasswordFailure) {
            return try text(timeout: timeout)
        } catch {
            throw RedisError(.configuration, "The Redis password \(error.reason)")
        }
    }
}
