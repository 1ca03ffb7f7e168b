// SPDX-License-Identifier: Apache-2.0

internal import Sojourn
internal import Testing

/// Examples of what is done with all sessions of a user (S6).
enum UsersSuite {
    /// All examples of epochs, caps, listings and erasure.
    static let cases = ending + capping + listing + erasing

    /// Ending all sessions, and all others.
    private static let ending: [ConformanceCase] = [
        ConformanceCase("Users: ending all ends every live session of the user and nobody else's") { bench in
            let mine = [try await bench.create(.alice), try await bench.create(.alice), try await bench.create(.alice)]
            let others = [try await bench.create(.bob), try await bench.create()]
            _ = try await bench.store.end([mine[2].trusted])
            #expect(try await bench.store.endAll(of: .alice, by: .service) == 2)
            for visitor in mine { #expect(try await !bench.opens(visitor.access)) }
            for visitor in others { #expect(try await bench.opens(visitor.access)) }
            #expect(try await bench.store.endAll(of: .alice, by: .service) == 0)
        },
        ConformanceCase("Users: a session ended with all others tells so before any sweep", needs: .history) { bench in
            let visitor = try await bench.create(.alice)
            bench.clock.advance(by: .seconds(5))
            _ = try await bench.store.endAll(of: .alice, by: .service)
            let end = SessionEnd(at: bench.clock.now, reason: .revoked)
            bench.clock.advance(by: .seconds(5))
            let stored = try await bench.read(visitor)
            #expect(stored?.session.end == end && stored?.status == .ended)
            #expect(try await bench.store.end([visitor.trusted]) == [false])
        },
        ConformanceCase("Users: of two ends of all before a sweep, each session keeps its own", needs: .history) {
            bench in
            let short = SessionPolicy(life: .seconds(10))
            let first = try await bench.create(.alice, policy: short)
            bench.clock.advance(by: .seconds(5))
            let ended = SessionEnd(at: bench.clock.now, reason: .revoked)
            _ = try await bench.store.endAll(of: .alice, by: .cli)
            let expired = try await bench.create(.alice, policy: short)
            bench.clock.advance(by: .seconds(15))
            let last = try await bench.create(.alice)
            #expect(try await bench.store.endOthers(last.access) == 0)
            for isSwept in [false, true] {
                if isSwept { _ = try await bench.store.sweep(SweepOrder()) }
                #expect(try await bench.read(first)?.session.end == ended)
                let expiry = SessionEnd(at: expired.session.expiresAt, reason: .expired)
                #expect(try await bench.read(expired)?.session.end == expiry)
                #expect(try await bench.opens(last.access))
            }
            #expect(try await bench.store.facts(of: first.id)?.facts.first?.actor == .cli)
            #expect(try await bench.store.facts(of: expired.id)?.facts.first?.kind == .expired)
        },
        ConformanceCase("Users: a session begun after the end of all is live; an unknown user has none") { bench in
            #expect(try await bench.store.endAll(of: .alice, by: .service) == 0)
            let visitor = try await bench.create(.alice)
            #expect(try await bench.opens(visitor.access))
        },
        ConformanceCase("Users: ending all others spares the caller's session as it is") { bench in
            let own = try await bench.create(.alice)
            let others = [try await bench.create(.alice), try await bench.create(.alice)]
            let bob = try await bench.create(.bob)
            #expect(try await bench.store.endOthers(own.access) == 2)
            #expect(try await bench.read(own)?.session == own.session)
            #expect(try await bench.opens(own.access))
            for visitor in others { #expect(try await !bench.opens(visitor.access)) }
            #expect(try await bench.opens(bob.access))
            #expect(try await bench.store.endOthers(own.trusted) == 0)
            #expect(try await bench.opens(own.access))
        },
        ConformanceCase("Users: an anonymous session has no others; a dead one may not end them") { bench in
            let anonymous = [try await bench.create(), try await bench.create()]
            #expect(try await bench.store.endOthers(anonymous[0].access) == 0)
            #expect(try await bench.opens(anonymous[1].access))
            let (dead, live) = (try await bench.create(.alice), try await bench.create(.alice))
            _ = try await bench.store.end([dead.trusted])
            await bench.refuses(.noSession) { try await bench.store.endOthers(dead.access) }
            await bench.refuses(.noSession) { try await bench.store.endOthers(live.with(bench.digest())) }
            #expect(try await bench.opens(live.access))
        },
        ConformanceCase("Users: of two that end each other at once, one is left") { bench in
            for _ in 0..<8 {
                let two = [try await bench.create(.alice), try await bench.create(.alice)]
                let ended = try await bench.atOnce(2, orRefused: .noSession) {
                    try await bench.store.endOthers(two[$0].access)
                }
                #expect(ended.compactMap(\.self) == [1])
                for (visitor, count) in zip(two, ended) {
                    #expect(try await bench.opens(visitor.access) == (count != nil))
                }
                _ = try await bench.store.endAll(of: .alice, by: .service)
            }
        },
        ConformanceCase("Users: what was created before the end of all is dead, whatever ran beside it (law 1)") {
            bench in
            let before = try await bench.create(.alice)
            let beside = try await bench.atOnce(12) { number in
                if number == 6 { _ = try await bench.store.endAll(of: .alice, by: .service) }
                _ = try await bench.store.validate(before.access)
                return try await bench.create(.alice)
            }
            #expect(try await !bench.opens(before.access))
            _ = try await bench.store.endAll(of: .alice, by: .service)
            for visitor in beside { #expect(try await !bench.opens(visitor.access)) }
        },
    ]

    /// The cap on a user's live sessions.
    private static let capping: [ConformanceCase] = [
        ConformanceCase("Users: past the cap the oldest live session ends", needs: .history) { bench in
            var visitors: [Visitor] = []
            for _ in 0..<4 {
                bench.clock.advance(by: .seconds(1))
                visitors.append(try await bench.create(.alice, cap: 2))
            }
            let end = SessionEnd(at: bench.clock.now, reason: .cap)
            #expect(try await bench.read(visitors[1])?.session.end == end)
            for (visitor, isLive) in zip(visitors, [false, false, true, true]) {
                #expect(try await bench.opens(visitor.access) == isLive)
            }
            #expect(try await bench.store.facts(of: visitors[0].id)?.facts.first?.actor == .cap)
        },
        ConformanceCase("Users: only live sessions count towards the cap, and only the user's own") { bench in
            let first = try await bench.create(.alice, cap: 2)
            let ended = try await bench.create(.alice, cap: 2)
            _ = try await bench.store.end([ended.trusted])
            let expired = try await bench.create(.alice, policy: SessionPolicy(life: .seconds(1)), cap: 2)
            bench.clock.advance(by: .seconds(1))
            _ = try await bench.create(.bob, cap: 2)
            _ = try await bench.create(cap: 2)
            _ = try await bench.create(.alice, cap: 2)
            #expect(try await bench.opens(first.access))
            #expect(try await !bench.opens(expired.access))
        },
        ConformanceCase("Users: a login keeps the cap as well and ends the oldest others") { bench in
            let anonymous = try await bench.create()
            var visitors: [Visitor] = []
            for _ in 0..<2 {
                bench.clock.advance(by: .seconds(1))
                visitors.append(try await bench.create(.alice))
            }
            let digest = bench.digest()
            _ = try await bench.store.bind(anonymous.trusted, to: .alice, digest: digest, sessionsPerUserMax: 2)
            #expect(try await bench.opens(anonymous.with(digest)))
            #expect(try await !bench.opens(visitors[0].access))
            #expect(try await bench.opens(visitors[1].access))
        },
        ConformanceCase("Users: a cap of one leaves the newest, however many begin in one call") { bench in
            let results = try await bench.store.create((0..<5).map { _ in bench.draft(.alice, cap: 1) })
            #expect(try results.map { try $0.get().userID } == Array(repeating: .alice, count: 5))
            let live = try await bench.store.sessions(
                matching: SessionFilter(userID: .alice, status: .active), page: PageRequest())
            #expect(try live.items.map(\.session.id) == [results[4].get().id])
        },
        ConformanceCase("Users: 40 sessions begun at once leave the cap and not one more") { bench in
            _ = try await bench.atOnce(40) { _ in try await bench.create(.alice, cap: 3) }
            let live = try await bench.store.sessions(
                matching: SessionFilter(userID: .alice, status: .active), page: PageRequest(limit: 100))
            #expect(live.items.count == 3)
            let ended = try await bench.store.sessions(
                matching: SessionFilter(userID: .alice, status: .ended), page: PageRequest(limit: 100))
            if bench.store.capabilities.contains(.history) { #expect(ended.items.count == 37) }
        },
    ]

    /// Listings.
    private static let listing: [ConformanceCase] = [
        ConformanceCase("Users: sessions are listed newest first, by user, type and status", needs: .history) { bench in
            let policy = SessionPolicy(life: .seconds(60))
            var visitors: [Visitor] = []
            for (user, type) in [
                (UserID.alice, SessionType.web), (.alice, .chat), (.bob, .web), (nil, .chat), (.alice, .web),
            ] {
                bench.clock.advance(by: .seconds(1))
                visitors.append(try await bench.create(user, type: type, policy: policy))
            }
            _ = try await bench.store.end([visitors[4].trusted])
            bench.clock.set(to: visitors[1].session.expiresAt)
            let wanted: [(SessionFilter, [Int])] = [
                (SessionFilter(), [4, 3, 2, 1, 0]), (SessionFilter(userID: .alice), [4, 1, 0]),
                (SessionFilter(type: .chat), [3, 1]), (SessionFilter(status: .active), [3, 2]),
                (SessionFilter(status: .expired), [1, 0]), (SessionFilter(status: .ended), [4]),
                (SessionFilter(userID: .alice, type: .web, status: .expired), [0]),
                (SessionFilter(userID: UserID(stored: "nobody")), []),
            ]
            for (filter, indices) in wanted {
                let page = try await bench.store.sessions(matching: filter, page: PageRequest())
                #expect(page.items.map(\.session.id) == indices.map { visitors[$0].id }, "\(filter)")
                #expect(page.next == nil)
            }
        },
        ConformanceCase("Users: pages join without gap or repeat while sessions come and go") { bench in
            var visitors: [Visitor] = []
            for _ in 0..<7 {
                bench.clock.advance(by: .seconds(1))
                visitors.append(try await bench.create(.alice))
            }
            let filter = SessionFilter(userID: .alice)
            let first = try await bench.store.sessions(matching: filter, page: PageRequest(limit: 3))
            _ = try await bench.create(.alice)
            _ = try await bench.store.delete(visitors[4].id)
            _ = try await bench.store.delete(visitors[3].id)
            let second = try await bench.store.sessions(
                matching: filter, page: PageRequest(limit: 3, after: first.next))
            #expect(first.items.map(\.session.id) == [6, 5, 4].map { visitors[$0].id })
            #expect(second.items.map(\.session.id) == [2, 1, 0].map { visitors[$0].id })
            #expect(second.next == nil)
        },
        ConformanceCase("Users: a page that ends the listing says so, and a foreign cursor is refused") { bench in
            for _ in 0..<4 { _ = try await bench.create() }
            let first = try await bench.store.sessions(matching: SessionFilter(), page: PageRequest(limit: 2))
            let last = try await bench.store.sessions(
                matching: SessionFilter(), page: PageRequest(limit: 2, after: first.next))
            #expect(first.next != nil && last.items.count == 2 && last.next == nil)
            let error = await bench.refuses(.invalidInput) {
                try await bench.store.sessions(
                    matching: SessionFilter(), page: PageRequest(after: PageCursor(7, "another listing's")))
            }
            #expect(error?.field == "cursor")
        },
    ]

    /// Erasure.
    private static let erasing: [ConformanceCase] = [
        ConformanceCase("Users: erasing one removes every session of theirs, live or ended, and nobody else's") {
            bench in
            let (live, ended) = (try await bench.create(.alice), try await bench.create(.alice))
            let (bob, anonymous) = (try await bench.create(.bob), try await bench.create())
            _ = try await bench.store.end([ended.trusted])
            let receipt = try await bench.store.erase(.alice)
            #expect((bench.store.capabilities.contains(.history) ? 2...2 : 1...2).contains(receipt.sessions))
            #expect(receipt.items == 0 && receipt.entries.isEmpty)
            for visitor in [live, ended] {
                #expect(try await !bench.opens(visitor.access))
                #expect(try await bench.read(visitor) == nil)
            }
            for visitor in [bob, anonymous] { #expect(try await bench.opens(visitor.access)) }
        },
        ConformanceCase("Users: the receipt of an erasure counts per table", needs: [.items, .journal]) { bench in
            let visitor = try await bench.create(.alice)
            let bob = try await bench.create(.bob)
            _ = try await bench.items.put((1...3).map { Item(id: $0, name: "Item \($0)", category: nil) })
            for own in [visitor, bob] {
                _ = try await bench.items.add([1, 2], to: own.access, holdMax: 10)
                _ = try await bench.append([bench.turn(), bench.turn()], to: own.access)
                _ = try await bench.append(
                    [bench.entry(.interaction(type: "click", data: .empty))], to: own.access)
            }
            let receipt = try await bench.store.erase(.alice)
            #expect(
                receipt == ErasureReceipt(sessions: 1, items: 2, entries: [.conversations: 2, .interactions: 1]))
            let left = try await bench.journal.history(
                .conversations, of: .user(.alice), HistoryQuery(), page: PageRequest())
            #expect(left.items.isEmpty)
            #expect(try await bench.items.held(by: bob.access).count == 2)
        },
        ConformanceCase("Users: an erased user may come back as a new one; erasing an unknown one is no error") {
            bench in
            let none = ErasureReceipt(sessions: 0, items: 0, entries: [:])
            #expect(try await bench.store.erase(.alice) == none)
            let old = try await bench.create(.alice)
            _ = try await bench.store.endAll(of: .alice, by: .service)
            #expect(try await bench.store.erase(.alice).sessions == 1)
            let new = try await bench.create(.alice)
            #expect(try await bench.opens(new.access))
            #expect(try await !bench.opens(old.access))
            #expect(try await bench.store.erase(.alice).sessions == 1)
        },
    ]
}
