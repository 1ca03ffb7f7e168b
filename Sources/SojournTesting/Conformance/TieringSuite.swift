// SPDX-License-Identifier: Apache-2.0

internal import Sojourn
internal import Testing

/// Examples of what a cache before a store depends on (R2, R3).
enum TieringSuite {
    /// All examples of tiering.
    static let cases = changing + settling + copying + touching

    /// What leaves a change, and what does not.
    private static let changing: [ConformanceCase] =
        TieringChange.all.map { change in
            ConformanceCase("Tiering: \(change.name) leaves a change", needs: change.needs.union(.tiering)) { bench in
                let changed = try await change.prepare(bench)
                // Somebody whom it does not concern, and who outlives every example.
                _ = try await bench.create(.bob, policy: SessionPolicy(life: .days(99)))
                try await bench.settle()
                try await change.make(bench, changed)
                let pending = try await bench.pending()
                #expect(Set(pending.changes.map(\.session)) == Set(changed.map(\.id)))
                try await bench.truth.settle(pending.changes)
                #expect(try await bench.pending().changes.isEmpty)
            }
        } + [
            example("Tiering: a refused call leaves no change") { bench in
                let visitor = try await bench.create()
                let wrong = visitor.with(bench.digest())
                let rotation = Rotation(digest: bench.digest(), successorSealed: [1], grace: .seconds(10))
                _ = try await bench.store.rotate(visitor.access, to: rotation)
                try await bench.settle()
                guard case .repeated = try await bench.store.rotate(visitor.access, to: rotation) else {
                    Issue.record("the rotation was not repeated")
                    return
                }
                #expect(try await bench.store.end([wrong]) == [false])
                await bench.refuses(.noSession) { try await bench.store.rotate(wrong, to: rotation) }
                await bench.refuses(.staleVersion) {
                    try await bench.store.replace(.claims, of: visitor.trusted, with: .empty, ifVersion: 9)
                }
                #expect(try await bench.store.delete(bench.sessionID()) == false)
                #expect(try await bench.pending().changes.isEmpty)
            },
            example("Tiering: creations, validations, extends and touches leave no change") { bench in
                let policy = SessionPolicy(life: .minutes(10), renewal: .onAccess)
                try await bench.settle()
                let visitor = try await bench.create(.alice, policy: policy)
                bench.clock.advance(by: .minutes(5))
                let renewed = try #require(try await bench.store.validate(visitor.access))
                #expect(renewed.expiresAt > visitor.session.expiresAt)
                _ = try await bench.store.extend(visitor.access, by: .hours(5))
                _ = try await bench.store.extend(visitor.access, by: nil)
                let touch = SessionTouch(session: visitor.id, count: 3, last: bench.clock.now)
                try await bench.truth.add([touch])
                #expect(try await bench.pending().changes.isEmpty)
            },
            ConformanceCase(
                "Tiering: items and the journal leave no change", needs: [.tiering, .items, .journal]
            ) { bench in
                _ = try await bench.items.put([Item(id: 1, name: "Salt", category: nil)])
                let visitor = try await bench.create(.alice)
                try await bench.settle()
                bench.clock.advance(by: .hours(12))
                _ = try await bench.items.add([1], to: visitor.access, holdMax: 9)
                _ = try await bench.items.validateWithItems(visitor.access)
                _ = try await bench.items.remove(nil, from: visitor.access)
                let turn = bench.turn()
                _ = try await bench.append([turn], to: visitor.access)
                _ = try await bench.append(
                    [bench.entry(.interaction(type: "click", data: .empty))], to: visitor.access)
                _ = try await bench.journal.finish(
                    turn.id, of: visitor.access, response: "yes", extra: .empty, expectedTurns: nil)
                #expect(try await bench.read(visitor)?.session.expiresAt != visitor.session.expiresAt)
                #expect(try await bench.pending().changes.isEmpty)
            },
        ]

