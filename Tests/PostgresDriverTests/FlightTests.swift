// SPDX-License-Identifier: Apache-2.0
import DriverSupport
import Testing

@testable import PostgresDriver

/// Who is told what, without a server.
@Suite("Flight") struct FlightTests {
    let statement = PostgresStatement("SELECT 1")
    let loss = PostgresError(.connectionLost, "gone")

    /// A unit of one call.
    private func unit(repeats: Int = 0, change: (inout Unit) -> Void = { _ in }) -> Unit {
        var unit = Unit(
            content: .calls([PostgresCall(statement)]), deadline: .now + .seconds(1), patience: .seconds(1),
            waiter: Waiter(queued: Tally()))
        unit.repeats = repeats
        change(&unit)
        return unit
    }

    /// A failure with a code of the server's.
    private func failure(_ state: String, _ message: String = "") -> PostgresError {
        var failure = PostgresError(.server, message)
        failure.sqlState = state
        return failure
    }

    @Test("a unit is settled at its sync and not before") func settling() {
        var flight = Flight()
        flight.add(unit(), as: [.call(statement, name: nil)])
        let early = flight.receive(.failure(failure("23505")))
        #expect(early.settled == nil)
        let settled = flight.receive(.sync).settled
        #expect(settled?.outcome?.failure?.sqlState == "23505")
        #expect(flight.isEmpty)
    }

    @Test("what fails at the sync is the unit's failure too") func deferred() {
        var flight = Flight()
        flight.add(unit(), as: [])
        _ = flight.receive(.failure(failure("23503")))
        let settled = flight.receive(.sync).settled
        #expect(settled?.outcome?.failure?.sqlState == "23503")
    }

    @Test("a sync without the result before it is no success, and the connection is given up") func outOfStep() {
        var flight = Flight()
        flight.add(unit(), as: [.call(statement, name: nil)])
        let action = flight.receive(.sync)
        #expect(action.settled?.outcome?.failure?.outcome == .unknown)
        #expect(action.isOutOfStep)
    }

    @Test("a statement whose preparation was skipped is forgotten") func skippedPreparation() {
        var flight = Flight()
        flight.add(
            unit(), as: [.call(statement, name: nil), .prepare(statement, name: "s1"), .call(statement, name: "s1")])
        _ = flight.receive(.failure(failure("22012")))
        let skipped = [flight.receive(.skipped), flight.receive(.skipped)]
        #expect(skipped.map { $0.forgotten.map(\.name) } == [["s1"], []])
    }

    @Test(
        "a unit that met a stale preparation is sent again, but not for ever",
        arguments: [("26000", ""), ("0A000", "cached plan must not change result type")])
    func stale(state: String, message: String) {
        for (repeats, isRepeated) in [(0, true), (1, true), (2, false)] {
            var flight = Flight()
            flight.add(unit(repeats: repeats), as: [.call(statement, name: "s1")])
            let failed = flight.receive(.failure(failure(state, message)))
            #expect(failed.forgotten.map(\.name) == ["s1"])
            let settled = flight.receive(.sync).settled
            #expect((settled?.outcome == nil) == isRepeated)
        }
    }

    @Test("a stale preparation within a transaction is the caller's to know") func staleInTransaction() {
        var flight = Flight()
        flight.add(unit { $0.connection = 1 }, as: [.call(statement, name: "s1")])
        _ = flight.receive(.failure(failure("26000")))
        let settled = flight.receive(.sync).settled
        #expect(settled?.outcome?.failure?.sqlState == "26000")
    }

    @Test("a broken connection leaves a unit's outcome unknown") func lost() {
        var flight = Flight()
        flight.add(unit(), as: [.call(statement, name: nil)])
        let settled = flight.lose(loss, isDirect: true)
        #expect(settled.first?.outcome?.failure?.outcome == .unknown)
        #expect(flight.isEmpty)
    }

    @Test("what may be repeated is sent again, once") func repeatable() {
        for (repeats, isRepeated) in [(0, true), (1, false)] {
            var flight = Flight()
            flight.add(unit(repeats: repeats) { $0.isRepeatable = true }, as: [.call(statement, name: nil)])
            let settled = flight.lose(loss, isDirect: true)
            #expect((settled[0].outcome == nil) == isRepeated)
        }
    }

    @Test("a unit that failed before the loss is told so") func failedBefore() {
        var flight = Flight()
        flight.add(unit(), as: [.call(statement, name: nil)])
        _ = flight.receive(.failure(failure("23505")))
        let outcome = flight.lose(loss, isDirect: true)[0].outcome
        #expect(outcome?.failure?.sqlState == "23505")
        #expect(outcome?.failure?.outcome == .nothingHappened)
    }

    @Test("a unit without its sync had no effect") func incomplete() {
        var flight = Flight()
        flight.add(unit(repeats: 1), as: [], isIncomplete: true)
        let settled = flight.lose(loss, isDirect: true)
        #expect(settled[0].outcome?.failure?.outcome == .nothingHappened)
    }

    @Test("an open transaction ends with its connection, and is not begun on another") func inTransaction() {
        var flight = Flight()
        flight.add(
            unit {
                $0.connection = 3
                $0.commits = false
            }, as: [.call(statement, name: nil)])
        let settled = flight.lose(loss, isDirect: true)
        #expect(settled[0].outcome?.failure?.outcome == .nothingHappened)
    }

    @Test("where the server says that it ended the session, what it had not begun is sent again") func endedSession() {
        for (isDirect, state, isRepeated) in [(true, "57P01", true), (false, "57P01", false), (true, "08P01", false)] {
            var flight = Flight()
            flight.add(unit(), as: [.call(statement, name: nil)])
            flight.add(unit(), as: [.call(statement, name: nil)])
            _ = flight.receive(.end(failure(state)))
            let outcomes = flight.lose(loss, isDirect: isDirect).map(\.outcome)
            #expect(outcomes.map { $0 == nil } == [isRepeated, isRepeated])
        }
    }

    @Test("a session ended where a sync was due may have committed") func endedAtSync() {
        var flight = Flight()
        flight.add(unit(), as: [])
        flight.add(unit(), as: [.call(statement, name: nil)])
        _ = flight.receive(.end(failure("57P01")))
        let outcomes = flight.lose(loss, isDirect: true).map(\.outcome)
        #expect(outcomes[0]?.failure?.outcome == .unknown)
        #expect(outcomes[1] == nil)
    }

    @Test("callers in flight are told once that their time is up") func expiry() {
        var flight = Flight()
        let now = ContinuousClock.now
        flight.add(unit(), as: [])
        #expect(flight.expire(now).isEmpty)
        #expect(flight.expire(now + .seconds(2)).count == 1)
        #expect(flight.expire(now + .seconds(3)).isEmpty)
        #expect(flight.nextDeadline == nil)
        #expect(flight.count == 1)
    }
}

extension Result {
    /// The failure, if it is one.
    fileprivate var failure: Failure? {
        if case .failure(let failure) = self { failure } else { nil }
    }
}
