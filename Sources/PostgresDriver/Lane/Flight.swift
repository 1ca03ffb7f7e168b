// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// What was sent on one connection and not answered yet, in order; decides who is told what.
///
/// The server answers every step of a unit, then its sync. A result is not a commit: rows come before the sync, and
/// what fails there (a deferred constraint) takes them back. So a unit is settled at its sync only. After an error the
/// server skips the rest of the unit, and nothing of its neighbours.
struct Flight {
    /// What the server answers with one result.
    enum Step {
        /// Preparing a statement under a name.
        case prepare(PostgresStatement, name: String)
        /// Our own housekeeping, whose result is nobody's.
        case housekeeping
        /// Running a call, prepared under a name or not.
        case call(PostgresStatement, name: String?)
    }

    /// What the server answered.
    enum Received {
        /// A step was done.
        case rows(PostgresRows)
        /// A step failed, or the commit did.
        case failure(PostgresError)
        /// The server ended the session with this error.
        case end(PostgresError)
        /// A step was skipped, since one before it failed.
        case skipped
        /// The end of the unit.
        case sync
    }

    /// A unit, and what became of it.
    struct Settled {
        let unit: Unit
        /// What its caller is to be told, or nil where it is to be sent again.
        let outcome: Result<[PostgresRows], PostgresError>?
    }

    /// What is to be done after something was received.
    struct Action {
        /// Statements that are not prepared after all.
        var forgotten: [(PostgresStatement, name: String)] = []
        /// The unit that came to its end.
        var settled: Settled?
        /// Whether server and client are out of step, so that the connection has to be given up.
        var isOutOfStep = false
    }

    private struct Entry {
        let unit: Unit
        let steps: [Step]
        var stepsDone = 0
        var rows: [PostgresRows] = []
        var failure: PostgresError?
        var isExpired = false
        /// Whether its sync was not sent, so that nothing of it can be committed.
        let isIncomplete: Bool
    }

    private var entries: Deque<Entry> = []
    /// Why the server ended the session, if it said so.
    private(set) var end: PostgresError?
    /// Whether that came before the first unit's last step was done.
    private var endedEarly = false

    /// How many units are under way.
    var count: Int { entries.count }
    /// Whether nothing is under way.
    var isEmpty: Bool { entries.isEmpty }
    /// How long the server may be silent: as the most patient of the units under way allows.
    var patience: Duration? { entries.lazy.map(\.unit.patience).max() }

    /// Notes that `unit` was sent as `steps` and a sync, or without the sync, where it is incomplete.
    mutating func add(_ unit: Unit, as steps: [Step], isIncomplete: Bool = false) {
        entries.append(Entry(unit: unit, steps: steps, isIncomplete: isIncomplete))
    }

    /// The units whose callers have waited long enough by `now`, each once. They stay under way.
    mutating func expire(_ now: ContinuousClock.Instant) -> [Unit] {
        var expired: [Unit] = []
        for index in entries.indices where !entries[index].isExpired {
            guard entries[index].unit.deadline <= now else { continue }
            entries[index].isExpired = true
            expired.append(entries[index].unit)
        }
        return expired
    }

    /// When the next caller will have waited long enough.
    var nextDeadline: ContinuousClock.Instant? {
        entries.lazy.filter { !$0.isExpired }.map(\.unit.deadline).min()
    }
}

extension Flight {
    /// Takes in the next answer.
    mutating func receive(_ received: Received) -> Action {
        var action = Action()
        guard !entries.isEmpty else { return action }
        if case .sync = received {
            let entry = entries.removeFirst()
            action.settled = Settled(unit: entry.unit, outcome: settle(entry))
            action.isOutOfStep = entry.failure == nil && entry.stepsDone != entry.steps.count && !entry.unit.isScript
            return action
        }
        let step = entries[0].stepsDone < entries[0].steps.count ? entries[0].steps[entries[0].stepsDone] : nil
        entries[0].stepsDone += 1
        switch received {
        case .rows(let rows):
            if case .call = step { entries[0].rows.append(rows) }
        case .failure(let failure):
            if entries[0].failure == nil { entries[0].failure = failure }
            action.forgotten = forgotten(step, failure)
        case .end(let failure):
            end = failure
            // The step that it came instead of was never completed; where none was left, the commit may have been.
            endedEarly = step != nil
        case .skipped:
            action.forgotten = forgotten(step, nil)
        case .sync: break
        }
        return action
    }

    /// What the connection does not know after `step` failed or was skipped.
    private func forgotten(_ step: Step?, _ failure: PostgresError?) -> [(PostgresStatement, name: String)] {
        switch step {
        case .prepare(let statement, let name): [(statement, name)]
        case .call(let statement, let name?) where failure?.isStalePreparation ?? false: [(statement, name)]
        default: []
        }
    }

    /// What the caller of `entry` is told after its sync.
    private func settle(_ entry: Entry) -> Result<[PostgresRows], PostgresError>? {
        guard let failure = entry.failure else {
            // A sync without the results before it: a pooler that mixed connections up. Nothing can be believed then.
            guard entry.stepsDone == entry.steps.count || entry.unit.isScript else {
                return .failure(
                    PostgresError(.unexpectedResult, "The database answered less than was asked.", outcome: .unknown))
            }
            return .success(Array(entry.rows.dropFirst(entry.unit.unwanted)))
        }
        // All of it was rolled back, so it may simply be sent again, prepared anew this time.
        let mayRepeat = entry.unit.connection == nil && entry.unit.commits && entry.unit.repeats < 2
        if failure.isStalePreparation && mayRepeat { return nil }
        return .failure(failure)
    }

    /// The connection is gone: empties the flight.
    ///
    /// A unit had no effect for certain where it could not commit, where it failed before, and where the server itself
    /// said that it ended the session (57P…) before the unit was through: it works through units in order. That word
    /// counts only where no pooler stands between (`isDirect`). Such a unit, and one that is repeatable, is sent again
    /// once.
    mutating func lose(_ reason: PostgresError, isDirect: Bool) -> [Settled] {
        defer {
            entries.removeAll()
            end = nil
        }
        let isEndKnown = isDirect && (end?.sqlState?.hasPrefix("57P") ?? false)
        return entries.enumerated().map { index, entry in
            if let failure = entry.failure { return Settled(unit: entry.unit, outcome: .failure(failure)) }
            let wasUntouched = isEndKnown && (index > 0 || endedEarly)
            let isCertain = !entry.unit.commits || entry.isIncomplete || wasUntouched
            if entry.unit.connection == nil, entry.unit.repeats == 0, isCertain || entry.unit.isRepeatable {
                return Settled(unit: entry.unit, outcome: nil)
            }
            return Settled(unit: entry.unit, outcome: .failure(reason.with(isCertain ? .nothingHappened : .unknown)))
        }
    }
}

extension PostgresError {
    /// Whether the server does not know, or may not use any more, a statement that we took for prepared: 26000 where
    /// it was skipped or dropped, 0A000 where a table changed under it.
    fileprivate var isStalePreparation: Bool {
        sqlState == "26000" || sqlState == "0A000" && message.contains("cached plan")
    }
}