    /// How changes are read and settled.
    private static let settling: [ConformanceCase] = [
        example("Tiering: a session that changed again is there after its first change was settled") { bench in
            let visitor = try await bench.create()
            try await bench.settle()
            let first = try await bench.store.replace(.claims, of: visitor.trusted, with: .empty, ifVersion: 1)
            let old = try await bench.pending().changes
            _ = try await bench.store.replace(
                .claims, of: visitor.trusted, with: .empty, ifVersion: first.version)
            try await bench.truth.settle(old)
            let new = try await bench.pending().changes
            #expect(new.map(\.session) == [visitor.id])
            let highest = try #require(old.map(\.serial).max())
            #expect(new.allSatisfy { $0.serial > highest })
            try await bench.truth.settle(old + new + new)
            #expect(try await bench.pending().changes.isEmpty)
        },
        example("Tiering: a change is settled by its session and its serial, not by one of them") { bench in
            let (one, other) = (try await bench.create(), try await bench.create())
            try await bench.settle()
            _ = try await bench.store.end([one.trusted])
            let changes = try await bench.pending().changes
            try await bench.truth.settle(changes.map { PendingChange(session: other.id, serial: $0.serial) })
            try await bench.truth.settle(changes.map { PendingChange(session: one.id, serial: $0.serial + 1) })
            try await bench.truth.settle([])
            #expect(try await bench.pending().changes == changes)
        },
        example("Tiering: what is announced is read as that until it is settled, and beside the change itself") {
            bench in
            let (one, other) = (try await bench.create(), try await bench.create())
            try await bench.settle()
            let announced = try await bench.truth.announce([one.id, other.id])
            #expect(announced.map(\.session) == [one.id, other.id] && announced.allSatisfy(\.isAnnouncement))
            #expect(try await bench.pending().changes == announced)
            #expect(try await bench.opens(one.access))
            _ = try await bench.store.end([one.trusted])
            let changes = try await bench.pending().changes
            #expect(Array(changes.prefix(2)) == announced)
            #expect(changes.dropFirst(2).map(\.session) == [one.id])
            #expect(changes.dropFirst(2).allSatisfy { !$0.isAnnouncement })
            try await bench.truth.settle(announced)
            #expect(try await bench.pending().changes == Array(changes.dropFirst(2)))
            #expect(try await bench.truth.announce([]).isEmpty)
        },
        example("Tiering: no more changes are read than asked for, the oldest first, and it is told") { bench in
            var visitors: [Visitor] = []
            for _ in 0..<5 { visitors.append(try await bench.create()) }
            try await bench.settle()
            for visitor in visitors { _ = try await bench.store.end([visitor.trusted]) }
            let all = try await bench.truth.pendingChanges(max: 5)
            #expect(all.isWhole && all.changes.map(\.session) == visitors.map(\.id))
            let two = try await bench.truth.pendingChanges(max: 2)
            #expect(!two.isWhole && two.changes == Array(all.changes.prefix(2)))
            try await bench.truth.settle(two.changes)
            let rest = try await bench.truth.pendingChanges(max: 3)
            #expect(rest.isWhole && rest.changes == Array(all.changes.dropFirst(2)))
        },
        example("Tiering: a reading tells the store's time and the era, which goes on while somebody reads") {
            bench in
            let first = try await bench.pending()
            #expect(first.at == bench.clock.now)
            bench.clock.advance(by: .days(3))
            let second = try await bench.pending()
            #expect(second.at == bench.clock.now && second.era == first.era)
        },
        example("Tiering: beside many who read and settle, no change goes by unread") { bench in
            let visitors = try await bench.atOnce(40) { _ in try await bench.create() }
            try await bench.settle()
            let ids = visitors.map(\.id)
            let seen = try await bench.atOnce(60) { number -> Set<SessionID> in
                if number % 3 == 0 {
                    let two = visitors.dropFirst(number / 3 * 2).prefix(2).map(\.trusted)
                    #expect(try await bench.store.end(two) == [true, true])
                    return []
                }
                let pending = try await bench.truth.pendingChanges(max: number % 3 == 1 ? 3 : 100)
                try await bench.truth.settle(pending.changes)
                return Set(pending.changes.map(\.session))
            }
            let left = try await bench.pending().changes.map(\.session)
            #expect(seen.reduce(Set(left)) { $0.union($1) } == Set(ids))
        },
    ]

    /// What a cache may hold.
    private static let copying: [ConformanceCase] = [
        example("Tiering: an image is the session as it is found, and its secrets") { bench in
            _ = try await bench.store.endAll(of: .alice, by: .service)
            let metadata = JSONDocument(["b": .integer(1), "a": .string("ä")])
            let visitor = try await bench.create(bench.draft(.alice, type: .chat, metadata: metadata))
            let anonymous = try await bench.create()
            bench.clock.advance(by: .seconds(5))
            _ = try await bench.store.validate(visitor.access)
            let rotation = Rotation(digest: bench.digest(), successorSealed: [1, 2], grace: .seconds(10))
            _ = try await bench.store.rotate(visitor.access, to: rotation)
            let previous = PreviousSecret(
                digest: visitor.digest, until: bench.clock.now + .seconds(10), successorSealed: [1, 2])
            bench.clock.advance(by: .seconds(1))
            let images = try await bench.truth.images(of: [visitor.id, anonymous.id, visitor.id])
            try #require(images.count == 3)
            let image = try #require(images[0])
            #expect(try await bench.read(visitor)?.session == image.record.session)
            #expect(image.record.digest == rotation.digest && image.record.previous == previous)
            #expect(image.record.epoch == 1 && image.at == bench.clock.now)
            let other = try #require(images[1])
            #expect(try await bench.read(anonymous)?.session == other.record.session)
            #expect(other.record.digest == anonymous.digest && other.record.previous == nil)
            #expect(other.record.epoch == 0)
            #expect(images[2] == image)
            #expect(try await bench.truth.images(of: []).isEmpty)
        },
        example("Tiering: there is no image of a session that is not live") { bench in
            let short = SessionPolicy(life: .seconds(60))
            let capped = SessionPolicy(life: .hours(1), absoluteLife: .seconds(60))
            let ended = try await bench.create()
            _ = try await bench.store.end([ended.trusted])
            let deleted = try await bench.create()
            _ = try await bench.store.delete(deleted.id)
            let revoked = try await bench.create(.alice)
            _ = try await bench.store.endAll(of: .alice, by: .service)
            let dying = [try await bench.create(policy: short), try await bench.create(policy: capped)]
            let live = try await bench.create()
            bench.clock.advance(by: .seconds(60) - .instant)
            let before = try await bench.truth.images(of: (dying + [live]).map(\.id))
            #expect(before.allSatisfy { $0 != nil })
            bench.clock.advance(by: .instant)
            let dead = [ended, deleted, revoked] + dying
            let images = try await bench.truth.images(of: dead.map(\.id) + [bench.sessionID(), live.id])
            #expect(images.map { $0 != nil } == Array(repeating: false, count: dead.count + 1) + [true])
        },
    ]

