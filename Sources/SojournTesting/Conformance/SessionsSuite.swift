// SPDX-License-Identifier: Apache-2.0

internal import Sojourn
internal import Testing

/// Examples of create, validate, get and extend (S1–S4, laws 2–4).
enum SessionsSuite {
    /// All examples of sessions but those of rotation and login.
    static let cases = creating + validating + renewing + reading + extending + ending + replacing

    /// What create does.
    private static let creating: [ConformanceCase] = [
        ConformanceCase("Sessions: a created session is what was asked for") { bench in
            let new = NewSession(
                id: bench.sessionID(), digest: bench.digest(), userID: .alice, type: .voice,
                metadata: JSONDocument(["name": .string("Zoë 🙂"), "n": .array([.integer(.max), .number(0.5), .null])]),
                claims: JSONDocument(["role": .string("cook")]), ipAddress: "2001:db8::1", userAgent: "curl/8 \"'\\",
                policy: SessionPolicy(life: .hours(2), renewal: .fixed, absoluteLife: .hours(5)), actor: .service)
            let visitor = try await bench.create(new)
            let now = bench.clock.now
            let expected = Session(
                id: new.id, userID: .alice, type: .voice, metadata: new.metadata, claims: new.claims, version: 1,
                createdAt: now, lastActivity: now, expiresAt: now + .hours(2), absoluteExpiresAt: now + .hours(5),
                requestCount: 0, turnCount: 0, ipAddress: "2001:db8::1", userAgent: "curl/8 \"'\\", life: .hours(2),
                renewal: .fixed, end: nil)
            #expect(visitor.session == expected)
            #expect(try await bench.read(visitor) == StoredSession(session: expected, status: .active))
        },
        ConformanceCase("Sessions: nothing but an id is needed; the life is 24 h") { bench in
            let new = NewSession(id: bench.sessionID(), digest: bench.digest())
            let session = try await bench.create(new).session
            #expect(session.userID == nil && session.type == .web && session.metadata == .empty)
            #expect(session.claims == .empty && session.ipAddress == nil && session.userAgent == nil)
            #expect(session.expiresAt == bench.clock.now + .hours(24) && session.absoluteExpiresAt == nil)
            #expect(session.renewal == .onWrite)
        },
        ConformanceCase("Sessions: every type can be created") { bench in
            for type in SessionType.allCases {
                let visitor = try await bench.create(type: type)
                #expect(try await bench.read(visitor)?.session.type == type)
            }
        },
        ConformanceCase("Sessions: a cap on its age cuts the first life as well") { bench in
            let policy = SessionPolicy(life: .hours(2), absoluteLife: .hours(1))
            let session = try await bench.create(policy: policy).session
            #expect(session.expiresAt == bench.clock.now + .hours(1))
        },
        ConformanceCase("Sessions: create never overwrites, live or ended (law 3)") { bench in
            let visitor = try await bench.create(.alice, metadata: JSONDocument(["a": .integer(1)]))
            for isEnded in [false, true] {
                if isEnded { _ = try await bench.store.end([visitor.trusted]) }
                let before = try await bench.read(visitor)
                let again = NewSession(id: visitor.id, digest: bench.digest(), userID: .bob, type: .chat)
                let results = try await bench.store.create([again])
                try #require(results.count == 1)
                await bench.refuses(.duplicateID) { try results[0].get() }
                #expect(try await bench.read(visitor) == before)
                #expect(try await !bench.opens(.digest(again.id, again.digest ?? visitor.digest)))
            }
        },
        ConformanceCase("Sessions: a failing element of a batch leaves the others alone (law 6, S10)") { bench in
            let first = bench.draft()
            let new = [first, bench.draft(), first, bench.draft()]
            let results = try await bench.store.create(new)
            try #require(results.count == 4)
            for index in [0, 1, 3] { #expect(try results[index].get().id == new[index].id) }
            await bench.refuses(.duplicateID) { try results[2].get() }
            #expect(try await bench.store.statistics().total == 3)
            #expect(try await bench.store.create([]).isEmpty)
        },
        ConformanceCase("Sessions: one without a secret opens to nobody") { bench in
            let visitor = try await bench.create(NewSession(id: bench.sessionID(), digest: nil))
            #expect(try await !bench.opens(visitor.with(bench.digest())))
            #expect(try await !bench.opens(visitor.with(SecretDigest(bytes: []))))
            #expect(try await bench.read(visitor)?.status == .active)
        },
    ]

    /// What validate does.
    private static let validating: [ConformanceCase] = [
        ConformanceCase("Sessions: a validation counts, moves the last activity and returns what it made") { bench in
            let visitor = try await bench.create()
            bench.clock.advance(by: .seconds(3))
            var expected = visitor.session
            expected.requestCount = 1
            expected.lastActivity = bench.clock.now
            #expect(try await bench.store.validate(visitor.access) == expected)
            #expect(try await bench.read(visitor)?.session == expected)
            #expect(try await bench.store.validate(visitor.trusted)?.requestCount == 2)
        },
        ConformanceCase("Sessions: a wrong secret and an id never issued open nothing and leave no trace (law 2)") {
            bench in
            let visitor = try await bench.create()
            let short = SecretDigest(bytes: Array(visitor.digest.bytes.dropLast()))
            for digest in [bench.digest(), SecretDigest(bytes: []), short] {
                #expect(try await !bench.opens(visitor.with(digest)))
            }
            #expect(try await !bench.opens(.digest(bench.sessionID(), visitor.digest)))
            #expect(try await !bench.opens(.trusted(bench.sessionID(), as: .service)))
            #expect(try await bench.read(visitor)?.session == visitor.session)
            #expect(try await bench.store.statistics().total == 1)
        },
        ConformanceCase("Sessions: a session lives before its expiry and not at it") { bench in
            let visitor = try await bench.create(policy: SessionPolicy(life: .seconds(60), renewal: .fixed))
            bench.clock.set(to: visitor.session.expiresAt - .instant)
            #expect(try await bench.opens(visitor.access))
            bench.clock.advance(by: .instant)
            #expect(try await !bench.opens(visitor.access))
            #expect(try await !bench.opens(visitor.trusted))
        },
        ConformanceCase("Sessions: nothing carries a session past its absolute cap") { bench in
            let policy = SessionPolicy(life: .seconds(60), renewal: .onAccess, absoluteLife: .seconds(90))
            let visitor = try await bench.create(policy: policy)
            bench.clock.advance(by: .seconds(50))
            let cap = visitor.session.createdAt + .seconds(90)
            #expect(try await bench.store.validate(visitor.access)?.expiresAt == cap)
            #expect(try await bench.store.extend(visitor.access, by: .hours(1)).expiresAt == cap)
            bench.clock.set(to: cap - .instant)
            #expect(try await bench.opens(visitor.access))
            bench.clock.set(to: cap)
            #expect(try await !bench.opens(visitor.access))
            await bench.refuses(.noSession) { try await bench.store.extend(visitor.access, by: nil) }
        },
        ConformanceCase("Sessions: the last activity never goes back with the clock") { bench in
            let visitor = try await bench.create()
            bench.clock.advance(by: .seconds(-5))
            let session = try await bench.store.validate(visitor.access)
            #expect(session?.lastActivity == visitor.session.lastActivity && session?.requestCount == 1)
        },
        ConformanceCase("Sessions: 64 validations at once add exactly 64 (law 4)") { bench in
            let visitor = try await bench.create()
            let counts = try await bench.atOnce(64) { _ in
                try await bench.store.validate(visitor.access)?.requestCount
            }
            if bench.countsAtOnce { #expect(counts.compactMap(\.self).sorted() == Array(1...64)) }
            #expect(try await bench.read(visitor)?.session.requestCount == 64)
        },
        ConformanceCase("Sessions: an end beside validations is final, and each of them counts or is refused (law 1)") {
            bench in
            for _ in 0..<8 {
                let visitor = try await bench.create()
                let answers = try await bench.atOnce(16) { number in
                    if number == 7 { return try await bench.store.end([visitor.access]) == [true] }
                    return try await bench.opens(visitor.access)
                }
                #expect(answers[7])
                #expect(try await !bench.opens(visitor.access))
                #expect(try await bench.read(visitor)?.session.requestCount == answers.count { $0 } - 1)
            }
        },
    ]

    /// What renews a session by itself.
    private static let renewing: [ConformanceCase] = [
        ConformanceCase("Sessions: only a session renewed on access is renewed by a validation") { bench in
            for renewal in Renewal.allCases {
                let visitor = try await bench.create(policy: SessionPolicy(life: .hours(1), renewal: renewal))
                bench.clock.advance(by: .minutes(30))
                let expiry = renewal == .onAccess ? bench.clock.now + .hours(1) : visitor.session.expiresAt
                #expect(try await bench.store.validate(visitor.access)?.expiresAt == expiry)
            }
        },
        ConformanceCase("Sessions: a renewal by less than 1/24 of the life is left out, one by 1/24 is not") { bench in
            let policy = SessionPolicy(life: .seconds(240), renewal: .onAccess)
            let visitor = try await bench.create(policy: policy)
            bench.clock.advance(by: .seconds(10) - .instant)
            let early = try await bench.store.validate(visitor.access)
            #expect(early?.expiresAt == visitor.session.expiresAt && early?.lastActivity == bench.clock.now)
            bench.clock.advance(by: .instant)
            #expect(
                try await bench.store.validate(visitor.access)?.expiresAt == bench.clock.now + .seconds(240))
        },
        ConformanceCase("Sessions: a renewal never shortens a session that was extended further") { bench in
            let visitor = try await bench.create(policy: SessionPolicy(life: .hours(1), renewal: .onAccess))
            let extended = try await bench.store.extend(visitor.access, by: .hours(9))
            bench.clock.advance(by: .hours(2))
            #expect(try await bench.store.validate(visitor.access)?.expiresAt == extended.expiresAt)
        },
    ]

    /// What find does.
    private static let reading: [ConformanceCase] = [
        ConformanceCase("Sessions: reading touches nothing") { bench in
            let visitor = try await bench.create(policy: SessionPolicy(renewal: .onAccess))
            bench.clock.advance(by: .hours(3))
            let expected = StoredSession(session: visitor.session, status: .active)
            #expect(try await bench.store.find([visitor.access, visitor.trusted]) == [expected, expected])
        },
        ConformanceCase("Sessions: many are read in the order asked, each on its own (S10)") { bench in
            let one = try await bench.create()
            let two = try await bench.create()
            let wrong = one.with(bench.digest())
            let unknown = SessionAccess.trusted(bench.sessionID(), as: .service)
            let found = try await bench.store.find([two.access, unknown, one.trusted, wrong, two.trusted])
            #expect(found.map(\.?.session.id) == [two.id, nil, one.id, nil, two.id])
            #expect(try await bench.store.find([]).isEmpty)
        },
        ConformanceCase("Sessions: an expired one is gone for its owner and history by trust", needs: .history) {
            bench in
            let visitor = try await bench.create(policy: SessionPolicy(life: .seconds(60)))
            bench.clock.advance(by: .hours(1))
            #expect(try await bench.store.find([visitor.access]) == [nil])
            let stored = try await bench.read(visitor)
            #expect(stored?.status == .expired)
            #expect(stored?.session.end == SessionEnd(at: visitor.session.expiresAt, reason: .expired))
        },
    ]

    /// What extend does.
    private static let extending: [ConformanceCase] = [
        ConformanceCase("Sessions: extend gives its own life from now, or the life asked for") { bench in
            let visitor = try await bench.create(policy: SessionPolicy(life: .hours(1), renewal: .fixed))
            bench.clock.advance(by: .seconds(1))
            let own = try await bench.store.extend(visitor.access, by: nil)
            #expect(own.expiresAt == bench.clock.now + .hours(1))
            #expect(own.lastActivity == bench.clock.now && own.requestCount == 0 && own.life == .hours(1))
            let longer = try await bench.store.extend(visitor.trusted, by: .hours(3))
            #expect(longer.expiresAt == bench.clock.now + .hours(3))
            #expect(try await bench.read(visitor)?.session == longer)
        },
        ConformanceCase("Sessions: extend never shortens") { bench in
            let visitor = try await bench.create()
            let session = try await bench.store.extend(visitor.access, by: .seconds(1))
            #expect(session.expiresAt == visitor.session.expiresAt)
        },
        ConformanceCase("Sessions: extend brings nothing back: expired, ended, deleted, unknown or wrong secret") {
            bench in
            let life = SessionPolicy(life: .seconds(60))
            let (expired, ended, deleted) = (
                try await bench.create(policy: life), try await bench.create(), try await bench.create()
            )
            _ = try await bench.store.end([ended.trusted])
            _ = try await bench.store.delete(deleted.id)
            bench.clock.advance(by: .seconds(60))
            for visitor in [expired, ended, deleted] {
                await bench.refuses(.noSession) { try await bench.store.extend(visitor.access, by: .hours(1)) }
                await bench.refuses(.noSession) { try await bench.store.extend(visitor.trusted, by: .hours(1)) }
                #expect(try await !bench.opens(visitor.access))
            }
            let live = try await bench.create()
            await bench.refuses(.noSession) { try await bench.store.extend(live.with(bench.digest()), by: nil) }
        },
    ]

    /// What end and delete do.
    private static let ending: [ConformanceCase] = [
        ConformanceCase("Sessions: an ended one opens nothing any more, by any verb (law 1)") { bench in
            let visitor = try await bench.create(.alice)
            #expect(try await bench.store.end([visitor.access]) == [true])
            for access in [visitor.access, visitor.trusted] {
                #expect(try await !bench.opens(access))
                await bench.refuses(.noSession) { try await bench.store.extend(access, by: nil) }
                await bench.refuses(.noSession) {
                    try await bench.store.rotate(
                        access, to: Rotation(digest: bench.digest(), successorSealed: [1], grace: .seconds(10)))
                }
                await bench.refuses(.noSession) {
                    try await bench.store.bind(access, to: .alice, digest: bench.digest(), sessionsPerUserMax: nil)
                }
                await bench.refuses(.noSession) { try await bench.store.issueSecret(access, digest: bench.digest()) }
                await bench.refuses(.noSession) {
                    try await bench.store.replace(.metadata, of: access, with: .empty, ifVersion: 1)
                }
                await bench.refuses(.noSession) { try await bench.store.endOthers(access) }
                #expect(try await bench.store.end([access]) == [false])
            }
            #expect(try await bench.store.find([visitor.access]) == [nil])
        },
        ConformanceCase("Sessions: an end is kept with its moment and reason", needs: .history) { bench in
            for (actor, reason) in [(Actor.token, EndReason.logout), (.service, .ended), (.cli, .ended)] {
                let visitor = try await bench.create()
                bench.clock.advance(by: .seconds(2))
                let access = actor == .token ? visitor.access : .trusted(visitor.id, as: actor)
                #expect(try await bench.store.end([access]) == [true])
                let end = SessionEnd(at: bench.clock.now, reason: reason)
                bench.clock.advance(by: .days(20))
                let stored = try await bench.read(visitor)
                #expect(stored?.session.end == end && stored?.status == .ended)
            }
        },
        ConformanceCase("Sessions: many end in one call, each on its own (S10)") { bench in
            let one = try await bench.create()
            let two = try await bench.create()
            let unknown = SessionAccess.trusted(bench.sessionID(), as: .service)
            let wrong = two.with(bench.digest())
            #expect(
                try await bench.store.end([one.access, unknown, wrong, one.access]) == [true, false, false, false])
            #expect(try await bench.opens(two.access))
        },
        ConformanceCase("Sessions: of many ends at once one did it") { bench in
            let visitor = try await bench.create()
            let answers = try await bench.atOnce(16) { _ in try await bench.store.end([visitor.access]) }
            #expect(answers.count { $0 == [true] } == 1)
        },
        ConformanceCase("Sessions: a deleted one is gone, live or ended") { bench in
            for isEnded in [false, true] {
                let visitor = try await bench.create(.alice)
                if isEnded { _ = try await bench.store.end([visitor.trusted]) }
                #expect(try await bench.store.delete(visitor.id))
                #expect(try await bench.read(visitor) == nil)
                #expect(try await !bench.opens(visitor.access))
                #expect(try await bench.store.facts(of: visitor.id) == nil)
                #expect(try await bench.store.delete(visitor.id) == false)
            }
            #expect(try await bench.store.delete(bench.sessionID()) == false)
            #expect(try await bench.store.statistics().total == 0)
        },
    ]

