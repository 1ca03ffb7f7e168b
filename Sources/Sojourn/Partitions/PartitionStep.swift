// SPDX-License-Identifier: Apache-2.0

/// One change to one month. Each is safe to repeat, and on many nodes at once.
public enum PartitionStep: Sendable, Hashable {
    /// Make the month and attach it.
    case create(PartitionMonth)
    /// Attach a month that was kept.
    case attach(PartitionMonth)
    /// Detach the month, so that it is kept as a table of its own.
    case detach(PartitionMonth)
    /// Finish a detaching that was begun.
    case finish(PartitionMonth)
    /// Remove the rows of a month that is kept.
    case empty(PartitionMonth)
    /// Remove the table of a month that is kept.
    case drop(PartitionMonth)

    /// The month.
    public var month: PartitionMonth {
        switch self {
        case .create(let month), .attach(let month), .detach(let month), .finish(let month), .empty(let month),
            .drop(let month):
            month
        }
    }

    /// What is done, in a word.
    public var verb: String {
        switch self {
        case .create: "create"
        case .attach: "attach"
        case .detach: "detach"
        case .finish: "finish"
        case .empty: "empty"
        case .drop: "drop"
        }
    }

    /// Whether it takes a month, or what was kept of it, away.
    var retires: Bool {
        switch self {
        case .create, .attach, .finish: false
        case .detach, .empty, .drop: true
        }
    }
}

extension PartitionStep: CustomStringConvertible {
    /// As in `create 2026-11`.
    public var description: String { "\(verb) \(month)" }
}

/// A lock that a step takes on a table, for milliseconds unless it says otherwise.
public struct PartitionLock: Sendable, Hashable {
    /// The modes that occur, the weakest first (PostgreSQL, 13.3.1).
    public enum Mode: String, Sendable, Hashable, CaseIterable {
        /// Holds up VACUUM and changes of the table, no reader or writer.
        case shareUpdateExclusive = "SHARE UPDATE EXCLUSIVE"
        /// Holds up writers, no reader.
        case shareRowExclusive = "SHARE ROW EXCLUSIVE"
        /// Holds up everybody.
        case accessExclusive = "ACCESS EXCLUSIVE"

        /// Who waits for it, for people.
        public var effect: String {
            switch self {
            case .shareUpdateExclusive: "nobody waits but VACUUM"
            case .shareRowExclusive: "writers wait"
            case .accessExclusive: "readers and writers wait"
            }
        }
    }

    /// The table's name.
    public let table: String
    /// The strongest lock that is taken on it.
    public let mode: Mode

    /// A lock.
    public init(_ table: String, _ mode: Mode) {
        self.table = table
        self.mode = mode
    }
}

extension PartitionLock: CustomStringConvertible {
    /// As in `conversations: SHARE UPDATE EXCLUSIVE, nobody waits but VACUUM`.
    public var description: String { "\(table): \(mode.rawValue), \(mode.effect)" }
}

extension PartitionStep {
    /// The strongest lock that the step takes on each table, as measured on PostgreSQL 15. None is waited for longer than
    /// 50 ms, as those who come after would wait as well; then the step is tried again.
    public var locks: [PartitionLock] {
        let month = PartitionLock(month.table, .accessExclusive)
        let whole = PartitionLock("conversations", .shareUpdateExclusive)
        return switch self {
        case .create, .detach, .finish: [whole, PartitionLock("session_master", .shareRowExclusive), month]
        case .attach: [whole, PartitionLock("session_master", .accessExclusive), month]
        case .empty: [month]
        case .drop: [PartitionLock("session_master", .accessExclusive), month]
        }
    }
}
