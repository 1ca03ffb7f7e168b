// SPDX-License-Identifier: Apache-2.0

/// One table of the journal's turns.
public struct Partition: Sendable, Hashable {
    /// How a partition stands to the whole.
    public enum State: String, Sendable, Hashable, CaseIterable {
        /// Part of it.
        case attached
        /// Neither read nor written through it any more; the detaching has still to be finished.
        case detaching
        /// A table of its own, kept after it was detached.
        case kept
    }

    /// The table's name.
    public let name: String
    /// The month that it holds; nil where its name is none of ours.
    public let month: PartitionMonth?
    /// How it stands.
    public let state: State
    /// The times that it takes; nil where it is kept, or bounded otherwise.
    public let span: Range<Timestamp>?
    /// How many rows it has, by the database's estimate; nil where there is none yet.
    public let rows: Int?
    /// The disk that it takes with its indexes, in bytes.
    public let bytes: Int

    /// A partition.
    public init(name: String, state: State, span: Range<Timestamp>?, rows: Int?, bytes: Int) {
        self.name = name
        let prefix = "conversations_"
        let digits = name.hasPrefix(prefix) ? name.dropFirst(prefix.count).replacing("_", with: "-") : ""
        month = PartitionMonth(digits)
        self.state = state
        self.span = span
        self.rows = rows
        self.bytes = bytes
    }
}

/// The partitions of the journal's turns at one moment.
public struct PartitionStatus: Sendable, Hashable {
    /// When this was read, by the store's clock.
    public let now: Timestamp
    /// Every partition, by name.
    public let partitions: [Partition]

    /// How far ahead of now there must be room for turns: with less, a node is not ready (J5).
    public static let aheadMin: Duration = .days(7)

    /// The partitions at `now`.
    public init(now: Timestamp, partitions: [Partition]) {
        self.now = now
        self.partitions = partitions.sorted { $0.name < $1.name }
    }

    /// The month that now lies in.
    public var month: PartitionMonth { PartitionMonth(of: now) }

    /// Until when turns find their partition, from now on without a gap; now itself where they find none.
    public var reach: Timestamp { reach(from: now) }

    /// How far ahead of now turns find their partition.
    public var ahead: Duration { reach - now }

    /// Whether turns will soon find no partition.
    public var isShort: Bool { ahead < Self.aheadMin }

    /// Whether every moment of a month has its partition.
    func covers(_ month: PartitionMonth) -> Bool { reach(from: month.span.lowerBound) >= month.span.upperBound }

    /// The partition of a month; nil where there is no such table.
    func partition(of month: PartitionMonth) -> Partition? { partitions.first { $0.month == month } }

    private func reach(from moment: Timestamp) -> Timestamp {
        let spans = partitions.filter { $0.state == .attached }.compactMap(\.span)
        return spans.sorted { $0.lowerBound < $1.lowerBound }.reduce(moment) { reach, span in
            span.contains(reach) ? span.upperBound : reach
        }
    }
}
