// SPDX-License-Identifier: Apache-2.0

/// One thing that happened to a session's life: what `why` tells. Renewals and validations are no facts.
public struct SessionFact: Sendable, Hashable {
    /// When.
    public let at: Timestamp
    /// What.
    public let kind: SessionFactKind
    /// By whom.
    public let actor: Actor
    /// More about it: the reason of an end, the user of a bind; nil where `kind` says all.
    public let detail: String?

    /// A fact.
    public init(at: Timestamp, kind: SessionFactKind, actor: Actor, detail: String? = nil) {
        self.at = at
        self.kind = kind
        self.actor = actor
        self.detail = detail
    }
}

/// The kinds of facts.
public enum SessionFactKind: String, Sendable, Hashable, CaseIterable {
    /// It began.
    case created
    /// Its secret was replaced, or first issued.
    case rotated
    /// A user was bound to it.
    case bound
    /// It was extended by an explicit call.
    case extended
    /// Somebody ended it; `detail` is the reason.
    case ended
    /// Its time ran out.
    case expired
    /// The sweep ended it for another reason than its time; `detail` is the reason.
    case swept
}

/// A session's facts, newest first, and how many older ones were folded away.
public struct SessionFacts: Sendable, Hashable {
    /// At most 64, newest first.
    public let facts: [SessionFact]
    /// How many were dropped, oldest first, to stay within the 64.
    public let folded: Int

    /// How many facts are kept of a session.
    public static let keptMax = 64

    /// Facts of a session.
    public init(facts: [SessionFact], folded: Int) {
        self.facts = facts
        self.folded = folded
    }
}
