// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import SojournTesting
internal import Synchronization
internal import Testing

@testable internal import Sojourn

/// Entries that are left to be written later (K4), over a log in this process, which stands in for Kafka and fails as it is told.
@Suite("The queue of the journal", .timeLimit(.minutes(5)))
struct JournalQueueTests {
    private final class FakeLog: JournalLog {
        enum Failure { case none, refuses, findsItTooLarge, losesItsAnswer }

        let kept = Mutex<[QueuedEntries]>([])
        let failure = Mutex(Failure.none)
        let asked = Atomic(0)
        /// Called with what was kept though the answer is lost.
        let lost: @Sendable (QueuedEntries) async throws -> Void

        init(lost: @escaping @Sendable (QueuedEntries) async throws -> Void = { _ in }) {
            self.lost = lost
        }

        func keep(_ entries: QueuedEntries) async throws {
            asked.add(1, ordering: .relaxed)
            switch failure.withLock({ $0 }) {
            case .none: kept.withLock { $0.append(entries) }
            case .refuses: throw SojournError(.storeUnavailable, "Down.")
            case .findsItTooLarge: throw SojournError(.tooLarge, "Too large.")
            case .losesItsAnswer:
                try await lost(entries)
                throw SojournError(.storeUnavailable, "Lost.")
            }
        }
    }

    private let clock = ManualClock()
    private let store: MemoryStore
    private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    init() {
        store = MemoryStore(clock: clock)
    }

    private func sessions(_ log: FakeLog) -> Sessions {
        Sessions(store: store, journalQueue: JournalQueue(log, logger: quiet), clock: clock, random: .seeded(1))
    }

    private let turn = EntryDraft(.conversation(input: "hello", response: nil, extra: .empty))

    @Test("entries are kept with the ids and times that they will have, and the store is not written to")
    func keeps() async throws {
        let log = FakeLog()
        let sessions = sessions(log)
        let access = SessionAccess.token(try await sessions.create().token)
        let earlier = clock.now - .days(3)
        let queued = try await sessions.enqueue([turn, EntryDraft(turn.body, at: earlier)], to: access)
        #expect(queued.map(\.at) == [clock.now, earlier])
        let kept = log.kept.withLock { $0 }
        #expect(kept.map(\.sessionID) == [access.id])
        #expect(kept[0].entries.map(\.id) == queued.map(\.id) && kept[0].entries.map(\.at) == queued.map(\.at))
        #expect(try await sessions.entry(queued[0].id, of: access) == nil)
        #expect(try await sessions.enqueue([], to: access).isEmpty && log.asked.load(ordering: .relaxed) == 1)
    }

    @Test("the session is renewed as by a write; one that is over, and a secret that was replaced, take nothing")
    func renews() async throws {
        let log = FakeLog()
        let sessions = sessions(log)
        let issued = try await sessions.create()
        clock.advance(by: .hours(5))
        _ = try await sessions.enqueue([turn], to: .token(issued.token))
        let renewed = try await sessions.get(.token(issued.token))?.session
        #expect(renewed?.expiresAt == clock.now + .hours(24) && renewed?.requestCount == 0)
        #expect(!"\(try #require(try await store.facts(of: issued.token.id)))".contains("extended"))

        let rotated = try await sessions.rotate(issued.token).token
        await #expect(throws: SojournError.self) { try await sessions.enqueue([turn], to: .token(issued.token)) }
        let long = EntryDraft(
            .conversation(input: String(repeating: "x", count: 70_000), response: nil, extra: .empty))
        let refused = await #expect(throws: SojournError.self) {
            try await sessions.enqueue([long], to: .token(rotated))
        }
        #expect(refused?.field == "input_text")
        _ = try await sessions.end(.token(rotated))
        for access in [SessionAccess.token(rotated), .trusted(rotated.id, as: .service)] {
            await #expect(throws: SojournError.self) { try await sessions.enqueue([turn], to: access) }
        }
        #expect(log.kept.withLock { $0.count } == 1)
    }

    @Test("what the log does not take is written at once, and a log that fails is asked now and then only")
    func fallsBack() async throws {
        let log = FakeLog()
        log.failure.withLock { $0 = .refuses }
        let sessions = sessions(log)
        let access = SessionAccess.token(try await sessions.create().token)
        for number in 1...20 {
            let queued = try await sessions.enqueue([turn], to: access)
            #expect(try await sessions.entry(queued[0].id, of: access)?.seq == number)
        }
        #expect((3..<10).contains(log.asked.load(ordering: .relaxed)))
    }

    @Test("what is too large for the log is written at once, and says nothing of the log")
    func tooLarge() async throws {
        let log = FakeLog()
        log.failure.withLock { $0 = .findsItTooLarge }
        let sessions = sessions(log)
        let access = SessionAccess.token(try await sessions.create().token)
        for _ in 0..<10 { _ = try await sessions.enqueue([turn], to: access) }
        #expect(log.asked.load(ordering: .relaxed) == 10)
        #expect(try await sessions.history(.conversations, of: .session(access)).items.count == 10)
    }

    @Test("what the log kept though it did not say so, and somebody wrote meanwhile, is not an error")
    func survivesLostAnswers() async throws {
        let store = store
        let log = FakeLog { entries in
            _ = try await store.append(
                entries.entries.map { NewEntry(id: $0.id, at: $0.at, body: $0.body) },
                to: .trusted(entries.sessionID, as: .service), expectedTurns: nil, idempotency: nil)
        }
        log.failure.withLock { $0 = .losesItsAnswer }
        let sessions = sessions(log)
        let access = SessionAccess.token(try await sessions.create().token)
        let queued = try await sessions.enqueue([turn], to: access)
        #expect(try await sessions.history(.conversations, of: .session(access)).items.map(\.id) == [queued[0].id])
    }

    @Test("without a queue nothing is left in one")
    func none() async throws {
        let sessions = Sessions(store: store, clock: clock)
        let access = SessionAccess.token(try await sessions.create().token)
        let refused = await #expect(throws: SojournError.self) { try await sessions.enqueue([turn], to: access) }
        #expect(refused?.code == .notAvailable && !sessions.queuesJournal)
    }
}

