// SPDX-License-Identifier: Apache-2.0

/// Which months there shall be (J5).
public struct PartitionPolicy: Sendable, Hashable {
    /// What becomes of a month that is detached.
    public enum Retirement: String, Sendable, Hashable, CaseIterable {
        /// It stays as a table of its own, out of the journal's sight.
        case keep
        /// It is removed with all that is in it.
        case drop
    }

    /// How many months after this one are there beforehand. Default 3.
    public var monthsAhead = 3
    /// How many months before this one stay in the journal; nil (default) for all.
    public var keepMonths: Int?
    /// What becomes of those before them. Default `keep`.
    public var retirement = Retirement.keep

    /// The defaults.
    public init() {}
}

/// What has to be done so that there are the months that there shall be: pure, and made anew after every change.
public struct PartitionPlan: Sendable, Hashable {
    /// The steps, in their order: what was begun is finished, then months ahead are made, then old ones retire.
    public let steps: [PartitionStep]

    /// The plan for the partitions as they are.
    public init(for status: PartitionStatus, policy: PartitionPolicy) {
        let now = status.month
        let existing = status.partitions.filter { $0.month != nil }
        var steps = existing.filter { $0.state == .detaching }.compactMap { $0.month.map(PartitionStep.finish) }
        for month in (0...policy.monthsAhead).map(now.advanced) where !status.covers(month) {
            // One that is detaching will be kept by then.
            steps.append(status.partition(of: month) == nil ? .create(month) : .attach(month))
        }
        if let keep = policy.keepMonths {
            let oldest = now.advanced(by: -keep)
            for partition in existing {
                guard let month = partition.month, month < oldest else { continue }
                steps += Self.retiring(month, partition.state, policy.retirement)
            }
        }
        self.steps = steps
    }

    /// The plan that retires one month by hand.
    ///
    /// - Throws: `invalidInput` where there is no such month, or turns may still go to it.
    public init(retiring month: PartitionMonth, as retirement: PartitionPolicy.Retirement, in status: PartitionStatus)
        throws(SojournError)
    {
        guard month < status.month else {
            throw SojournError(
                .invalidInput, "\(month) is not over: months before \(status.month) can retire.", field: "month")
        }
        guard let partition = status.partition(of: month) else {
            throw SojournError(.invalidInput, "There is no partition of \(month).", field: "month")
        }
        let begun: [PartitionStep] = partition.state == .detaching ? [.finish(month)] : []
        steps = begun + Self.retiring(month, partition.state, retirement)
    }

    /// The same without what takes months out of the journal.
    var withoutRetiring: PartitionPlan { PartitionPlan(steps.filter { !$0.retires }) }

    /// How many months would retire, or what was kept of them be dropped.
    var monthsRetired: Int { Set(steps.filter(\.retires).map(\.month)).count }

    private init(_ steps: [PartitionStep]) {
        self.steps = steps
    }

    private static func retiring(
        _ month: PartitionMonth, _ state: Partition.State, _ retirement: PartitionPolicy.Retirement
    ) -> [PartitionStep] {
        let detaching: [PartitionStep] = state == .attached ? [.detach(month)] : []
        return retirement == .keep ? detaching : detaching + [.empty(month), .drop(month)]
    }
}
