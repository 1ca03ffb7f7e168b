// SPDX-License-Identifier: Apache-2.0

import GRDB
import Sojourn
import Testing

@testable import SojournSQLite

/// A little of each verb; the conformance suite has the rest.
@Suite struct VerbTests {
    @Test func `A session comes back from its row as it was created, and a second one with its id is refused`()
        async throws
    {
        try await withStore(clock: TestClock()) { store in
            let access = fresh()
            let policy = SessionPolicy(life: .hours(1), renewal: .onAccess, absoluteLife: .hours(30))
            let new = NewSession(
                id: access.id, digest: access.digest, userID: UserID("ann"), type: .chat,
                metadata: JSONDocument(["a": .string("ü\u{1F600}")]), claims: JSONDocument(["role": .string("admin")]),
                ipAddress: "2001:db8::1", userAgent: "", policy: policy)
            let results = try await store.create([new, new])
            let created = try results[0].get()
            #expect(throws: SojournError.self) { try results[1].get() }
            #expect(try await store.find([access])[0]?.session == created)
        }
    }

    @Test func `A rotation is repeated for the old secret and keeps its sealed successor`() async throws {
        try await withStore(clock: TestClock()) { store in
            let access = try await store.begin()
            let next = fresh()
            guard let digest = next.digest else { return }
            let rotation = Rotation(digest: digest, successorSealed: [1, 2, 3], grace: .seconds(10))
            guard case .rotated = try await store.rotate(access, to: rotation) else {
                Issue.record("The first call rotates.")
                return
            }
            guard case .repeated(_, let sealed) = try await store.rotate(access, to: rotation) else {
                Issue.record("The second call repeats.")
                return
            }
            #expect(sealed == [1, 2, 3])
            #expect(try await store.validate(.digest(access.id, digest)) != nil)
            #expect(await code { try await store.extend(access, by: nil) } == .noSession)
        }
    }

    @Test func `The oldest of a user's sessions ends at the cap, and the rest when the epoch is raised`() async throws {
        let clock = TestClock()
        try await withStore(clock: clock) { store in
            var begun: [SessionAccess] = []
            for _ in 0..<3 {
                begun.append(try await store.begin("ann", cap: 2))
                clock.advance(by: .seconds(1))
            }
            #expect(try await store.validate(begun[0]) == nil)
            #expect(try await store.facts(of: begun[0].id)?.facts.first?.detail == "cap")
            #expect(try await store.endOthers(begun[1]) == 1)
            #expect(try await store.validate(begun[1]) != nil)
            #expect(try await store.endAll(of: UserID(stored: "ann"), by: .service) == 1)
            #expect(try await store.validate(begun[1]) == nil)
            // The second raise wrote what the first had ended.
            #expect(try await store.facts(of: begun[2].id)?.facts.first?.actor == .token)
            #expect(try await store.sweep(SweepOrder()).revoked == 1)
            #expect(try await store.sweep(SweepOrder()).revoked == 0)
            let fact = try await store.facts(of: begun[1].id)?.facts.first
            #expect(fact?.actor == .service)
            #expect(fact?.detail == "revoked")
        }
    }

    @Test func `A sweep marks, laps and deletes in bounded steps, and a dry one only counts`() async throws {
        let clock = TestClock()
        try await withStore(clock: clock) { store in
            for _ in 0..<5 { _ = try await store.begin() }
            let long = try await store.begin()
            _ = try await store.extend(long, by: .days(90))
            clock.advance(by: .hours(25))
            let step = SweepOrder(batchMax: 3, lap: .off)
            var dry = step
            dry.dryRun = true
            #expect(try await store.sweep(dry).expired == 3)
            let first = try await store.sweep(step)
            #expect(first.expired == 3 && first.more)
            let second = try await store.sweep(step)
            #expect(second.expired == 2 && !second.more)
            #expect(try await store.statistics().expired == 5)
            clock.advance(by: .days(59))
            let last = try await store.sweep(SweepOrder())
            #expect(last.deleted == 5 && last.inactive == 1 && last.lapNext == nil)
            #expect(try await store.find([.trusted(long.id, as: .service)])[0]?.session.end?.reason == .inactive)
        }
    }

    @Test func `A dry sweep waits for no writer, and none for it`() async throws {
        let clock = TestClock()
        try await withStore(clock: clock) { store in
            for _ in 0..<3 { _ = try await store.begin("ann") }
            let kept = try await store.begin(type: .chat)
            _ = try await store.extend(kept, by: .days(90))
            _ = try await store.end([try await store.begin()])
            clock.advance(by: .days(30))
            let other = try DatabaseQueue(path: store.path, configuration: .unfinished)
            try await other.writeWithoutTransaction { db in try db.execute(sql: "BEGIN IMMEDIATE") }
            _ = try await store.pool.writeWithoutTransaction { db in try db.run("PRAGMA busy_timeout = 10") }
            let dry = try await store.sweep(SweepOrder(dryRun: true))
            #expect(dry.expired == 3 && dry.inactive == 1 && dry.deleted == 1)
            try await other.writeWithoutTransaction { db in try db.execute(sql: "ROLLBACK") }
            #expect(try await store.sweep(SweepOrder()) == dry)
        }
    }

