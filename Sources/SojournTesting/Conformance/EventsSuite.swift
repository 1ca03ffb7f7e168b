// SPDX-License-Identifier: Apache-2.0

internal import Sojourn
internal import Testing

/// Examples of the facts that are kept of a session's life.
enum EventsSuite {
    /// All examples of facts.
    static let cases: [ConformanceCase] = [
        ConformanceCase("Events: what happened is told newest first, with the moment and by whom") { bench in
            let visitor = try await bench.create(NewSession(id: bench.sessionID(), digest: nil, actor: .sql))
            let start = bench.clock.now
            let secret = bench.digest()
            bench.clock.advance(by: .seconds(1))
            _ = try await bench.store.issueSecret(.trusted(visitor.id, as: .service), digest: secret)
            bench.clock.advance(by: .seconds(1))
            let rotation = bench.rotation()
            _ = try await bench.store.rotate(visitor.with(secret), to: rotation)
            bench.clock.advance(by: .seconds(1))
            _ = try await bench.store.extend(visitor.with(rotation.digest), by: nil)
            bench.clock.advance(by: .seconds(1))
            _ = try await bench.store.bind(
                visitor.trusted, to: .alice, digest: bench.digest(), sessionsPerUserMax: nil)
            let expected = [
                SessionFact(at: start + .seconds(4), kind: .bound, actor: .service, detail: "alice"),
                SessionFact(at: start + .seconds(3), kind: .extended, actor: .token),
                SessionFact(at: start + .seconds(2), kind: .rotated, actor: .token),
                SessionFact(at: start + .seconds(1), kind: .rotated, actor: .service),
                SessionFact(at: start, kind: .created, actor: .sql),
            ]
            #expect(try await bench.store.facts(of: visitor.id) == SessionFacts(facts: expected, folded: 0))
        },
        ConformanceCase("Events: an end tells its reason and its actor", needs: .history) { bench in
            let visitor = try await bench.create()
            _ = try await bench.store.end([.trusted(visitor.id, as: .cli)])
            _ = try await bench.store.end([visitor.access])
            let fact = SessionFact(at: bench.clock.now, kind: .ended, actor: .cli, detail: "ended")
            #expect(try await bench.store.facts(of: visitor.id)?.facts.first == fact)
            #expect(try await bench.store.facts(of: visitor.id)?.facts.count == 2)
        },
        ConformanceCase("Events: validations, renewals and refused calls are no facts") { bench in
            let visitor = try await bench.create(policy: SessionPolicy(renewal: .onAccess))
            bench.clock.advance(by: .hours(5))
            _ = try await bench.store.validate(visitor.access)
            _ = try await bench.store.replace(.metadata, of: visitor.access, with: .empty, ifVersion: 1)
            _ = try await bench.store.create([NewSession(id: visitor.id, digest: nil)])
            await bench.refuses(.noSession) {
                try await bench.store.extend(visitor.with(bench.digest()), by: nil)
            }
            #expect(try await bench.store.facts(of: visitor.id)?.facts.map(\.kind) == [.created])
        },
        ConformanceCase("Events: at most 64 are kept; the oldest are folded into a count") { bench in
            let visitor = try await bench.create()
            for _ in 0..<70 {
                bench.clock.advance(by: .seconds(1))
                _ = try await bench.store.extend(visitor.access, by: nil)
            }
            let facts = try #require(try await bench.store.facts(of: visitor.id))
            #expect(facts.facts.count == SessionFacts.keptMax && facts.folded == 7)
            #expect(facts.facts.allSatisfy { $0.kind == .extended })
            #expect(facts.facts.first?.at == bench.clock.now)
            #expect(facts.facts.last?.at == bench.clock.now - .seconds(63))
        },
        ConformanceCase("Events: a session that is not stored has none") { bench in
            let facts = try await bench.store.facts(of: bench.sessionID())
            #expect(facts == nil)
        },
    ]
}
