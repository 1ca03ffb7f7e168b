// SPDX-License-Identifier: Apache-2.0

internal import Sojourn
internal import Testing

/// A way to change sessions so that copies of them must go.
struct TieringChange: Sendable {
    /// What is done.
    let name: String
    /// What a store must be able to do for it.
    let needs: StoreCapabilities
    /// Makes the sessions that will be changed.
    let prepare: @Sendable (Bench) async throws -> [Visitor]
    /// Changes them.
    let make: @Sendable (Bench, [Visitor]) async throws -> Void

    /// A change.
    init(
        _ name: String, needs: StoreCapabilities = .sessions,
        of prepare: @escaping @Sendable (Bench) async throws -> [Visitor] = { [try await $0.create(.alice)] },
        make: @escaping @Sendable (Bench, [Visitor]) async throws -> Void
    ) {
        self.name = name
        self.needs = needs
        self.prepare = prepare
        self.make = make
    }

    /// By each verb that can.
    static let all = ofOne + ofUsers + ofSweeps

    /// Changes of one session.
    private static let ofOne: [TieringChange] = [
        TieringChange("an end") { bench, visitors in
            let ended = try await bench.store.end([visitors[0].access])
            #expect(ended == [true])
        },
        TieringChange("a deletion") { bench, visitors in
            let isDeleted = try await bench.store.delete(visitors[0].id)
            #expect(isDeleted)
        },
        TieringChange("a rotation") { bench, visitors in
            _ = try await bench.store.rotate(
                visitors[0].access, to: Rotation(digest: bench.digest(), successorSealed: [1], grace: .seconds(10)))
        },
        TieringChange("a rotation without grace") { bench, visitors in
            _ = try await bench.store.rotate(
                visitors[0].access, to: Rotation(digest: bench.digest(), successorSealed: [], grace: .zero))
        },
        TieringChange("a bind", of: { [try await $0.create()] }) { bench, visitors in
            _ = try await bench.store.bind(
                visitors[0].access, to: .alice, digest: bench.digest(), sessionsPerUserMax: nil)
        },
        TieringChange("a first secret", of: { [try await $0.create(NewSession(id: $0.sessionID(), digest: nil))] }) {
            bench, visitors in
            _ = try await bench.store.issueSecret(visitors[0].trusted, digest: bench.digest())
        },
        TieringChange("new metadata") { bench, visitors in
            _ = try await bench.store.replace(
                .metadata, of: visitors[0].access, with: JSONDocument(["a": .integer(1)]), ifVersion: 1)
        },
        TieringChange("new claims, though they say the same") { bench, visitors in
            _ = try await bench.store.replace(.claims, of: visitors[0].trusted, with: .empty, ifVersion: 1)
        },
    ]

    /// Changes of a user's sessions.
    private static let ofUsers: [TieringChange] = [
        TieringChange("an end of all", of: { [try await $0.create(.alice), try await $0.create(.alice)] }) { bench, _ in
            let ended = try await bench.store.endAll(of: .alice, by: .service)
            #expect(ended == 2)
        },
        TieringChange(
            "an end of all others, of the one that is spared as well",
            of: { bench in
                [try await bench.create(.alice), try await bench.create(.alice)]
            }
        ) { bench, visitors in
            let ended = try await bench.store.endOthers(visitors[0].access)
            #expect(ended == 1)
            #expect(try await bench.opens(visitors[0].access))
        },
        TieringChange(
            "an erasure", needs: .history,
            of: { bench in
                let (live, ended) = (try await bench.create(.alice), try await bench.create(.alice))
                _ = try await bench.store.end([ended.trusted])
                return [live, ended]
            }
        ) { bench, _ in
            let receipt = try await bench.store.erase(.alice)
            #expect(receipt.sessions == 2)
        },
        TieringChange("the cap on a user's sessions, of the one that it ends") { bench, visitors in
            _ = try await bench.create(.alice, cap: 1)
            #expect(try await !bench.opens(visitors[0].access))
        },
    ]

    /// What the sweep changes.
    private static let ofSweeps: [TieringChange] = [
        TieringChange(
            "the sweep's mark on one that expired", needs: .history,
            of: { bench in
                [try await bench.create(policy: SessionPolicy(life: .seconds(60)))]
            }
        ) { bench, _ in
            bench.clock.advance(by: .seconds(60))
            let outcome = try await bench.store.sweep(SweepOrder())
            #expect(outcome.expired == 1)
        },
        TieringChange(
            "the sweep's mark on one that was ended with all", needs: .history,
            of: { bench in
                let visitor = try await bench.create(.alice)
                _ = try await bench.store.endAll(of: .alice, by: .service)
                return [visitor]
            }
        ) { bench, _ in
            let outcome = try await bench.store.sweep(SweepOrder())
            #expect(outcome.revoked == 1)
        },
        TieringChange(
            "the sweep's mark on one that nobody uses", needs: .history,
            of: { bench in
                let visitor = try await bench.create(policy: SessionPolicy(life: .hours(1)))
                _ = try await bench.store.extend(visitor.access, by: .days(9))
                return [visitor]
            }
        ) { bench, _ in
            bench.clock.advance(by: .hours(24))
            let outcome = try await bench.store.sweep(SweepOrder())
            #expect(outcome.inactive == 1)
        },
        TieringChange(
            "retention", needs: .history,
            of: { bench in
                let visitor = try await bench.create()
                _ = try await bench.store.end([visitor.access])
                return [visitor]
            }
        ) { bench, _ in
            bench.clock.advance(by: .hours(1))
            var order = SweepOrder(lap: .off)
            order.retention = [.web: .after(.zero)]
            let outcome = try await bench.store.sweep(order)
            #expect(outcome.deleted == 1)
        },
        TieringChange(
            "the end of a rotation's grace, when the sweep erases the successor", needs: .history,
            of: { bench in
                let visitor = try await bench.create()
                let rotation = Rotation(digest: bench.digest(), successorSealed: [1], grace: .seconds(10))
                _ = try await bench.store.rotate(visitor.access, to: rotation)
                return [visitor]
            }
        ) { bench, _ in
            bench.clock.advance(by: .seconds(10))
            let outcome = try await bench.store.sweep(SweepOrder())
            #expect(outcome == SweepOutcome())
        },
    ]
}
