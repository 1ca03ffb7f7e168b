// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournPostgres
import Testing

/// Entries of the journal that come through a stream into PostgreSQL (K4).
@Suite("The journal's stream", .onPostgres, .timeLimit(.minutes(10)))
struct JournalStreamTests {
    private let partition = StreamPartition(group: "g", topic: "journal", number: 1, content: .journal)
    private let database: ScratchDatabase
    private let store: PostgresStore
    private let sessions: Sessions

    init() async throws {
        database = try await ScratchDatabase()
        store = try database.store()
        sessions = Sessions(store: store)
        _ = try await store.positions(of: [partition])
    }

    private func queued(
        _ session: SessionID, _ bodies: JournalBody..., at time: Timestamp = SystemWallClock().now
    ) -> QueuedEntries {
        QueuedEntries(
            sessionID: session,
            entries: bodies.map { body in
                QueuedEntries.Entry(id: EntryID(UUIDBytes(version7At: time, random: .system)), at: time, body: body)
            })
    }

    private func turn(_ input: String) -> JournalBody { .conversation(input: input, response: nil, extra: .empty) }

    private func step(_ calls: [QueuedEntries], from: Int64) -> StreamStep {
        let messages = calls.enumerated().map { place, call in
            StreamMessage(offset: from + Int64(place), key: nil, value: call.message)
        }
        return StreamStep(messages, of: partition, from: from, to: from + Int64(calls.count))
    }

    @Test("entries of every kind are written once, numbered in their session, with its user")
    func once() async throws {
        defer { store.close() }
        var draft = SessionDraft()
        draft.userID = UserID(stored: "alice")
        let (one, two) = (try await sessions.create(draft), try await sessions.create())
        let calls = [
            queued(one.session.id, turn("a"), turn("b")), queued(two.session.id, turn("c")),
            queued(one.session.id, .interaction(type: "click", data: JSONDocument(["x": .integer(1)]))),
            queued(one.session.id, .recommendations(shopID: nil, recommendations: .array([.integer(1)]), count: 1)),
            queued(one.session.id, .feedback(type: "stars", targetType: nil, targetID: nil, rating: 4.5, comment: nil)),
            queued(one.session.id, turn("d")),
        ]
        let first = step(calls, from: 0)
        #expect(try await store.take(first) == .taken(StreamTally(written: 6)))
        #expect(try await store.take(first) == .fenced)
        let access = SessionAccess.token(one.token)
        for call in calls where call.sessionID == one.session.id {
            for entry in call.entries {
                let written = try #require(try await store.entry(entry.id, of: access))
                #expect(written.body == entry.body && written.at == entry.at && written.userID?.text == "alice")
            }
        }
        let turns = try await sessions.history(.conversations, of: .session(access)).items
        #expect(turns.sorted { ($0.seq ?? 0) < ($1.seq ?? 0) }.map(\.body) == [turn("a"), turn("b"), turn("d")])
        #expect(turns.compactMap(\.seq).sorted() == [1, 2, 3])
        #expect(try await sessions.get(access)?.session.turnCount == 3)
        // Read again after a rewind, with one more of which it has the message twice.
        try await store.rewind(to: [partition: 0])
        let more = queued(two.session.id, turn("e"))
        let again = step(calls + [more, more], from: 0)
        #expect(try await store.take(again) == .taken(StreamTally(written: 1, present: 7)))
        #expect(try await sessions.get(.token(two.token))?.session.turnCount == 2)
        #expect(try await sessions.get(access)?.session.turnCount == 3)
    }

    @Test("what an ended session said is written; what a deleted one said is dropped and counted")
    func gone() async throws {
        defer { store.close() }
        let (ended, deleted) = (try await sessions.create(), try await sessions.create())
        let calls = [
            queued(ended.session.id, turn("late")), queued(deleted.session.id, turn("a"), turn("b")),
            queued(deleted.session.id, .interaction(type: "click", data: .empty)),
        ]
        _ = try await sessions.end(.token(ended.token))
        _ = try await store.delete(deleted.session.id)
        #expect(try await store.take(step(calls, from: 0)) == .taken(StreamTally(written: 1, dropped: 2)))
        #expect(try await store.droppedMessages(of: "g") == 2)
        #expect(try await store.openDeadLetters() == 0)
        let trusted = SessionAccess.trusted(ended.session.id, as: .service)
        let history = try await sessions.history(.conversations, of: .session(trusted)).items
        #expect(history.map(\.body) == [turn("late")])
        #expect(try await store.find([trusted])[0]?.session.end != nil)
    }

