// SPDX-License-Identifier: Apache-2.0

// So that whoever imports the driver may name the cases of `KafkaPassword`.
@_exported public import DriverSupport

/// Where a secret comes from. It is asked for when the client starts.
public typealias KafkaPassword = DriverPassword

extension KafkaPassword {
    /// The secret now, nil for none. Blocks the thread for at most `timeout`.
    ///
    /// - Parameter name: What the secret is, for the error.
    func read(_ name: String, timeout: Duration) throws(KafkaError) -> String? {
        do throws(PasswordFailure) {
            return try text(timeout: timeout)
        } catch {
            throw KafkaError(.configuration, "The secret of the Kafka property \(name): its \(error.reason)")
        }
    }
}
