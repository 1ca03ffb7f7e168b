// SPDX-License-Identifier: Apache-2.0

/// The messages that could not be written (K3), for a program that embeds them: `sessions.deadLetters` is one. Every call
/// throws `SojournError`.
public struct DeadLetters: Sendable {
    private let store: any DeadLetterStore
    private let limits: Limits

    fileprivate init(store: any DeadLetterStore, limits: Limits) {
        self.store = store
        self.limits = limits
    }

    /// Letters in this state, or in any, the latest first.
    public func list(_ page: PageRequest = PageRequest(), state: DeadLetter.State? = .open) async throws
        -> Page<DeadLetter>
    {
        try limits.check(page)
        return try await store.deadLetters(page, state: state)
    }

    /// A letter; nil where there is none.
    public func letter(_ id: Int64) async throws -> DeadLetter? {
        try await store.deadLetter(id)
    }

    /// How many letters are open.
    public func openCount() async throws -> Int {
        try await store.openDeadLetters()
    }

    /// Tries to write an open letter once more, and returns what it says now; nil where there is none.
    ///
    /// - Throws: why it cannot be written, which leaves it open; `alreadyFinished` where it is not open.
    public func retry(_ id: Int64) async throws -> DeadLetter? {
        try await store.retryDeadLetter(id)
    }

    /// Gives an open letter up, and returns what it says now; nil where there is none.
    ///
    /// - Throws: `alreadyFinished` where it is not open.
    public func drop(_ id: Int64) async throws -> DeadLetter? {
        try await store.dropDeadLetter(id)
    }
}

extension Sessions {
    /// The messages that could not be written.
    ///
    /// - Throws: `notAvailable` where the store keeps none.
    public var deadLetters: DeadLetters {
        get throws {
            guard let store = store as? any DeadLetterStore, capabilities.contains(.deadLetters) else {
                throw SojournError(.notAvailable, "This store keeps no dead letters: PostgreSQL does (DATABASE_URL).")
            }
            return DeadLetters(store: store, limits: limits)
        }
    }
}