    @Test func `What a rotation sealed is gone with the first sweep after its grace`() async throws {
        let clock = TestClock()
        try await withStore(clock: clock) { store in
            let access = try await store.begin()
            let rotation = Rotation(
                digest: fresh().digest ?? SecretDigest(bytes: []), successorSealed: [1, 2, 3],
                grace: .seconds(10))
            _ = try await store.rotate(access, to: rotation)
            for (wait, kept) in [(Duration.seconds(9), 3), (.seconds(1), 0)] {
                clock.advance(by: wait)
                _ = try await store.sweep(SweepOrder())
                let sealed = try await store.read { db in
                    try db.first("SELECT previous_digest, successor_sealed FROM session_master") {
                        ($0.optionalBytes(0)?.count ?? 0) / 32 * ($0.optionalBytes(1)?.count ?? 0)
                    }
                }
                #expect(sealed == kept)
            }
        }
    }

    @Test func `Users whose names differ in their bytes are two, however alike they look`() async throws {
        let composed = UserID(stored: "\u{E9}")
        let decomposed = UserID(stored: "e\u{301}")
        #expect(composed != decomposed && Set([composed, decomposed]).count == 2)
        try await withStore { store in
            let access = try await store.begin(composed.text)
            #expect(
                await code {
                    try await store.bind(
                        .trusted(access.id, as: .service), to: decomposed, digest: SecretDigest(bytes: [1]),
                        sessionsPerUserMax: nil)
                } == .userConflict)
        }
    }

    @Test func `Sixty-four facts are kept and the older ones counted`() async throws {
        try await withStore { store in
            let access = try await store.begin()
            for _ in 0..<70 { _ = try await store.extend(access, by: nil) }
            let facts = try await store.facts(of: access.id)
            #expect(facts?.facts.count == 64)
            #expect(facts?.folded == 7)
        }
    }

    @Test func `Items are added all or none, listed newest first and read with the session`() async throws {
        let clock = TestClock()
        try await withStore(clock: clock) { store in
            let put = try await store.put([
                Item(id: 1, name: "Äpfel", category: "fruit"), Item(id: 2, name: "Ärmel", category: nil),
                Item(id: 3, name: "Brot", category: nil),
            ])
            #expect(put == ItemsPut(added: 3, updated: 0))
            let page = try await store.items(prefix: "ä", page: PageRequest(limit: 1))
            #expect(page.items.map(\.id) == [1])
            #expect(
                try await store.items(prefix: "ä", page: PageRequest(limit: 1, after: page.next)).items.map(\.id) == [2]
            )
            let access = try await store.begin()
            #expect(await code { try await store.add([1, 9], to: access, holdMax: 10) } == .unknownItems)
            #expect(try await store.held(by: access).isEmpty)
            #expect(try await store.add([2, 2], to: access, holdMax: 10).added == [2])
            clock.advance(by: .seconds(1))
            #expect(try await store.add([1, 2], to: access, holdMax: 10).alreadyPresent == [2])
            #expect(await code { try await store.add([3], to: access, holdMax: 2) } == .limitReached)
            let both = try await store.validateWithItems(access)
            #expect(both?.session.requestCount == 1)
            #expect(both?.items.map(\.item.id) == [1, 2])
            #expect(try await store.remove([1, 3], from: access) == 1)
            #expect(try await store.remove(nil, from: access) == 1)
        }
    }

    @Test func `Every kind of entry comes back, a key is answered once, and erasing a user counts what goes`()
        async throws
    {
        try await withStore(clock: TestClock()) { store in
            let access = try await store.begin("ann")
            let bodies: [JournalBody] = [
                .conversation(input: "Grüße", response: nil, extra: .empty),
                .interaction(type: "click", data: JSONDocument(["x": .integer(1)])),
                .recommendations(shopID: nil, recommendations: .array([.integer(1)]), count: 1),
                .feedback(type: "stars", targetType: nil, targetID: "7", rating: 4.5, comment: nil),
            ]
            for body in bodies {
                let written = try await store.append([entry(body)], to: access, expectedTurns: nil, idempotency: nil)
                let page = try await store.history(
                    body.kind, of: .session(access), HistoryQuery(), page: PageRequest())
                #expect(page.items == written)
            }
            let key = IdempotencyKey(scope: [1], body: [2])
            let turn = JournalBody.conversation(input: "again", response: nil, extra: .empty)
            let first = try await store.append([entry(turn)], to: access, expectedTurns: 1, idempotency: key)
            let finished = try await store.finish(
                first[0].id, of: access, response: "done", extra: JSONDocument(["a": .null]), expectedTurns: 2)
            #expect(finished.seq == 2)
            #expect(try await store.append([entry(turn)], to: access, expectedTurns: 1, idempotency: key) == first)
            let other = IdempotencyKey(scope: [1], body: [3])
            #expect(
                await code { try await store.append([entry(turn)], to: access, expectedTurns: nil, idempotency: other) }
                    == .idempotencyConflict)
            let found = try await store.history(
                .conversations, of: .user(UserID(stored: "ann")), HistoryQuery(text: "GRÜSSE"), page: PageRequest())
            #expect(found.items.count <= 1)
            let receipt = try await store.erase(UserID(stored: "ann"))
            #expect(receipt.sessions == 1)
            #expect(receipt.entries == [.conversations: 2, .interactions: 1, .recommendations: 1, .feedback: 1])
            #expect(try await store.delete(access.id) == false)
        }
    }

    private func entry(_ body: JournalBody) -> NewEntry {
        NewEntry(id: EntryID(UUIDBytes(version7At: SystemWallClock().now, random: .system)), at: nil, body: body)
    }
}