    /// Validations that a cache answered.
    private static let touching: [ConformanceCase] = [
        example("Tiering: touches add to the count, and activity never goes back") { bench in
            let (visitor, other) = (try await bench.create(), try await bench.create())
            _ = try await bench.store.validate(visitor.access)
            let start = bench.clock.now
            bench.clock.advance(by: .seconds(30))
            func touch(_ visitor: Visitor, _ count: Int, _ after: Int) -> SessionTouch {
                SessionTouch(session: visitor.id, count: count, last: start + .seconds(after))
            }
            try await bench.truth.add([touch(visitor, 3, 9), touch(other, 1, 4), touch(visitor, 2, 5)])
            let session = try await bench.read(visitor)?.session
            #expect(session?.requestCount == 6 && session?.lastActivity == start + .seconds(9))
            #expect(session?.expiresAt == visitor.session.expiresAt)
            try await bench.truth.add([touch(visitor, 1, -60)])
            let again = try await bench.read(visitor)?.session
            #expect(again?.requestCount == 7 && again?.lastActivity == start + .seconds(9))
            let counted = try await bench.read(other)?.session
            #expect(counted?.requestCount == 1 && counted?.lastActivity == start + .seconds(4))
            try await bench.truth.add([])
        },
        ConformanceCase(
            "Tiering: touches of ended sessions count, those of deleted ones are left out", needs: [.tiering, .history]
        ) { bench in
            let (ended, deleted) = (try await bench.create(), try await bench.create())
            let last = bench.clock.now + .seconds(1)
            bench.clock.advance(by: .seconds(2))
            _ = try await bench.store.end([ended.trusted])
            _ = try await bench.store.delete(deleted.id)
            let ids = [deleted.id, ended.id, bench.sessionID()]
            try await bench.truth.add(ids.map { SessionTouch(session: $0, count: 2, last: last) })
            let session = try await bench.read(ended)?.session
            #expect(session?.requestCount == 2 && session?.lastActivity == last)
            #expect(session?.end == SessionEnd(at: bench.clock.now, reason: .ended))
            #expect(try await bench.read(deleted) == nil)
        },
        example("Tiering: touches of many callers at once, and validations beside them, add up") { bench in
            let visitors = [try await bench.create(), try await bench.create(), try await bench.create()]
            let now = bench.clock.now
            _ = try await bench.atOnce(48) { number in
                if number % 4 == 0 {
                    for visitor in visitors { #expect(try await bench.opens(visitor.access)) }
                }
                // Equal ones, and others.
                let count = number % 2 == 0 ? 5 : number
                try await bench.truth.add(
                    visitors.map { SessionTouch(session: $0.id, count: count, last: now) })
            }
            let sum = 12 + 24 * 5 + (1...47).filter { $0 % 2 == 1 }.reduce(0, +)
            for visitor in visitors { #expect(try await bench.read(visitor)?.session.requestCount == sum) }
        },
    ]

    /// An example for stores that a cache may stand before.
    private static func example(
        _ name: String, steps: @escaping @Sendable (Bench) async throws -> Void
    ) -> ConformanceCase {
        ConformanceCase(name, needs: .tiering, steps: steps)
    }
}

extension Bench {
    /// What is pending, all of it.
    fileprivate func pending() async throws -> PendingChanges {
        let pending = try await truth.pendingChanges(max: 1000)
        #expect(pending.isWhole)
        return pending
    }

    /// Begins to watch, and settles whatever there is.
    fileprivate func settle() async throws {
        try await truth.settle(pending().changes)
    }
}