    @Test("many entries of one session are one step's work, and its life is not longer for them")
    func many() async throws {
        defer { store.close() }
        let issued = try await sessions.create()
        let earlier = SystemWallClock().now - .hours(20)
        try await database.run(
            "UPDATE sojourn.session_master SET expires_at = sojourn.clock() + interval '1 hour', last_activity = session_start"
        )
        let before = try #require(try await sessions.get(.token(issued.token))?.session)
        let calls = (0..<20).map { call in
            QueuedEntries(
                sessionID: issued.session.id,
                entries: (0..<1000).map { number in
                    QueuedEntries.Entry(
                        id: EntryID(UUIDBytes(high: UInt64(call + 1), low: UInt64(number))), at: earlier,
                        body: .interaction(type: "click", data: .empty))
                })
        }
        #expect(try await store.take(step(calls, from: 0)) == .taken(StreamTally(written: 20)))
        let rows = try await database.run(
            "SELECT count(*), min(seq), max(seq), count(DISTINCT seq) FROM sojourn.user_interactions")
        #expect(try (0..<4).map { try rows[0].int($0) } == [20_000, 1, 20_000, 20_000])
        let after = try #require(try await sessions.get(.token(issued.token))?.session)
        #expect(after.expiresAt == before.expiresAt && after.lastActivity == before.lastActivity)
    }

    @Test("a month that is missing is made")
    func months() async throws {
        defer { store.close() }
        let session = try await sessions.create()
        let long = SystemWallClock().now - .days(3000)
        #expect(
            try await store.take(step([queued(session.session.id, turn("old"), at: long)], from: 0))
                == .taken(StreamTally(written: 1)))
        #expect(try await sessions.history(.conversations, of: .session(.token(session.token))).items[0].at == long)
    }

    @Test("a message that is no entry, and one whose id is another session's, are dead letters of their own kind")
    func deadLetters() async throws {
        defer { store.close() }
        let (one, two) = (try await sessions.create(), try await sessions.create())
        let good = queued(one.session.id, .interaction(type: "click", data: .empty))
        let stolen = QueuedEntries(
            sessionID: two.session.id,
            entries: [.init(id: good.entries[0].id, at: good.entries[0].at + .seconds(1), body: good.entries[0].body)])
        let odd = queued(two.session.id, turn("a\u{0}b"))
        let messages =
            [good, stolen, odd, queued(two.session.id, turn("c"))].enumerated().map { place, call in
                StreamMessage(offset: Int64(place), key: nil, value: call.message)
            } + [StreamMessage(offset: 4, key: nil, value: Array(#"{"session_id": 1}"#.utf8))]
        let outcome = try await PipelineWriter(store, logger: TestServer.logger).write(
            messages[...], of: partition, from: 0, to: 5, while: { true })
        #expect(outcome == .written)
        let letters = try await store.deadLetters(PageRequest(limit: 10), state: .open).items
        #expect(letters.map(\.message.offset).sorted() == [1, 2, 4])
        #expect(letters.allSatisfy { $0.partition == partition })
        #expect(try await sessions.history(.conversations, of: .session(.token(two.token))).items.count == 1)
        #expect(try await sessions.history(.interactions, of: .session(.token(two.token))).items.isEmpty)

        let letter = try #require(letters.first { $0.message.offset == 4 })
        let refused = await #expect(throws: SojournError.self) { try await store.retryDeadLetter(letter.id) }
        #expect(refused?.field == "session_id")

        // Kept as if the database had refused it once: its month is made.
        let old = queued(one.session.id, turn("old"), at: SystemWallClock().now - .days(2000))
        let message = StreamMessage(offset: 5, key: nil, value: old.message)
        let refusal = StreamStep(
            refusing: .init(message: message, reason: "once"), of: partition, from: 5, to: 6)
        _ = try await store.take(refusal)
        let kept = try #require(try await store.deadLetters(PageRequest(limit: 1), state: .open).items.first)
        #expect(try await store.retryDeadLetter(kept.id)?.state == .retried)
        #expect(try await store.entry(old.entries[0].id, of: nil)?.body == turn("old"))
    }
}
