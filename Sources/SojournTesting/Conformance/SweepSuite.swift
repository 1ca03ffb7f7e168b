// SPDX-License-Identifier: Apache-2.0

internal import Sojourn
internal import Testing

/// Examples of the sweep (S8, law 9).
enum SweepSuite {
    /// All examples of the sweep.
    static let cases = marking + deleting + bounding

    /// What it marks.
    private static let marking: [ConformanceCase] = [
        example("Sweep: an expired session is marked as ended at its expiry, once") { bench in
            let visitor = try await bench.create(policy: SessionPolicy(life: .seconds(60)))
            let live = try await bench.create()
            bench.clock.set(to: visitor.session.expiresAt - .instant)
            #expect(try await bench.store.sweep(SweepOrder()) == SweepOutcome())
            bench.clock.advance(by: .minutes(9))
            #expect(try await bench.store.sweep(SweepOrder()).expired == 1)
            #expect(try await bench.store.sweep(SweepOrder()).expired == 0)
            let stored = try await bench.read(visitor)
            #expect(stored?.session.end == SessionEnd(at: visitor.session.expiresAt, reason: .expired))
            #expect(stored?.status == .expired)
            let fact = SessionFact(at: visitor.session.expiresAt, kind: .expired, actor: .sweep)
            #expect(try await bench.store.facts(of: visitor.id)?.facts.first == fact)
            #expect(try await bench.read(live)?.session == live.session)
        },
        example("Sweep: sessions ended with all of a user's are marked at the moment of that end") { bench in
            let visitor = try await bench.create(.alice)
            bench.clock.advance(by: .seconds(5))
            let raised = bench.clock.now
            _ = try await bench.store.endAll(of: .alice, by: .cli)
            let live = try await bench.create(.alice)
            bench.clock.advance(by: .seconds(5))
            let outcome = try await bench.store.sweep(SweepOrder())
            #expect(outcome.revoked == 1 && outcome.expired == 0 && outcome.inactive == 0)
            #expect(try await bench.read(visitor)?.session.end == SessionEnd(at: raised, reason: .revoked))
            let fact = SessionFact(at: raised, kind: .ended, actor: .cli, detail: "revoked")
            #expect(try await bench.store.facts(of: visitor.id)?.facts.first == fact)
            #expect(try await bench.opens(live.access))
        },
        example("Sweep: a session nobody used for 24 h ends as inactive, at 24 h and not before") { bench in
            let visitor = try await bench.create(policy: SessionPolicy(life: .hours(1)))
            _ = try await bench.store.extend(visitor.access, by: .days(9))
            bench.clock.advance(by: .hours(24) - .instant)
            #expect(try await bench.store.sweep(SweepOrder()) == SweepOutcome())
            bench.clock.advance(by: .instant)
            #expect(try await bench.store.sweep(SweepOrder(lap: .off)).inactive == 0)
            #expect(try await bench.store.sweep(SweepOrder()).inactive == 1)
            let end = SessionEnd(at: bench.clock.now, reason: .inactive)
            #expect(try await bench.read(visitor)?.session.end == end)
            #expect(try await bench.store.facts(of: visitor.id)?.facts.first?.kind == .swept)
            #expect(try await !bench.opens(visitor.access))
        },
        example("Sweep: a session with a longer life than 24 h may rest that long") { bench in
            let visitor = try await bench.create(policy: SessionPolicy(life: .hours(48)))
            _ = try await bench.store.extend(visitor.access, by: .days(9))
            bench.clock.advance(by: .hours(48) - .instant)
            #expect(try await bench.store.sweep(SweepOrder()).inactive == 0)
            bench.clock.advance(by: .instant)
            #expect(try await bench.store.sweep(SweepOrder()).inactive == 1)
        },
        example("Sweep: until it comes, an inactive session validates, which makes it active") { bench in
            let visitor = try await bench.create(policy: SessionPolicy(life: .hours(1)))
            _ = try await bench.store.extend(visitor.access, by: .days(9))
            bench.clock.advance(by: .hours(30))
            #expect(try await bench.opens(visitor.access))
            #expect(try await bench.store.sweep(SweepOrder()).inactive == 0)
        },
        example("Sweep: what was ended already is left as it is") { bench in
            let visitor = try await bench.create(policy: SessionPolicy(life: .seconds(60)))
            _ = try await bench.store.end([visitor.access])
            let before = try await bench.read(visitor)
            bench.clock.advance(by: .days(2))
            #expect(try await bench.store.sweep(SweepOrder()) == SweepOutcome())
            #expect(try await bench.read(visitor) == before)
        },
        example("Sweep: many at once count each session once") { bench in
            let short = SessionPolicy(life: .seconds(60))
            for _ in 0..<20 { _ = try await bench.create(policy: short) }
            bench.clock.advance(by: .seconds(60))
            let outcomes = try await bench.atOnce(6) { _ in try await bench.store.sweep(SweepOrder()) }
            #expect(outcomes.reduce(0) { $0 + $1.expired } == 20)
        },
        example("Sweep: beside it live sessions validate, and each validation counts") { bench in
            let visitor = try await bench.create()
            for _ in 0..<20 { _ = try await bench.create(policy: SessionPolicy(life: .seconds(60))) }
            bench.clock.advance(by: .seconds(60))
            let answers = try await bench.atOnce(24) { number in
                if number % 6 == 0 { _ = try await bench.store.sweep(SweepOrder(batchMax: 5)) }
                return try await bench.opens(visitor.access)
            }
            #expect(!answers.contains(false))
            #expect(try await bench.read(visitor)?.session.requestCount == 24)
        },
    ]

