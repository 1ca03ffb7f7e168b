// SPDX-License-Identifier: Apache-2.0

internal import Sojourn
internal import Testing

/// Examples of rotation and login (S5).
enum RotationSuite {
    /// All examples of rotation, bind and first secrets.
    static let cases = rotating + binding + issuing

    /// What rotate does.
    private static let rotating: [ConformanceCase] = [
        ConformanceCase("Rotation: the new secret opens the same session; the old one validates in its grace") {
            bench in
            let visitor = try await bench.create(.alice, metadata: JSONDocument(["a": .integer(1)]))
            let rotation = bench.rotation()
            #expect(try await bench.store.rotate(visitor.access, to: rotation) == .rotated(visitor.session))
            #expect(try await bench.opens(visitor.with(rotation.digest)))
            #expect(try await bench.opens(visitor.access))
            #expect(try await bench.read(visitor)?.session.requestCount == 2)
        },
        ConformanceCase("Rotation: the old secret may do nothing but validate and repeat the rotation") { bench in
            let visitor = try await bench.create(.alice)
            _ = try await bench.store.rotate(visitor.access, to: bench.rotation())
            let old = visitor.access
            await bench.refuses(.noSession) { try await bench.store.extend(old, by: nil) }
            await bench.refuses(.noSession) {
                try await bench.store.bind(old, to: .alice, digest: bench.digest(), sessionsPerUserMax: nil)
            }
            await bench.refuses(.noSession) {
                try await bench.store.replace(.metadata, of: old, with: .empty, ifVersion: 1)
            }
            await bench.refuses(.noSession) { try await bench.store.endOthers(old) }
            #expect(try await bench.store.find([old]) == [nil])
            #expect(try await bench.store.end([old]) == [false])
            #expect(try await bench.opens(old))
        },
        ConformanceCase("Rotation: the old secret opens no items and no journal", needs: [.items, .journal]) { bench in
            let visitor = try await bench.create()
            _ = try await bench.items.put([Item(id: 1, name: "Salt", category: nil)])
            _ = try await bench.store.rotate(visitor.access, to: bench.rotation())
            await bench.refuses(.noSession) { try await bench.items.add([1], to: visitor.access, holdMax: 10) }
            await bench.refuses(.noSession) { try await bench.items.held(by: visitor.access) }
            await bench.refuses(.noSession) { try await bench.items.remove(nil, from: visitor.access) }
            await bench.refuses(.noSession) {
                try await bench.journal.append([bench.turn()], to: visitor.access, expectedTurns: nil, idempotency: nil)
            }
            await bench.refuses(.noSession) {
                try await bench.journal.history(
                    .conversations, of: .session(visitor.access), HistoryQuery(), page: PageRequest())
            }
        },
        ConformanceCase("Rotation: every repeat gets the same successor and changes nothing") { bench in
            let visitor = try await bench.create()
            let first = bench.rotation()
            _ = try await bench.store.rotate(visitor.access, to: first)
            for _ in 0..<3 {
                bench.clock.advance(by: .seconds(3))
                let repeated = try await bench.store.rotate(visitor.access, to: bench.rotation())
                #expect(repeated == .repeated(visitor.session, successorSealed: first.successorSealed))
            }
            #expect(try await bench.opens(visitor.with(first.digest)))
            #expect(try await bench.store.facts(of: visitor.id)?.facts.count { $0.kind == .rotated } == 1)
        },
        ConformanceCase("Rotation: the grace lasts up to its end and not to it") { bench in
            let visitor = try await bench.create()
            let first = bench.rotation()
            _ = try await bench.store.rotate(visitor.access, to: first)
            bench.clock.advance(by: .seconds(10) - .instant)
            #expect(try await bench.opens(visitor.access))
            bench.clock.advance(by: .instant)
            #expect(try await !bench.opens(visitor.access))
            await bench.refuses(.noSession) { try await bench.store.rotate(visitor.access, to: bench.rotation()) }
            #expect(try await bench.opens(visitor.with(first.digest)))
        },
        ConformanceCase("Rotation: a grace of zero ends the old secret at once") { bench in
            let visitor = try await bench.create()
            let rotation = Rotation(digest: bench.digest(), successorSealed: [], grace: .zero)
            #expect(try await bench.store.rotate(visitor.access, to: rotation) == .rotated(visitor.session))
            #expect(try await !bench.opens(visitor.access))
            await bench.refuses(.noSession) { try await bench.store.rotate(visitor.access, to: bench.rotation()) }
            #expect(try await bench.opens(visitor.with(rotation.digest)))
        },
        ConformanceCase("Rotation: the next one ends the secret before the last") { bench in
            let visitor = try await bench.create()
            let (second, third) = (bench.rotation(), bench.rotation())
            _ = try await bench.store.rotate(visitor.access, to: second)
            _ = try await bench.store.rotate(visitor.with(second.digest), to: third)
            #expect(try await !bench.opens(visitor.access))
            #expect(try await bench.opens(visitor.with(second.digest)))
            #expect(try await bench.opens(visitor.with(third.digest)))
        },
        ConformanceCase("Rotation: 16 at once with one secret give one successor") { bench in
            let visitor = try await bench.create()
            let rotations = (0..<16).map { _ in bench.rotation() }
            let outcomes = try await bench.atOnce(16) {
                try await bench.store.rotate(visitor.access, to: rotations[$0])
            }
            let winners = outcomes.indices.filter { outcomes[$0] == .rotated(visitor.session) }
            try #require(winners.count == 1)
            let winner = rotations[winners[0]]
            for outcome in outcomes where outcome != .rotated(visitor.session) {
                #expect(outcome == .repeated(visitor.session, successorSealed: winner.successorSealed))
            }
            #expect(try await bench.opens(visitor.with(winner.digest)))
        },
        ConformanceCase("Rotation: neither secret outlives the session") { bench in
            let visitor = try await bench.create()
            let rotation = bench.rotation()
            _ = try await bench.store.rotate(visitor.access, to: rotation)
            _ = try await bench.store.end([visitor.with(rotation.digest)])
            for access in [visitor.access, visitor.with(rotation.digest)] {
                #expect(try await !bench.opens(access))
                await bench.refuses(.noSession) { try await bench.store.rotate(access, to: bench.rotation()) }
            }
        },
        ConformanceCase("Rotation: a wrong secret rotates nothing") { bench in
            let visitor = try await bench.create()
            await bench.refuses(.noSession) {
                try await bench.store.rotate(visitor.with(bench.digest()), to: bench.rotation())
            }
            #expect(try await bench.opens(visitor.access))
        },
    ]

