// SPDX-License-Identifier: Apache-2.0

/// How many rows of a kind a cycle of the rotation takes (C3): so many that were never cached and so many of those cached
/// longest ago. Where there are fewer of one sort, the other fills, so that fewer rows than both together are all taken.
///
/// **The bound.** Let there be N rows that were never cached and C that were, when it is asked. Then each of them is in the
/// rotation within `cyclesMax` = max(⌈N / new⌉, ⌈C / old⌉) cycles, whatever arrives, changes and is deleted meanwhile:
///
/// - Both sorts are queues. Rows that were never cached stand in the order of their arrival, and newcomers behind them;
///   the others stand in the order of their last stamp, and a cycle's stamp is higher than all before it, so whoever was
///   taken goes to the end. So nobody gets in front of a row.
/// - A cycle takes no less than `new` from the front of the one and `old` from the front of the other, or all there are:
///   filling takes from neither share. Deletions only shorten the way.
/// - So a row at place p of its queue is taken within ⌈p / new⌉ or ⌈p / old⌉ cycles, and p is at most N or C.
///
/// It does not depend on how many arrive: where more than `new` do for ever, the first queue grows, and with it the bound of
/// those at its end, but nobody's wait grows once they stand in it. Without arrivals it is a bound too, and not the least:
/// filling makes both queues go faster. `docs/decisions/022-aging.md` says what of this hangs on the tables.
public struct AgingShares: Sendable, Hashable {
    /// Rows never cached that a cycle takes. Default 500; at least 1, else they would starve.
    public var new = 500
    /// Rows cached longest ago that a cycle takes. Default 500; at least 1 as well.
    public var old = 500

    /// What a share may be.
    public static let range = 1...5_000

    /// The defaults.
    public init() {}

    /// These shares.
    public init(new: Int, old: Int) {
        precondition(
            Self.range.contains(new) && Self.range.contains(old), "shares are 1 to \(Self.range.upperBound) rows")
        self.new = new
        self.old = old
    }

    /// Most rows that a cycle takes.
    public var rowsMax: Int { new + old }

    /// How many rows of each sort a cycle takes where there are so many of them.
    public func taken(neverCached: Int, cached: Int) -> AgingTaken {
        let takesNew = min(neverCached, new + max(0, old - cached))
        let takesOld = min(cached, old + max(0, new - neverCached))
        return AgingTaken(new: takesNew, old: takesOld)
    }

    /// Within how many cycles each of so many rows is in the rotation; 0 where there are none.
    public func cyclesMax(neverCached: Int, cached: Int) -> Int {
        max((neverCached + new - 1) / new, (cached + old - 1) / old)
    }
}

/// How many rows of a kind a cycle took.
public struct AgingTaken: Sendable, Hashable {
    /// Rows that had never been cached.
    public let new: Int
    /// Rows that had been cached longest ago.
    public let old: Int

    /// So many rows.
    public init(new: Int, old: Int) {
        self.new = new
        self.old = old
    }

    /// Both together.
    public var total: Int { new + old }
}