/// What stands in a message of the journal's topic.
@Suite("Entries as a message") struct QueuedEntriesTests {
    private let now = Timestamp(seconds: 1_800_000_000)

    private func read(_ text: String) throws -> QueuedEntries {
        guard case .object(let members) = try JSONValue(parsing: text.utf8) else { throw SojournError.noEntry() }
        return try QueuedEntries(members: members, now: now)
    }

    @Test("every kind comes back as it was sent")
    func roundTrip() throws {
        let bodies: [JournalBody] = [
            .conversation(input: "a\"\\\n🙂", response: nil, extra: JSONDocument(["k": .array([.null, .bool(true)])])),
            .conversation(input: "", response: "김치", extra: .empty),
            .interaction(type: "click", data: JSONDocument(["x": .number(0.5), "y": .integer(-1)])),
            .recommendations(shopID: nil, recommendations: .array([.object(["id": .integer(7)])]), count: 9),
            .recommendations(shopID: "s", recommendations: .array([]), count: 0),
            .feedback(type: "stars", targetType: "shop", targetID: "s1", rating: 4.5, comment: "ok"),
            .feedback(type: "stars", targetType: nil, targetID: nil, rating: nil, comment: nil),
        ]
        let entries = bodies.enumerated().map { number, body in
            QueuedEntries.Entry(
                id: EntryID(UUIDBytes(high: 1, low: UInt64(number))), at: now - .seconds(number) - .microseconds(1),
                body: body)
        }
        let queued = QueuedEntries(sessionID: SessionID(UUIDBytes(high: 2, low: 3)), entries: entries)
        #expect(try read(String(decoding: queued.message, as: UTF8.self)) == queued)
    }

    @Test(
        "what is missing or wrong is named",
        arguments: [
            (#"{}"#, "session_id"), (#"{"session_id": "x"}"#, "session_id"),
            (#"{"session_id": "SID"}"#, "entries"), (#"{"session_id": "SID", "entries": []}"#, "entries"),
            (#"{"session_id": "SID", "entries": [1]}"#, "entries[0]"),
            (#"{"session_id": "SID", "entries": [ENTRY], "more": 1}"#, "more"),
            (#"{"session_id": "SID", "entries": [ENTRY, {"id": "SID"}]}"#, "entries[1].kind"),
            (#"{"session_id": "SID", "entries": [{"id": "SID", "kind": "lies"}]}"#, "entries[0].kind"),
            (
                #"{"session_id": "SID", "entries": [{"id": "SID", "kind": "feedback", "feedback_type": "a", "at_us": 9000000000000000000}]}"#,
                "entries[0].created_at"
            ),
            (
                #"{"session_id": "SID", "entries": [{"id": "SID", "kind": "conversations", "at_us": 1800000000000000}]}"#,
                "entries[0].input_text"
            ),
        ])
    func refusals(text: String, field: String) {
        let id = "00000000-0000-0000-0000-000000000001"
        let entry =
            #"{"id": "SID", "kind": "interactions", "at_us": 1800000000000000, "interaction_type": "click"}"#
        let text = text.replacing("ENTRY", with: entry).replacing("SID", with: id)
        #expect(throws: SojournError.self) { try read(text) }
        do { _ = try read(text) } catch { #expect((error as? SojournError)?.field == field) }
    }
}