    /// What replace does.
    private static let replacing: [ConformanceCase] = [
        ConformanceCase("Sessions: metadata and claims are replaced, and the version moves by one (S7)") { bench in
            let visitor = try await bench.create(metadata: JSONDocument(["a": .integer(1)]))
            var expected = visitor.session
            expected.metadata = JSONDocument(["b": .object(["c": .string("ü")])])
            expected.version = 2
            #expect(
                try await bench.store.replace(
                    .metadata, of: visitor.access, with: expected.metadata, ifVersion: 1) == expected)
            expected.claims = JSONDocument(["role": .string("admin")])
            expected.version = 3
            #expect(
                try await bench.store.replace(.claims, of: visitor.trusted, with: expected.claims, ifVersion: 2)
                    == expected)
            #expect(try await bench.read(visitor)?.session == expected)
        },
        ConformanceCase("Sessions: a stale version is refused with the current one, and nothing changed (S7)") {
            bench in
            let visitor = try await bench.create()
            let now = try await bench.store.replace(
                .metadata, of: visitor.access, with: JSONDocument(["a": .integer(1)]), ifVersion: 1)
            for version in [0, 1, 3] {
                let error = await bench.refuses(.staleVersion) {
                    try await bench.store.replace(.metadata, of: visitor.access, with: .empty, ifVersion: version)
                }
                #expect(error?.details["version"] == .integer(2))
            }
            #expect(try await bench.read(visitor)?.session == now)
        },
        ConformanceCase("Sessions: of 16 replaces of one version exactly one wins") { bench in
            let visitor = try await bench.create()
            let won = try await bench.atOnce(16, orRefused: .staleVersion) { number in
                try await bench.store.replace(
                    .metadata, of: visitor.access, with: JSONDocument(["n": .integer(Int64(number))]), ifVersion: 1)
            }.compactMap(\.self)
            #expect(won.count == 1)
            #expect(try await bench.read(visitor)?.session == won.first)
        },
        ConformanceCase("Sessions: a save that runs beside an end never brings the session back (law 1)") { bench in
            for _ in 0..<8 {
                let visitor = try await bench.create()
                let answers = try await bench.atOnce(9, orRefused: .noSession) { number in
                    if number == 4 { return try await bench.store.end([visitor.trusted]) == [true] }
                    let saved = try? await bench.store.replace(
                        .metadata, of: visitor.access, with: .empty, ifVersion: number + 1)
                    return saved != nil
                }
                #expect(answers[4] == true)
                #expect(try await !bench.opens(visitor.access))
            }
        },
    ]
}