    /// What it deletes.
    private static let deleting: [ConformanceCase] = [
        example("Sweep: an ended session is deleted when its retention is over and not before") { bench in
            let visitor = try await bench.create(.alice)
            _ = try await bench.store.end([visitor.access])
            bench.clock.advance(by: .days(30) - .instant)
            #expect(try await bench.store.sweep(SweepOrder()).deleted == 0)
            bench.clock.advance(by: .instant)
            #expect(try await bench.store.sweep(SweepOrder()).deleted == 1)
            #expect(try await bench.read(visitor) == nil)
            #expect(try await bench.store.facts(of: visitor.id) == nil)
            #expect(try await bench.store.statistics().total == 0)
        },
        example("Sweep: retention goes by type; zero deletes with the sweep that marks, never keeps") { bench in
            var order = SweepOrder()
            order.retention = [.web: .after(.zero), .chat: .never, .voice: .after(.days(1))]
            let short = SessionPolicy(life: .seconds(60))
            var visitors: [SessionType: Visitor] = [:]
            for type in [SessionType.web, .chat, .voice] {
                visitors[type] = try await bench.create(type: type, policy: short)
            }
            bench.clock.advance(by: .seconds(60))
            var outcome = try await bench.store.sweep(order)
            #expect(outcome.expired == 3 && outcome.deleted == 1)
            bench.clock.advance(by: .days(5000))
            outcome = try await bench.store.sweep(order)
            #expect(outcome.deleted == 1)
            for (type, visitor) in visitors { #expect(try await (bench.read(visitor) != nil) == (type == .chat)) }
        },
        example("Sweep: a live session is never deleted") { bench in
            var order = SweepOrder(lap: .off)
            order.retention = [.web: .after(.zero)]
            let visitor = try await bench.create(policy: SessionPolicy(life: .days(400)))
            bench.clock.advance(by: .days(399))
            #expect(try await bench.store.sweep(order) == SweepOutcome())
            #expect(try await bench.opens(visitor.access))
        },
    ]

    /// Its bounds.
    private static let bounding: [ConformanceCase] = [
        example("Sweep: a step marks no more than its batch, and says that there is more") { bench in
            for _ in 0..<5 { _ = try await bench.create(policy: SessionPolicy(life: .seconds(60))) }
            bench.clock.advance(by: .seconds(60))
            var order = SweepOrder(batchMax: 2, lap: .off)
            var counts: [Int] = []
            var outcome = SweepOutcome()
            repeat {
                outcome = try await bench.store.sweep(order)
                #expect(outcome.expired <= 2)
                counts.append(outcome.expired)
            } while outcome.more && counts.count < 9
            #expect(counts.reduce(0, +) == 5 && counts.count >= 3)
            order.retention = [.web: .after(.zero)]
            var deleted = 0
            for _ in 0..<4 {
                let step = try await bench.store.sweep(order)
                #expect(step.deleted <= 2)
                deleted += step.deleted
            }
            #expect(deleted == 5)
        },
        example("Sweep: the lap for inactive sessions goes on where the last step stopped") { bench in
            var ids: [SessionID] = []
            for _ in 0..<5 {
                let visitor = try await bench.create(policy: SessionPolicy(life: .hours(1)))
                ids.append(try await bench.store.extend(visitor.access, by: .days(9)).id)
            }
            bench.clock.advance(by: .hours(25))
            var lap = SweepLap.begin
            var ended = 0
            for _ in 0..<9 {
                let outcome = try await bench.store.sweep(SweepOrder(batchMax: 2, lap: lap))
                #expect(outcome.inactive <= 2)
                ended += outcome.inactive
                guard let next = outcome.lapNext else { break }
                lap = .after(next)
            }
            #expect(ended == 5)
            let found = try await bench.store.find(ids.map { .trusted($0, as: .service) })
            #expect(found.allSatisfy { $0?.session.end?.reason == .inactive })
        },
        example("Sweep: a dry run counts and changes nothing") { bench in
            let visitor = try await bench.create(.alice, policy: SessionPolicy(life: .seconds(60)))
            let ended = try await bench.create()
            _ = try await bench.store.end([ended.access])
            bench.clock.advance(by: .days(40))
            let before = try await bench.read(visitor)
            let dry = try await bench.store.sweep(SweepOrder(dryRun: true))
            #expect(dry.expired == 1 && dry.deleted == 2)
            #expect(try await bench.read(visitor) == before)
            #expect(try await bench.read(ended) != nil)
            #expect(try await bench.store.facts(of: visitor.id)?.facts.map(\.kind) == [.created])
            #expect(try await bench.store.sweep(SweepOrder()) == dry)
        },
        example("Sweep: the fuse stops a run that would expire long sessions used within the last hour (law 9)") {
            bench in
            var visitors: [Visitor] = []
            for _ in 0..<3 {
                visitors.append(try await bench.create(policy: SessionPolicy(life: .hours(2), renewal: .fixed)))
            }
            bench.clock.advance(by: .minutes(90))
            for visitor in visitors { #expect(try await bench.store.validate(visitor.access) != nil) }
            bench.clock.advance(by: .minutes(30))
            await bench.refuses(.fuse) { try await bench.store.sweep(SweepOrder(fuse: 2)) }
            for visitor in visitors {
                #expect(try await bench.store.facts(of: visitor.id)?.facts.map(\.kind) == [.created])
            }
            #expect(try await bench.store.sweep(SweepOrder(fuse: 3)).expired == 3)
        },
        example("Sweep: short lives, long unused sessions and revoked ones do not blow the fuse") { bench in
            for _ in 0..<3 { _ = try await bench.create(policy: SessionPolicy(life: .minutes(30))) }
            bench.clock.advance(by: .minutes(30))
            #expect(try await bench.store.sweep(SweepOrder(fuse: 0)).expired == 3)
            for _ in 0..<3 { _ = try await bench.create(policy: SessionPolicy(life: .hours(2))) }
            bench.clock.advance(by: .hours(2))
            #expect(try await bench.store.sweep(SweepOrder(fuse: 0)).expired == 3)
            for _ in 0..<3 { _ = try await bench.create(.alice) }
            _ = try await bench.store.endAll(of: .alice, by: .service)
            #expect(try await bench.store.sweep(SweepOrder(fuse: 0)).revoked == 3)
        },
    ]

    /// An example for stores that keep ended sessions.
    private static func example(
        _ name: String, steps: @escaping @Sendable (Bench) async throws -> Void
    ) -> ConformanceCase {
        ConformanceCase(name, needs: .history, steps: steps)
    }
}
