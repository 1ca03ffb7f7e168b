// SPDX-License-Identifier: Apache-2.0

/// What a session is for (S1). The type decides its policy and who may create it.
public enum SessionType: String, Sendable, Hashable, CaseIterable, Codable {
    case chat, voice, api, web, test, admin

    /// The types that anyone may create; the others need a service key.
    public static let open: Set<SessionType> = [.chat, .voice, .web]
}

/// What renews a session's life by itself (S4). An explicit extend always does.
public enum Renewal: String, Sendable, Hashable, CaseIterable, Codable {
    /// Nothing.
    case fixed
    /// Adding items and appending events.
    case onWrite
    /// Those, and every validation.
    case onAccess
}

/// When an ended session is deleted with all that it holds (S8).
public enum Retention: Sendable, Hashable {
    /// This long after its end; zero deletes it at the next sweep.
    case after(Duration)
    /// Never.
    case never
}

/// The rules of one type of session. `life`, `renewal` and `absoluteLife` are fixed in a session at its creation.
public struct SessionPolicy: Sendable, Hashable {
    /// How long a session lives from its creation or last renewal. Default 24 h; whole seconds.
    public var life: Duration
    /// What renews it by itself. Default `onWrite`.
    public var renewal: Renewal
    /// The age past which nothing renews it; nil (default) for no such cap.
    public var absoluteLife: Duration?
    /// When sessions are deleted after their end. Default 30 days.
    public var retention: Retention

    /// A policy; see the properties for each default.
    public init(
        life: Duration = .hours(24), renewal: Renewal = .onWrite, absoluteLife: Duration? = nil,
        retention: Retention = .after(.days(30))
    ) {
        self.life = life
        self.renewal = renewal
        self.absoluteLife = absoluteLife
        self.retention = retention
    }
}

/// The policy of every type: one for all, and what differs by type.
public struct SessionPolicies: Sendable, Hashable {
    /// The policy of the types not named in `byType`.
    public var standard: SessionPolicy
    /// Policies of their own.
    public var byType: [SessionType: SessionPolicy]
    /// How long the old token lives on after its owner's own rotation (S5). Default 10 s, at most `rotationGraceMax`;
    /// zero ends it at once.
    public var rotationGrace: Duration
    /// The longest grace that a rotation may have.
    public static let rotationGraceMax: Duration = .seconds(60)
    /// How many live sessions one user may have: the oldest ends when one more begins (S6). Nil (default) for no cap.
    public var sessionsPerUserMax: Int?

    /// Policies; by default the standard one for every type.
    public init(
        standard: SessionPolicy = SessionPolicy(), byType: [SessionType: SessionPolicy] = [:],
        rotationGrace: Duration = .seconds(10), sessionsPerUserMax: Int? = nil
    ) {
        self.standard = standard
        self.byType = byType
        self.rotationGrace = rotationGrace
        self.sessionsPerUserMax = sessionsPerUserMax
    }

    /// How long ended sessions of each type are kept.
    public var retention: [SessionType: Retention] {
        Dictionary(uniqueKeysWithValues: SessionType.allCases.map { ($0, self[$0].retention) })
    }

    /// The policy of `type`.
    public subscript(_ type: SessionType) -> SessionPolicy { byType[type] ?? standard }
}
