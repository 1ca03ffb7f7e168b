// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sojourn

/// The tier's pure decisions.
@Suite("The tier's decisions") struct TierDecisionTests {
    private let start = ContinuousClock.now

    private func after(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

    /// Whether the breaker lets a caller ask, so many milliseconds after the start.
    private func asks(_ breaker: inout CircuitBreaker, _ milliseconds: Int) -> Bool {
        breaker.admits(at: after(milliseconds))
    }

    @Test("the breaker opens after three failures in a row, probes, and rests for longer each time")
    func breaker() {
        var breaker = CircuitBreaker()
        for _ in 0..<2 { breaker.failed(at: start) }
        breaker.succeeded()
        for _ in 0..<2 { breaker.failed(at: start) }
        #expect(breaker.isClosed)
        breaker.failed(at: start)
        // An answer to what was asked before changes nothing.
        breaker.succeeded()
        #expect(!breaker.isClosed)
        var asked = [199, 200, 200].map { asks(&breaker, $0) }
        #expect(asked == [false, true, false])
        breaker.failed(at: after(250))
        asked = [649, 650].map { asks(&breaker, $0) }
        #expect(asked == [false, true])
        breaker.succeeded()
        #expect(breaker.isClosed)
    }

    @Test("a prober that never tells is forgotten")
    func lostProbe() {
        var breaker = CircuitBreaker()
        for _ in 0..<CircuitBreaker.failuresMax { breaker.failed(at: start) }
        let asked = [200, 5199, 5200].map { asks(&breaker, $0) }
        #expect(asked == [true, false, true])
    }

    @Test("a prober that gave up leaves it to the next one, and callers that did open nothing")
    func givenUp() {
        var breaker = CircuitBreaker()
        for _ in 0..<CircuitBreaker.failuresMax { breaker.gaveUp(at: start) }
        #expect(breaker.isClosed)
        for _ in 0..<CircuitBreaker.failuresMax { breaker.failed(at: start) }
        #expect(asks(&breaker, 200))
        breaker.gaveUp(at: after(210))
        let asked = [210, 211].map { asks(&breaker, $0) }
        #expect(asked == [true, false])
    }

    private func id(_ number: UInt64) -> SessionID { SessionID(UUIDBytes(high: 0, low: number)) }

    private func reading(
        _ ids: [UInt64], era: Int64 = 1, isWhole: Bool = true, at seconds: Int64 = 0
    ) -> PendingChanges {
        PendingChanges(
            era: era, at: Timestamp(seconds: seconds),
            changes: ids.map { PendingChange(session: id($0), serial: Int64($0)) },
            isWhole: isWhole)
    }

    @Test("a reading counts for the lease, from when it was asked for, and not for what is pending")
    func lease() {
        var lease = TrustLease(length: .seconds(1))
        #expect(lease.era(for: id(1), at: start) == nil)
        let changes = lease.read(reading([7]), askedAt: start)
        #expect(changes.new.map(\.session) == [id(7)] && changes.old.isEmpty)
        #expect(lease.era(for: id(1), at: after(999)) == 1 && lease.era(for: id(1), at: after(1000)) == nil)
        #expect(lease.era(for: id(1), at: after(1500), age: .seconds(2)) == 1)
        #expect(lease.era(for: id(7), at: start) == nil)
        lease.remove(changes.new, at: after(10))
        #expect(lease.era(for: id(7), at: start) == 1)
    }

    @Test("a change is removed once by each node, and settled two leases later")
    func settling() {
        var lease = TrustLease(length: .seconds(1))
        let first = lease.read(reading([7]), askedAt: start)
        lease.remove(first.new, at: after(10))
        let second = lease.read(reading([7, 8]), askedAt: after(2009))
        #expect(second.new.map(\.session) == [id(8)] && second.old.isEmpty)
        let third = lease.read(reading([7, 8]), askedAt: after(2010))
        #expect(third.old.map(\.session) == [id(7)])
        let fourth = lease.read(reading([7], era: 2), askedAt: after(2020))
        #expect(fourth.new.count == 1)
    }

    @Test("what is announced is answered by no copy until it is settled, and settled by others in the end")
    func announcing() {
        var lease = TrustLease(length: .seconds(1))
        let announced = PendingChange(session: id(7), serial: 7, isAnnouncement: true)
        let made = PendingChange(session: id(7), serial: 8)
        func read(_ changes: [PendingChange], _ milliseconds: Int) -> (new: [PendingChange], old: [PendingChange]) {
            lease.read(
                PendingChanges(era: 1, at: Timestamp(seconds: 0), changes: changes, isWhole: true),
                askedAt: after(milliseconds))
        }
        let first = read([announced], 0)
        #expect(first.new.isEmpty && first.old.isEmpty)
        #expect(lease.era(for: id(7), at: after(1)) == nil && lease.era(for: id(8), at: after(1)) == 1)
        let second = read([announced, made], 10)
        #expect(second.new == [made])
        lease.remove(second.new, at: after(20))
        #expect(lease.era(for: id(7), at: after(30)) == nil)
        #expect(read([announced], 299_999).old.isEmpty)
        #expect(read([announced], 300_000).old == [announced])
        #expect(read([], 300_010).old.isEmpty && lease.era(for: id(7), at: after(300_011)) == 1)
    }

    @Test("a reading that is not whole covers nothing")
    func partial() {
        var lease = TrustLease(length: .seconds(1))
        _ = lease.read(reading([], isWhole: false), askedAt: start)
        #expect(lease.era(for: id(1), at: start) == nil)
    }

    @Test("who did not read, or did not remove what it read, for two leases goes by no copy from before")
    func gap() {
        var lease = TrustLease(length: .seconds(1))
        func trusts(_ seconds: Int64) -> Bool { lease.trusts(copyReadAt: Timestamp(seconds: seconds)) }
        _ = lease.read(reading([], at: 10), askedAt: start)
        _ = lease.read(reading([], at: 12), askedAt: after(2000))
        #expect(trusts(0))
        _ = lease.read(reading([], at: 15), askedAt: after(4001))
        #expect(!trusts(14) && trusts(15))
        // Read in time, but not removed: somebody else may have settled it.
        let found = lease.read(reading([1], at: 16), askedAt: after(5000))
        _ = lease.read(reading([1], at: 17), askedAt: after(6000))
        #expect(trusts(15))
        lease.remove(found.new, at: after(6100))
        #expect(trusts(15))
        _ = lease.read(reading([2], at: 18), askedAt: after(7000))
        _ = lease.read(reading([], at: 20), askedAt: after(8001))
        #expect(!trusts(19) && trusts(20))
    }
}