    /// What bind does.
    private static let binding: [ConformanceCase] = [
        ConformanceCase("Rotation: login binds the user and ends every secret from before at once") { bench in
            let visitor = try await bench.create(metadata: JSONDocument(["a": .integer(1)]))
            let (rotation, digest) = (bench.rotation(), bench.digest())
            _ = try await bench.store.rotate(visitor.access, to: rotation)
            let bound = try await bench.store.bind(
                visitor.trusted, to: .alice, digest: digest, sessionsPerUserMax: nil)
            var expected = visitor.session
            expected.userID = .alice
            #expect(bound == expected)
            #expect(try await !bench.opens(visitor.access))
            #expect(try await !bench.opens(visitor.with(rotation.digest)))
            #expect(try await bench.opens(visitor.with(digest)))
        },
        ConformanceCase("Rotation: a user can be bound again, another one cannot") { bench in
            let visitor = try await bench.create(.alice)
            let digest = bench.digest()
            await bench.refuses(.userConflict) {
                try await bench.store.bind(visitor.trusted, to: .bob, digest: digest, sessionsPerUserMax: nil)
            }
            #expect(try await !bench.opens(visitor.with(digest)))
            #expect(try await bench.opens(visitor.access))
            let bound = try await bench.store.bind(
                visitor.trusted, to: .alice, digest: digest, sessionsPerUserMax: nil)
            #expect(bound.userID == .alice)
            #expect(try await !bench.opens(visitor.access))
            #expect(try await bench.opens(visitor.with(digest)))
        },
        ConformanceCase("Rotation: of two users bound at once one wins") { bench in
            for _ in 0..<8 {
                let visitor = try await bench.create()
                let users = (0..<8).map { $0 % 2 == 0 ? UserID.alice : .bob }
                let digests = users.map { _ in bench.digest() }
                let bound = try await bench.atOnce(8, orRefused: .userConflict) { number in
                    try await bench.store.bind(
                        visitor.trusted, to: users[number], digest: digests[number], sessionsPerUserMax: nil)
                }
                let winner = try #require(try await bench.read(visitor)?.session.userID)
                #expect(bound.map { $0?.userID } == users.map { $0 == winner ? winner : nil })
                var open = 0
                for digest in digests where try await bench.opens(visitor.with(digest)) { open += 1 }
                #expect(open == 1)
            }
        },
        ConformanceCase("Rotation: login after all of a user's sessions were ended gives a live one") { bench in
            let visitor = try await bench.create()
            _ = try await bench.store.endAll(of: .alice, by: .service)
            let digest = bench.digest()
            _ = try await bench.store.bind(visitor.trusted, to: .alice, digest: digest, sessionsPerUserMax: nil)
            #expect(try await bench.opens(visitor.with(digest)))
            #expect(try await bench.store.endAll(of: .alice, by: .service) == 1)
            #expect(try await !bench.opens(visitor.with(digest)))
        },
        ConformanceCase("Rotation: nobody logs in to a session that is gone") { bench in
            let visitor = try await bench.create(policy: SessionPolicy(life: .seconds(60)))
            bench.clock.advance(by: .seconds(60))
            await bench.refuses(.noSession) {
                try await bench.store.bind(
                    visitor.trusted, to: .alice, digest: bench.digest(), sessionsPerUserMax: nil)
            }
            #expect(
                try await bench.store.sessions(matching: SessionFilter(userID: .alice), page: PageRequest())
                    .items.isEmpty)
        },
    ]

    /// What issueSecret does.
    private static let issuing: [ConformanceCase] = [
        ConformanceCase("Rotation: a session without a secret is given its first, once") { bench in
            let visitor = try await bench.create(NewSession(id: bench.sessionID(), digest: nil, actor: .sql))
            let digest = bench.digest()
            #expect(try await bench.store.issueSecret(visitor.trusted, digest: digest) == visitor.session)
            #expect(try await bench.opens(visitor.with(digest)))
            let other = bench.digest()
            await bench.refuses(.secretExists) { try await bench.store.issueSecret(visitor.trusted, digest: other) }
            #expect(try await !bench.opens(visitor.with(other)))
        },
        ConformanceCase("Rotation: of many first secrets at once one is issued") { bench in
            let visitor = try await bench.create(NewSession(id: bench.sessionID(), digest: nil, actor: .sql))
            let digests = (0..<8).map { _ in bench.digest() }
            let issued = try await bench.atOnce(8, orRefused: .secretExists) {
                try await bench.store.issueSecret(visitor.trusted, digest: digests[$0])
            }
            #expect(issued.compactMap(\.self).count == 1)
            for (digest, session) in zip(digests, issued) {
                #expect(try await bench.opens(visitor.with(digest)) == (session != nil))
            }
        },
    ]
}

extension Bench {
    /// A rotation to a secret that nothing else has, with ten seconds of grace.
    func rotation() -> Rotation {
        let digest = digest()
        return Rotation(digest: digest, successorSealed: Array(digest.bytes.reversed()), grace: .seconds(10))
    }
}
