// SPDX-License-Identifier: Apache-2.0

/// Counts over all sessions at one moment (S9).
public struct SessionStatistics: Sendable, Hashable {
    /// Live sessions.
    public var active = 0
    /// Sessions that somebody or something ended before their time, still kept as history.
    public var ended = 0
    /// Sessions whose time ran out, marked by a sweep or not.
    public var expired = 0
    /// Items held, over all sessions.
    public var items = 0
    /// Sessions begun within the last hour.
    public var createdLastHour = 0
    /// Sessions begun within the last 24 hours.
    public var createdLastDay = 0
    /// Live sessions by type; types without any are left out.
    public var activeByType: [SessionType: Int] = [:]
    /// When this was counted, by the store's clock.
    public var at: Timestamp

    /// All sessions stored.
    public var total: Int { active + ended + expired }

    /// No sessions at all, at a moment.
    public init(at: Timestamp) {
        self.at = at
    }
}

/// Whether what a store keeps hangs together (J8).
public struct IntegrityReport: Sendable, Hashable {
    /// One thing that was looked at.
    public struct Finding: Sendable, Hashable {
        /// What was looked at: `orphans in conversations`.
        public let check: String
        /// Whether it is as it should be.
        public let isGood: Bool
        /// What was found, in words.
        public let detail: String

        /// A finding.
        public init(check: String, isGood: Bool, detail: String) {
            self.check = check
            self.isGood = isGood
            self.detail = detail
        }
    }

    /// All that was looked at, in a fixed order.
    public let findings: [Finding]

    /// A report.
    public init(findings: [Finding]) {
        self.findings = findings
    }

    /// Whether every finding is good.
    public var isGood: Bool { findings.allSatisfy(\.isGood) }
}
