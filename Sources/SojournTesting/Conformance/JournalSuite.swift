// SPDX-License-Identifier: Apache-2.0

internal import Sojourn
internal import Testing

/// Examples of what happened in sessions (J1–J4).
enum JournalSuite {
    /// All examples of the journal.
    static let cases = appending + repeating + finishing + reading + keeping

    /// What append does.
    private static let appending: [ConformanceCase] = [
        example("Journal: entries of every kind come back as they were written, in the order given") { bench in
            let visitor = try await bench.create(.alice)
            let earlier = bench.clock.now - .days(400)
            let list = JSONValue.array([.object(["id": .integer(7)]), .string("ü")])
            let entries = [
                bench.entry(.conversation(input: "a\"\\\n🙂", response: nil, extra: JSONDocument(["k": .bool(true)]))),
                bench.entry(.conversation(input: "", response: "b", extra: .empty), at: earlier),
                bench.entry(.interaction(type: "click", data: JSONDocument(["x": .number(0.5)]))),
                bench.entry(.recommendations(shopID: "s1", recommendations: list, count: 2)),
                bench.entry(.recommendations(shopID: nil, recommendations: .array([]), count: 0)),
                bench.entry(.feedback(type: "stars", targetType: "shop", targetID: "s1", rating: 4.5, comment: "ok")),
                bench.entry(.feedback(type: "stars", targetType: nil, targetID: nil, rating: nil, comment: nil)),
            ]
            let expected = zip(entries, [1, 2, nil, nil, nil, nil, nil]).map { entry, seq in
                JournalEntry(
                    id: entry.id, sessionID: visitor.id, userID: .alice, at: entry.at ?? bench.clock.now, seq: seq,
                    body: entry.body)
            }
            for kind in JournalKind.allCases {
                let ofKind = expected.filter { $0.body.kind == kind }
                #expect(try await bench.append(entries.filter { $0.body.kind == kind }, to: visitor.access) == ofKind)
                #expect(Set(try await bench.history(visitor, kind)) == Set(ofKind))
            }
            #expect(try await bench.read(visitor)?.session.turnCount == 2)
        },
        example("Journal: turns are numbered in their session; the user is the one of the moment") { bench in
            let visitor = try await bench.create()
            let first = try await bench.append([bench.turn()], to: visitor.access)
            _ = try await bench.store.bind(
                visitor.trusted, to: .alice, digest: bench.digest(), sessionsPerUserMax: nil)
            let second = try await bench.append([bench.turn(), bench.turn()], to: visitor.trusted)
            #expect((first + second).map(\.seq) == [1, 2, 3])
            #expect((first + second).map(\.userID) == [nil, .alice, .alice])
        },
        example("Journal: a writer who is behind writes nothing and learns where the conversation is") { bench in
            let visitor = try await bench.create()
            _ = try await bench.append([bench.turn()], to: visitor.access, expectedTurns: 0)
            for turns in [0, 2] {
                let error = await bench.refuses(.sequenceConflict) {
                    try await bench.append([bench.turn()], to: visitor.access, expectedTurns: turns)
                }
                #expect(error?.details["current_seq"] == .integer(1))
            }
            #expect(try await bench.history(visitor).count == 1)
            #expect(try await bench.append([bench.turn()], to: visitor.access, expectedTurns: 1).map(\.seq) == [2])
        },
        example("Journal: appends at once number their turns without gap or repeat") { bench in
            let visitor = try await bench.create()
            let written = try await bench.atOnce(32) { _ in
                try await bench.append([bench.turn(), bench.turn()], to: visitor.access)
            }
            for pair in written { #expect(pair[1].seq == pair[0].seq.map { $0 + 1 }) }
            #expect(written.flatMap { $0.compactMap(\.seq) }.sorted() == Array(1...64))
            #expect(try await bench.read(visitor)?.session.turnCount == 64)
        },
        example("Journal: of 16 who expect the same turn one writes it") { bench in
            let visitor = try await bench.create()
            let written = try await bench.atOnce(16, orRefused: .sequenceConflict) { _ in
                try await bench.append([bench.turn()], to: visitor.access, expectedTurns: 0)
            }
            #expect(written.compactMap(\.self).count == 1)
            #expect(try await bench.history(visitor).count == 1)
        },
    ]

    /// Idempotency.
    private static let repeating: [ConformanceCase] = [
        example("Journal: a repeat with the same key and body returns the first answer and writes nothing") { bench in
            let visitor = try await bench.create()
            let key = IdempotencyKey("k", access: visitor.access, route: "r", body: [1])
            let first = try await bench.append([bench.turn("one")], to: visitor.access, idempotency: key)
            bench.clock.advance(by: .hours(2))
            let again = try await bench.append([bench.turn("two")], to: visitor.access, idempotency: key)
            #expect(again == first)
            #expect(try await bench.history(visitor) == first)
            #expect(try await bench.read(visitor)?.session.turnCount == 1)
            #expect(try await bench.read(visitor)?.session.expiresAt == visitor.session.expiresAt)
        },
        example("Journal: the same key with another body is refused; another key is another call") { bench in
            let visitor = try await bench.create()
            let key = IdempotencyKey("k", access: visitor.access, route: "r", body: [1])
            _ = try await bench.append([bench.turn()], to: visitor.access, idempotency: key)
            await bench.refuses(.idempotencyConflict) {
                let other = IdempotencyKey("k", access: visitor.access, route: "r", body: [2])
                return try await bench.append([bench.turn()], to: visitor.access, idempotency: other)
            }
            #expect(try await bench.history(visitor).count == 1)
            let other = IdempotencyKey("k2", access: visitor.access, route: "r", body: [1])
            _ = try await bench.append([bench.turn()], to: visitor.access, idempotency: other)
            #expect(try await bench.history(visitor).count == 2)
        },
        example("Journal: a key is remembered for 24 h and not longer") { bench in
            let visitor = try await bench.create(policy: SessionPolicy(life: .days(9)))
            let key = IdempotencyKey("k", access: visitor.access, route: "r", body: [1])
            _ = try await bench.append([bench.turn()], to: visitor.access, idempotency: key)
            bench.clock.advance(by: .hours(24) - .instant)
            _ = try await bench.append([bench.turn()], to: visitor.access, idempotency: key)
            #expect(try await bench.history(visitor).count == 1)
            bench.clock.advance(by: .instant)
            _ = try await bench.append([bench.turn()], to: visitor.access, idempotency: key)
            #expect(try await bench.history(visitor).count == 2)
        },
        example("Journal: a refused call is not remembered by its key") { bench in
            let visitor = try await bench.create()
            let key = IdempotencyKey("k", access: visitor.access, route: "r", body: [1])
            await bench.refuses(.sequenceConflict) {
                try await bench.append([bench.turn()], to: visitor.access, expectedTurns: 5, idempotency: key)
            }
            _ = try await bench.append([bench.turn()], to: visitor.access, idempotency: key)
            #expect(try await bench.history(visitor).count == 1)
        },
        example("Journal: of 16 repeats at once one writes and all get its answer") { bench in
            let visitor = try await bench.create()
            let key = IdempotencyKey("k", access: visitor.access, route: "r", body: [1])
            let answers = try await bench.atOnce(16) { _ in
                try await bench.append([bench.turn()], to: visitor.access, idempotency: key)
            }
            #expect(Set(answers).count == 1)
            #expect(try await bench.history(visitor) == answers[0])
        },
        example("Journal: a key opens nothing once the session is dead") { bench in
            let visitor = try await bench.create()
            let key = IdempotencyKey("k", access: visitor.access, route: "r", body: [1])
            _ = try await bench.append([bench.turn()], to: visitor.access, idempotency: key)
            _ = try await bench.store.end([visitor.trusted])
            await bench.refuses(.noSession) {
                try await bench.append([bench.turn()], to: visitor.access, idempotency: key)
            }
        },
    ]

    /// What finish does.
    private static let finishing: [ConformanceCase] = [
        example("Journal: a turn is given its response once; its extra takes a merge patch") { bench in
            let visitor = try await bench.create()
            let extra = JSONDocument(["a": .integer(1), "b": .object(["c": .integer(2), "d": .integer(3)])])
            let entry = bench.entry(.conversation(input: "q", response: nil, extra: extra))
            var expected = try await bench.append([entry], to: visitor.access)[0]
            bench.clock.advance(by: .seconds(5))
            let patch = JSONDocument(["a": .null, "b": .object(["c": .integer(4)]), "e": .integer(5)])
            let finished = try await bench.finish(entry.id, of: visitor.access, extra: patch, expectedTurns: 1)
            let merged = JSONDocument(["b": .object(["c": .integer(4), "d": .integer(3)]), "e": .integer(5)])
            expected.body = .conversation(input: "q", response: "answer", extra: merged)
            #expect(finished == expected)
            #expect(try await bench.history(visitor) == [expected])
            await bench.refuses(.alreadyFinished) { try await bench.finish(entry.id, of: visitor.access) }
            #expect(try await bench.history(visitor) == [expected])
            #expect(try await bench.read(visitor)?.session.turnCount == 1)
        },
        example("Journal: only the session's own turns can be finished") { bench in
            let (visitor, other) = (try await bench.create(), try await bench.create())
            let click = bench.entry(.interaction(type: "click", data: .empty))
            let foreign = bench.turn()
            _ = try await bench.append([click], to: visitor.access)
            _ = try await bench.append([foreign], to: other.access)
            for id in [click.id, foreign.id, bench.turn().id] {
                await bench.refuses(.noEntry) { try await bench.finish(id, of: visitor.access) }
            }
            #expect(try await bench.history(other).first?.body == foreign.body)
        },
        example("Journal: a turn is not finished where the conversation has gone on, if the caller minds") { bench in
            let visitor = try await bench.create()
            let turn = bench.turn()
            _ = try await bench.append([turn, bench.turn()], to: visitor.access)
            let error = await bench.refuses(.sequenceConflict) {
                try await bench.finish(turn.id, of: visitor.access, expectedTurns: 1)
            }
            #expect(error?.details["current_seq"] == .integer(2))
            _ = try await bench.finish(turn.id, of: visitor.access)
        },
        example("Journal: of 16 responses to one turn at once one is kept") { bench in
            let visitor = try await bench.create()
            let turn = bench.turn()
            _ = try await bench.append([turn], to: visitor.access)
            let finished = try await bench.atOnce(16, orRefused: .alreadyFinished) { number in
                try await bench.finish(turn.id, of: visitor.access, response: "\(number)")
            }.compactMap(\.self)
            #expect(finished.count == 1)
            #expect(try await bench.history(visitor) == finished)
        },
    ]

    /// What history does.
    private static let reading: [ConformanceCase] = [
        example("Journal: history goes from the newest to the oldest, by time and then by id (J4)") { bench in
            let visitor = try await bench.create()
            let now = bench.clock.now
            let times = [now, now - .days(40), now - .instant, now - .days(40), now + .days(3)]
            let written = try await bench.append(times.map { bench.turn(at: $0) }, to: visitor.access)
            let sorted = written.sorted { ($0.at, $0.id) > ($1.at, $1.id) }
            #expect(try await bench.history(visitor) == sorted)
            var paged: [JournalEntry] = []
            var next: PageCursor?
            repeat {
                let page = try await bench.journal.history(
                    .conversations, of: .session(visitor.access), HistoryQuery(),
                    page: PageRequest(limit: 2, after: next))
                paged += page.items
                next = page.next
            } while next != nil && paged.count < 20
            #expect(paged == sorted)
        },
        example("Journal: time bounds take the first moment and leave the last") { bench in
            let visitor = try await bench.create()
            let now = bench.clock.now
            let times = (0..<4).map { now - .days(31 * $0) }
            _ = try await bench.append(times.map { bench.turn(at: $0) }, to: visitor.access)
            let wanted: [(HistoryQuery, [Int])] = [
                (HistoryQuery(from: times[2], to: times[0]), [1, 2]), (HistoryQuery(from: times[1]), [0, 1]),
                (HistoryQuery(to: times[2]), [3]), (HistoryQuery(from: times[0] + .instant), []),
                (HistoryQuery(to: times[0] + .instant), [0, 1, 2, 3]), (HistoryQuery(from: now, to: now), []),
            ]
            for (query, indices) in wanted {
                #expect(try await bench.history(visitor, query: query).map(\.at) == indices.map { times[$0] })
            }
        },
        example("Journal: a search finds text in input and response, letter case and patterns ignored") { bench in
            let visitor = try await bench.create()
            let texts = ["Wo ist der KÜHLschrank?", "100% sure", "a_b", "axb"]
            _ = try await bench.append(texts.map { bench.turn($0) }, to: visitor.access)
            let answered = bench.turn("q")
            _ = try await bench.append([answered], to: visitor.access)
            _ = try await bench.finish(answered.id, of: visitor.access, response: "In der Küche.")
            let wanted = ["küh": [texts[0]], "kü": [texts[0], "q"], "0%": [texts[1]], "A_B": ["a_b"], "none": []]
            for (text, inputs) in wanted {
                let found = try await bench.history(visitor, query: HistoryQuery(text: text))
                let read = found.map { entry in
                    guard case .conversation(let input, _, _) = entry.body else { return "" }
                    return input
                }
                #expect(Set(read) == Set(inputs), "\(text)")
            }
        },
        example("Journal: a user's history goes over all sessions and leaves out what was anonymous") { bench in
            let (one, two) = (try await bench.create(.alice), try await bench.create())
            let bob = try await bench.create(.bob)
            let first = try await bench.append([bench.turn()], to: one.access)
            for visitor in [two, bob] { _ = try await bench.append([bench.turn()], to: visitor.access) }
            _ = try await bench.store.bind(two.trusted, to: .alice, digest: bench.digest(), sessionsPerUserMax: nil)
            bench.clock.advance(by: .seconds(1))
            let second = try await bench.append([bench.turn()], to: two.trusted)
            _ = try await bench.store.end([one.trusted])
            let page = try await bench.journal.history(
                .conversations, of: .user(.alice), HistoryQuery(), page: PageRequest())
            #expect(page.items == second + (bench.store.capabilities.contains(.history) ? first : []))
            let nobody = try await bench.journal.history(
                .conversations, of: .user(UserID(stored: "nobody")), HistoryQuery(), page: PageRequest())
            #expect(nobody.items.isEmpty && nobody.next == nil)
        },
        example("Journal: an entry of any kind is found by its id, in its own session only, as its history is") {
            bench in
            let (visitor, other) = (try await bench.create(), try await bench.create())
            let bodies: [JournalBody] = [
                .conversation(input: "q", response: nil, extra: .empty), .interaction(type: "click", data: .empty),
                .recommendations(shopID: nil, recommendations: .array([]), count: 0),
                .feedback(type: "stars", targetType: nil, targetID: nil, rating: 4, comment: nil),
            ]
            for body in bodies {
                let entry = bench.entry(body, at: bench.clock.now - .days(40))
                let written = try await bench.append([entry], to: visitor.access)
                #expect(try await bench.journal.entry(entry.id, of: visitor.access) == written[0])
                #expect(try await bench.journal.entry(entry.id, of: visitor.trusted) == written[0])
                #expect(try await bench.journal.entry(entry.id, of: other.access) == nil)
                #expect(try await bench.journal.entry(entry.id, of: nil) == written[0])
            }
            _ = try await bench.store.end([visitor.trusted])
            let id = bench.turn().id
            await bench.refuses(.noSession) { try await bench.journal.entry(id, of: visitor.access) }
        },
        example("Journal: a cursor of another listing is refused") { bench in
            let visitor = try await bench.create()
            let error = await bench.refuses(.invalidInput) {
                try await bench.journal.history(
                    .conversations, of: .session(visitor.access), HistoryQuery(),
                    page: PageRequest(after: PageCursor(visitor.id.uuid)))
            }
            #expect(error?.field == "cursor")
        },
    ]

    /// How the journal and the session's life hang together.
    private static let keeping: [ConformanceCase] = [
        example("Journal: appending and finishing renew the life unless it is fixed; reading does not (S4)") { bench in
            for renewal in Renewal.allCases {
                let visitor = try await bench.create(policy: SessionPolicy(life: .hours(1), renewal: renewal))
                let turn = bench.turn()
                _ = try await bench.append([turn], to: visitor.access)
                bench.clock.advance(by: .minutes(20))
                _ = try await bench.history(visitor)
                #expect(try await bench.read(visitor)?.session.expiresAt == visitor.session.expiresAt)
                for step in 0..<2 {
                    if step == 0 {
                        _ = try await bench.finish(turn.id, of: visitor.access)
                    } else {
                        _ = try await bench.append([bench.turn()], to: visitor.access)
                    }
                    let session = try await bench.read(visitor)?.session
                    let renewed = bench.clock.now + .hours(1)
                    #expect(session?.expiresAt == (renewal == .fixed ? visitor.session.expiresAt : renewed))
                    #expect(session?.lastActivity == bench.clock.now && session?.requestCount == 0)
                    bench.clock.advance(by: .minutes(20))
                }
            }
        },
        example("Journal: appending nothing renews as well, writes nothing, and is refused where writing would be") {
            bench in
            for renewal in Renewal.allCases {
                let visitor = try await bench.create(policy: SessionPolicy(life: .hours(1), renewal: renewal))
                bench.clock.advance(by: .minutes(20))
                #expect(try await bench.append([], to: visitor.access) == [])
                let session = try await bench.read(visitor)?.session
                let renewed = bench.clock.now + .hours(1)
                #expect(session?.expiresAt == (renewal == .fixed ? visitor.session.expiresAt : renewed))
                #expect(session?.lastActivity == bench.clock.now && session?.turnCount == 0)
                _ = try await bench.store.end([visitor.trusted])
                await bench.refuses(.noSession) { try await bench.append([], to: visitor.access) }
            }
        },
        example("Journal: a dead session takes no entry and shows none to its owner") { bench in
            let (ended, expired) = (
                try await bench.create(), try await bench.create(policy: SessionPolicy(life: .hours(1)))
            )
            let turn = bench.turn()
            _ = try await bench.append([turn], to: ended.access)
            _ = try await bench.store.end([ended.trusted])
            bench.clock.advance(by: .hours(1))
            for visitor in [ended, expired] {
                for access in [visitor.access, visitor.trusted] {
                    await bench.refuses(.noSession) { try await bench.append([bench.turn()], to: access) }
                    await bench.refuses(.noSession) { try await bench.finish(turn.id, of: access) }
                }
                await bench.refuses(.noSession) { try await bench.history(visitor) }
            }
            if bench.store.capabilities.contains(.history) {
                let page = try await bench.journal.history(
                    .conversations, of: .session(ended.trusted), HistoryQuery(), page: PageRequest())
                #expect(page.items.map(\.id) == [turn.id])
            }
        },
        example("Journal: gone with the session, its idempotency keys too (law 5)") { bench in
            let visitor = try await bench.create(.alice)
            let key = IdempotencyKey("k", access: visitor.access, route: "r", body: [1])
            _ = try await bench.append([bench.turn("old")], to: visitor.access, idempotency: key)
            _ = try await bench.store.delete(visitor.id)
            await bench.refuses(.noSession) {
                try await bench.journal.history(
                    .conversations, of: .session(visitor.trusted), HistoryQuery(), page: PageRequest())
            }
            let left = try await bench.journal.history(
                .conversations, of: .user(.alice), HistoryQuery(), page: PageRequest())
            #expect(left.items.isEmpty)
            let again = try await bench.create(NewSession(id: visitor.id, digest: visitor.digest))
            let new = bench.turn("new")
            #expect(try await bench.append([new], to: again.access, idempotency: key).map(\.id) == [new.id])
        },
    ]

    /// An example for stores that keep a journal.
    private static func example(
        _ name: String, needs: StoreCapabilities = [], steps: @escaping @Sendable (Bench) async throws -> Void
    ) -> ConformanceCase {
        ConformanceCase(name, needs: needs.union(.journal), steps: steps)
    }
}

extension Bench {
    /// Appends entries.
    func append(
        _ entries: [NewEntry], to access: SessionAccess, expectedTurns: Int? = nil, idempotency: IdempotencyKey? = nil
    ) async throws -> [JournalEntry] {
        try await journal.append(entries, to: access, expectedTurns: expectedTurns, idempotency: idempotency)
    }

    /// Finishes a turn.
    func finish(
        _ turn: EntryID, of access: SessionAccess, response: String = "answer", extra: JSONDocument = .empty,
        expectedTurns: Int? = nil
    ) async throws -> JournalEntry {
        try await journal.finish(turn, of: access, response: response, extra: extra, expectedTurns: expectedTurns)
    }

    /// The newest entries of one kind in the visitor's session.
    func history(_ visitor: Visitor, _ kind: JournalKind = .conversations, query: HistoryQuery = HistoryQuery())
        async throws -> [JournalEntry]
    {
        try await journal.history(kind, of: .session(visitor.access), query, page: PageRequest(limit: 100)).items
    }
}
