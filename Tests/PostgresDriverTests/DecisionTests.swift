// SPDX-License-Identifier: Apache-2.0
import DriverSupport
import Testing

@testable import PostgresDriver

/// The values that decide, without a server.
@Suite("Decisions") struct DecisionTests {
    let now = ContinuousClock.now

    @Test("pauses grow from 50 ms to 5 s, and chance shortens them by up to a half") func pauses() {
        var outage = Outage(grace: .seconds(60))
        let pauses = (0..<9).map { _ in now.duration(to: outage.failed(at: now, isLasting: false, chance: 0).retry) }
        #expect(pauses.prefix(3) == [.milliseconds(50), .milliseconds(100), .milliseconds(200)])
        #expect(pauses.last == .seconds(5))
        let short = now.duration(to: outage.failed(at: now, isLasting: false, chance: 1).retry)
        #expect(short == .seconds(2.5))
        outage.ended()
        #expect(now.duration(to: outage.failed(at: now, isLasting: false, chance: 0).retry) == .milliseconds(50))
    }

    @Test("callers are told once the grace is over, or at once where waiting is no use") func grace() {
        var outage = Outage(grace: .seconds(2))
        func tells(after seconds: Double, isLasting: Bool = false) -> Bool {
            outage.failed(at: now + .seconds(seconds), isLasting: isLasting, chance: 0).tellsWaiting
        }
        outage.lost(at: now)
        #expect(!tells(after: 1.9))
        #expect(tells(after: 2))
        outage.ended()
        #expect(!tells(after: 9))
        #expect(tells(after: 9, isLasting: true))
    }

    @Test("a connection keeps the statements used last") func prepared() {
        var statements = PreparedStatements(max: 2)
        let all = (0..<3).map { PostgresStatement("SELECT \($0)") }
        let first = [statements.use(all[0]), statements.use(all[1])]
        #expect(first.map(\.isNew) == [true, true])
        let again = statements.use(all[0])
        #expect(!again.isNew && again.name == "s1")
        let third = statements.use(all[2])
        #expect(third.evicted == "s2" && third.name == "s3")
        #expect(statements.count == 2)
        let equal = statements.use(PostgresStatement("SELECT 0"))
        #expect(equal.name == "s1")
    }

    @Test("a statement is forgotten under the name it failed with only") func forgetting() {
        var statements = PreparedStatements(max: 8)
        let statement = PostgresStatement("SELECT 1")
        let first = statements.use(statement).name
        statements.forget(statement, as: first)
        let second = statements.use(statement)
        #expect(second.isNew && second.name != first)
        statements.forget(statement, as: first)
        let third = statements.use(statement)
        #expect(!third.isNew)
    }

    @Test("a lease goes to who waits longest, and the one used last is lent first") func leases() {
        var book = LeaseBook(lanesMax: 2, waitingMax: 2)
        let grants = (0..<5).map { _ in book.request() }
        #expect(grants == [.lane(0), .lane(1), .turn(1), .turn(2), .full])
        let givenUp = [book.giveUp(1), book.giveUp(1)]
        #expect(givenUp == [true, false])
        let next = [book.giveBack(1), book.giveBack(0), book.giveBack(1)]
        #expect(next == [2, nil, nil])
        let again = book.request()
        #expect(again == .lane(1))
    }

    /// What a subscription wants done some seconds from now.
    private func due(_ listening: inout Listening, after seconds: Int = 0) -> Listening.Action? {
        listening.tick(at: now + .seconds(seconds)).action
    }

    @Test("a subscription stands once its test came back, and is dead when one does not") func listening() {
        var listening = Listening(channel: "a", probeChannel: "p", heartbeat: .seconds(20), patience: .seconds(5))
        #expect(due(&listening) == nil)
        listening.subscribed(true, at: now)
        #expect(due(&listening) == .probe("1"))
        #expect(listening.notified("a", "early", at: now) == .notification("early"))
        #expect(listening.notified("p", "0", at: now) == nil)
        #expect(listening.notified("p", "1", at: now) == .established)
        #expect(due(&listening, after: 19) == nil)
        #expect(due(&listening, after: 20) == .probe("2"))
        #expect(due(&listening, after: 24) == nil)
        #expect(due(&listening, after: 25) == .giveUp)
        #expect(listening.disconnected() == .lost)
        #expect(listening.disconnected() == nil)
    }

    @Test("a refused subscription is tried again after a second") func refused() {
        var listening = Listening(channel: "a", probeChannel: "p", heartbeat: .seconds(20), patience: .seconds(5))
        listening.subscribed(false, at: now)
        #expect(due(&listening) == nil)
        #expect(due(&listening, after: 1) == .giveUp)
        #expect(listening.disconnected() == nil)
    }

    @Test("a caller is told once, and what is known depends on whether it was sent") func waiter() {
        let queued = Tally()
        let early = Waiter(queued: queued)
        #expect(queued.value == 1)
        early.cancel()
        #expect(queued.value == 0)
        #expect(!early.markSent(on: 1))
        early.attach { #expect($0.failure?.code == .cancelled && $0.failure?.outcome == .nothingHappened) }
        let late = Waiter(queued: queued)
        #expect(late.markSent(on: 1))
        late.expire()
        late.answer(.success([]))
        late.attach { #expect($0.failure?.code == .timedOut && $0.failure?.outcome == .unknown) }
        #expect(queued.value == 0)
    }
}

extension Result {
    /// The failure, if it is one.
    fileprivate var failure: Failure? {
        if case .failure(let failure) = self { failure } else { nil }
    }
}
