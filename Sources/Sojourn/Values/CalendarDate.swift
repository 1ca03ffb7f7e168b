// SPDX-License-Identifier: Apache-2.0

/// A day of the calendar without a time: `2026-01-31` (RFC 3339, `full-date`).
public struct CalendarDate: Sendable, Hashable, CustomStringConvertible {
    /// The day as `YYYY-MM-DD`.
    public let text: String

    /// The day that a text names; nil where it is none, or its year lies outside 1…9999.
    public init?(_ text: String) {
        guard text.utf8.count == 10, let midnight = Timestamp("\(text)T00:00:00Z") else { return nil }
        self.init(midnight)
    }

    /// The day of a moment, in UTC.
    public init(_ moment: Timestamp) {
        text = String(moment.text.prefix(10))
    }

    /// A day from a store of ours, believed as it is.
    public init(stored text: String) {
        self.text = text
    }

    public var description: String { text }
}
