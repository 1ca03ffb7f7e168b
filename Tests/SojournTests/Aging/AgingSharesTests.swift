// SPDX-License-Identifier: Apache-2.0

import Sojourn
import Testing

/// How many rows a cycle takes, and within how many cycles every row is taken (C3).
@Suite("Shares of a cycle")
struct AgingSharesTests {
    @Test(
        "short of either sort, the other fills; fewer rows than both together are all taken",
        arguments: [
            (0, 0, 0, 0), (5000, 5000, 500, 500), (5000, 0, 1000, 0), (0, 5000, 0, 1000), (300, 5000, 300, 700),
            (5000, 300, 700, 300), (400, 300, 400, 300), (900, 50, 900, 50), (501, 499, 501, 499), (500, 501, 500, 500),
        ])
    func taken(neverCached: Int, cached: Int, new: Int, old: Int) {
        #expect(AgingShares().taken(neverCached: neverCached, cached: cached) == AgingTaken(new: new, old: old))
    }

    @Test(
        "the bound is that of the slower queue",
        arguments: [(0, 0, 0), (1, 0, 1), (500, 500, 1), (501, 500, 2), (20_000, 1000, 40), (10, 20_001, 41)])
    func bound(neverCached: Int, cached: Int, cycles: Int) {
        #expect(AgingShares().cyclesMax(neverCached: neverCached, cached: cached) == cycles)
    }

    @Test("no row waits longer than the bound said whenever it was asked, whatever arrives and is deleted")
    func boundHolds() {
        var reached = 0
        for seed in 0..<100 {
            var random = SeededRandom(seed: UInt64(seed))
            var queues = Queues(shares: AgingShares(new: 1 + random.below(9), old: 1 + random.below(9)))
            let arrivalsMax = random.below(3 * queues.shares.rowsMax)
            let deletionsMax = random.below(queues.shares.rowsMax)
            queues.arrive(random.below(120))
            for _ in 0..<80 {
                queues.promise()
                // Between asking for the bound and the next cycle rows arrive, are completed, go, and change.
                queues.arrive(random.below(arrivalsMax + 1))
                for _ in 0..<random.below(deletionsMax + 1) { queues.delete(&random) }
                reached += queues.cycle()
                #expect(queues.broken == 0, "seed \(seed)")
                guard queues.broken == 0 else { return }
            }
        }
        // It is no better than it says it is: some rows do wait that long.
        #expect(reached > 100)
    }

    @Test("in the order of their ids, rows would starve while others arrive in front of them")
    func idsAreNoQueue() {
        let shares = AgingShares(new: 2, old: 2)
        var waiting = Array(100..<110)
        let promised = shares.cyclesMax(neverCached: waiting.count, cached: 0)
        for cycle in 0..<promised * 10 {
            // Ids that stand before those that wait; the longer there are enough of them, the longer these wait.
            waiting = ((cycle * 3..<cycle * 3 + 3).map { $0 - 1000 } + waiting).sorted()
            waiting.removeFirst(shares.taken(neverCached: waiting.count, cached: 1000).new)
        }
        #expect(waiting.contains(109) && waiting.contains(100))
    }
}

/// The two queues as the tables have them: a row is where its stamp and its arrival put it.
private struct Queues {
    private struct Row {
        let arrival: Int
        var stamp: Int?
        /// The cycle by which it was promised to be taken; nil where nothing was.
        var due: Int?
    }

    let shares: AgingShares
    private var rows: [Row] = []
    private var arrivals = 0
    private var cycles = 0
    /// Promises that were not kept.
    private(set) var broken = 0

    init(shares: AgingShares) {
        self.shares = shares
    }

    mutating func arrive(_ count: Int) {
        for _ in 0..<count {
            arrivals += 1
            rows.append(Row(arrival: arrivals))
        }
    }

    mutating func delete(_ random: inout SeededRandom) {
        guard !rows.isEmpty else { return }
        rows.remove(at: random.below(rows.count))
    }

    /// Asks for the bound, and writes it down for every row that is there.
    mutating func promise() {
        let neverCached = rows.count { $0.stamp == nil }
        let bound = shares.cyclesMax(neverCached: neverCached, cached: rows.count - neverCached)
        for index in rows.indices { rows[index].due = min(rows[index].due ?? .max, cycles + bound) }
    }

    /// Runs a cycle; returns how many rows were taken in the last one that was promised.
    mutating func cycle() -> Int {
        cycles += 1
        rows.sort { ($0.stamp ?? .min, $0.arrival) < ($1.stamp ?? .min, $1.arrival) }
        let neverCached = rows.count { $0.stamp == nil }
        let taken = shares.taken(neverCached: neverCached, cached: rows.count - neverCached)
        var reached = 0
        for index in Array(0..<taken.new) + Array(neverCached..<neverCached + taken.old) {
            reached += rows[index].due == cycles ? 1 : 0
            rows[index].stamp = cycles
            rows[index].due = nil
        }
        broken += rows.count { $0.due.map { $0 <= cycles } ?? false }
        return reached
    }
}
