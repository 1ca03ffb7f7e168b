// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import Synchronization

/// Whether a transaction pooler stands before the server: told, seen from the address, or learned by the first
/// connection; shared by all of a client's connections.
final class PoolingKnowledge: Sendable {
    private struct State {
        var isPooled: Bool?
        var isAnnounced = false
    }

    private let state: Mutex<State>

    /// What the configuration tells already.
    init(_ configuration: PostgresConfiguration) {
        let told: Bool? =
            switch configuration.pooling {
            case .none: false
            case .transaction: true
            case .detect: configuration.looksPooled ? true : nil
            }
        state = Mutex(State(isPooled: told))
    }

    /// The answer, nil where nothing is known before the first connection.
    var isTransactionPooled: Bool? { state.withLock { $0.isPooled } }

    /// Notes what a connection found out, and says once where it is a pooler.
    func learn(_ isPooled: Bool, _ logger: Logger) {
        let isNews = state.withLock { state in
            state.isPooled = isPooled
            defer { state.isAnnounced = true }
            return !state.isAnnounced
        }
        if isNews && isPooled {
            logger.notice(
                """
                A transaction pooler stands before PostgreSQL: statements are not kept prepared, and LISTEN needs the \
                server's direct URL.
                """)
        }
    }
}
