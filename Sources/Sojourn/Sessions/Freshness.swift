// SPDX-License-Identifier: Apache-2.0

/// How old an answer about a session may be: the caller's choice.
///
/// A store without a cache in front answers every one of them freshly.
public enum Freshness: Sendable, Hashable {
    /// Decided now, by whatever is the authority (default).
    case strict
    /// A cached answer of at most this age will do.
    case within(Duration)
    /// Decided now; while the store is down, a cached answer of at most this age will do.
    case staleIfDown(Duration)
}

/// A session that validated, and how the answer came about.
public struct Validation: Sendable, Hashable {
    /// Who decided.
    public enum Source: String, Sendable, Hashable {
        /// The store that holds the truth.
        case database
        /// A copy in the cache before it.
        case cache
    }

    /// The session, after the validation was counted.
    public let session: Session
    /// What it holds, where that was asked for.
    public let items: [HeldItem]?
    /// Who decided.
    public let source: Source
    /// How old the decision is; zero for a fresh one.
    public let age: Duration

    /// A validation: for stores. By default one decided now by the database.
    public init(
        _ session: Session, items: [HeldItem]? = nil, source: Source = .database, age: Duration = .zero
    ) {
        self.session = session
        self.items = items
        self.source = source
        self.age = age
    }
}
