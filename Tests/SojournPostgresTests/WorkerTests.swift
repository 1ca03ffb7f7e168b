// SPDX-License-Identifier: Apache-2.0

import Foundation
import Sojourn
import SojournPostgres
import SojournTesting
import StoreWorker
import Testing

/// The second server of the suites: that it is one, and that what it says comes through unchanged.
@Suite("The worker")
struct WorkerTests {
    private static let time = ManualClock.start
    private static let id = SessionID(UUIDBytes(high: 0x0198_0000_0000_7000, low: .max))
    private static let digest = TestSecrets.digest(7)

    /// A session of which everything that may be missing is there, or is missing.
    private static func session(complete: Bool) -> Session {
        Session(
            id: id, userID: complete ? UserID(stored: "Ærø\"\\\u{7}") : nil, type: .voice,
            metadata: JSONDocument(stored: #"{"b": 1, "a": "é\n"}"#), claims: .empty, version: 2, createdAt: time,
            lastActivity: Timestamp(microseconds: -1), expiresAt: Timestamp(microseconds: .max),
            absoluteExpiresAt: complete ? time : nil, requestCount: .max, turnCount: 0,
            ipAddress: complete ? "::1" : nil, userAgent: complete ? "" : nil, life: .microseconds(1),
            renewal: .onAccess, end: complete ? SessionEnd(at: time, reason: .cap) : nil)
    }

    /// What an entry of each kind says, where everything that may be missing is there, or is missing.
    private static func bodies(complete: Bool) -> [JournalBody] {
        let list = JSONValue.array([.object(["id": .integer(.max), "n": .null]), .string("é\"\0"), .number(0.5)])
        return [
            .conversation(
                input: "a\"\\\n\0🙂", response: complete ? "" : nil,
                extra: JSONDocument(stored: #"{"b": 1, "a": "é\n"}"#)),
            .interaction(type: complete ? "click" : "", data: JSONDocument(stored: #"{"x":1.0}"#)),
            .recommendations(
                shopID: complete ? "s" : nil, recommendations: complete ? list : .array([]), count: complete ? .max : 0),
            .feedback(
                type: "stars", targetType: complete ? "shop" : nil, targetID: complete ? "7" : nil,
                rating: complete ? -0.1 : nil, comment: complete ? "ok" : nil),
        ]
    }

    private static func again<Value: Codable>(_ value: Value) throws -> Value {
        try JSONDecoder().decode(Value.self, from: JSONEncoder().encode(value))
    }

    private static func expectSame<Value: Codable & Equatable>(
        _ value: Value, at place: SourceLocation = #_sourceLocation
    ) throws {
        #expect(try again(value) == value, sourceLocation: place)
    }

    @Test("is asked with exactly what was meant", arguments: [true, false])
    func argumentsComeThrough(complete: Bool) throws {
        try Self.expectSame(SessionAccess.digest(Self.id, Self.digest))
        try Self.expectSame(SessionAccess.trusted(Self.id, as: .cli))
        let policy = SessionPolicy(
            life: .seconds(1), renewal: .fixed, absoluteLife: complete ? .nanoseconds(1) : nil,
            retention: complete ? .after(.zero) : .never)
        let new = NewSession(
            id: Self.id, digest: complete ? Self.digest : nil, userID: complete ? UserID(stored: "u") : nil,
            type: .admin, metadata: JSONDocument(stored: "{ }"), claims: JSONDocument(stored: #"{"a":1.0}"#),
            ipAddress: complete ? "1.2.3.4" : nil, userAgent: complete ? "x" : nil, policy: policy,
            sessionsPerUserMax: complete ? 3 : nil, actor: .service)
        try Self.expectSame(new)
        #expect(try Self.again(new).metadata.text == "{ }")
        #expect(try Self.again(new).claims.text == #"{"a":1.0}"#)
        try Self.expectSame(Rotation(digest: Self.digest, successorSealed: complete ? [0, 255] : [], grace: .days(1)))
        try Self.expectSame(
            SessionFilter(userID: complete ? UserID(stored: "u") : nil, type: .api, status: complete ? .ended : nil))
        try Self.expectSame(PageRequest(limit: 3, after: complete ? PageCursor(-1, "é") : nil))
        try Self.expectSame(Item(id: Item.ids.upperBound, name: "\u{1F600}", category: complete ? "c" : nil))
        var order = SweepOrder(batchMax: 7, dryRun: complete, lap: complete ? .after(Self.id) : .off)
        order.retention = [.chat: .never, .voice: .after(.hours(1))]
        order.fuse = complete ? 5 : nil
        try Self.expectSame(order)
        try Self.expectSame(SweepOrder(lap: .begin))
    }

    @Test("answers with exactly what its store returned", arguments: [true, false])
    func resultsComeThrough(complete: Bool) throws {
        let session = Self.session(complete: complete)
        try Self.expectSame(session)
        #expect(try Self.again(session).metadata.text == session.metadata.text)
        try Self.expectSame([StoredSession(session: session, status: .expired), nil])
        try Self.expectSame(RotationOutcome.rotated(session))
        try Self.expectSame(RotationOutcome.repeated(session, successorSealed: complete ? [1, 2] : []))
        try Self.expectSame(Page(items: [session], next: complete ? PageCursor(Self.id.uuid) : nil))
        try Self.expectSame(ErasureReceipt(sessions: 1, items: 2, entries: complete ? [.feedback: 3] : [:]))
        let fact = SessionFact(at: Self.time, kind: .swept, actor: .sweep, detail: complete ? "inactive" : nil)
        try Self.expectSame(SessionFacts(facts: [fact], folded: 4))
        var swept = SweepOutcome()
        (swept.expired, swept.revoked, swept.inactive, swept.deleted) = (1, 2, 3, 4)
        (swept.more, swept.lapNext) = (complete, complete ? Self.id : nil)
        try Self.expectSame(swept)
        var statistics = SessionStatistics(at: Self.time)
        (statistics.active, statistics.ended, statistics.expired, statistics.items) = (1, 2, 3, 4)
        (statistics.createdLastHour, statistics.createdLastDay) = (5, 6)
        statistics.activeByType = complete ? [.chat: 1, .web: 2] : [:]
        try Self.expectSame(statistics)
        try Self.expectSame(IntegrityReport(findings: [.init(check: "c", isGood: complete, detail: "d")]))
        try Self.expectSame(HeldItem(item: Item(id: 1, name: "n", category: nil), addedAt: Self.time))
        try Self.expectSame(ItemsAdded(added: [2, 1], alreadyPresent: []))
        try Self.expectSame(ItemsPut(added: 1, updated: 2))
        let nothing = Answer<Session?>.value(nil)
        #expect(try Self.again(nothing).get() == nil)
    }

    @Test("takes and brings every kind of entry as it is", arguments: [true, false])
    func entriesComeThrough(complete: Bool) throws {
        let id = EntryID(Self.id.uuid)
        #expect(Self.bodies(complete: complete).map(\.kind) == JournalKind.allCases)
        for body in Self.bodies(complete: complete) {
            try Self.expectSame(NewEntry(id: id, at: complete ? Timestamp(microseconds: -1) : nil, body: body))
            let entry = JournalEntry(
                id: id, sessionID: Self.id, userID: complete ? UserID(stored: "u") : nil, at: Self.time,
                seq: complete ? .max : nil, body: body)
            let cursor = PageCursor(Self.time, id.uuid)
            try Self.expectSame(Page(items: [entry], next: complete ? cursor : nil))
            // Documents are equal by their trees; here they keep their spelling as well.
            switch (body, try Self.again(body)) {
            case (.conversation(_, _, let sent), .conversation(_, _, let come)): #expect(come.text == sent.text)
            case (.interaction(_, let sent), .interaction(_, let come)): #expect(come.text == sent.text)
            case (let sent, let come): #expect(come == sent)
            }
        }
    }

    @Test("is asked for exactly the history that was meant, and by the same key")
    func historiesComeThrough() throws {
        for access in [SessionAccess.digest(Self.id, Self.digest), .trusted(Self.id, as: .service)] {
            try Self.expectSame(JournalScope.session(access))
        }
        try Self.expectSame(JournalScope.user(UserID(stored: "")))
        try Self.expectSame(JournalScope.everybody)
        try Self.expectSame(HistoryQuery())
        try Self.expectSame(HistoryQuery(from: Self.time))
        try Self.expectSame(HistoryQuery(to: Timestamp(microseconds: .min), text: ""))
        try Self.expectSame(HistoryQuery(from: Self.time, to: Self.time + .microseconds(1), text: "%_\\é"))
        try Self.expectSame(PageRequest(limit: 1, after: PageCursor(Self.time, Self.id.uuid)))
        let key = IdempotencyKey("k", access: .digest(Self.id, Self.digest), route: "r", body: [1])
        try Self.expectSame(key)
        try Self.expectSame(IdempotencyKey(scope: [0, 255], body: []))
    }

    @Test("refuses as its store refused, by every code", arguments: SojournError.Code.all)
    func refusalsComeThrough(code: SojournError.Code) throws {
        let error = SojournError(
            code, "A sentence.", field: "f", details: ["n": .integer(.max), "ids": .array([.integer(1), .null])],
            underlying: BrokenAnswer(reason: "why"), file: "F.swift", line: 3)
        let refusal = Answer<Bool>.refused(error)
        let thrown = #expect(throws: SojournError.self) { try Self.again(refusal).get() }
        try expectSame(try #require(thrown), error)
        #expect(thrown?.debugDescription.contains("why") == true)
    }

    private func expectSame(_ one: SojournError, _ other: SojournError, _ comment: Comment? = nil) throws {
        #expect(one.code == other.code, comment)
        #expect(one.message == other.message, comment)
        #expect(one.field == other.field, comment)
        #expect(one.details == other.details, comment)
        #expect(one.file == other.file && one.line == other.line, comment)
    }

    @Test("knows every code there is")
    func codesAreComplete() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let source = try String(contentsOf: root.appending(path: "Sources/Sojourn/SojournError.swift"), encoding: .utf8)
        let codes = source.matches(of: /public static let (\w+) = Self\(\.\w+\)/).map { String($0.1) }
        #expect(codes == SojournError.Code.all.map(\.description))
        #expect(codes.count > 10)
    }
}

@Suite("The worker on a database", .onPostgres)
struct WorkerServerTests {
    @Test("is a process of its own that can do the same, and ends with its input", arguments: [false, true])
    func isAnotherServer(pooled: Bool) async throws {
        let database = try await ScratchDatabase()
        let worker = try database.worker(pooled: pooled)
        let here = try await RemoteStore(try database.store(pooled: pooled))
        let there = try await RemoteStore(worker)
        #expect(here.processID == getpid())
        #expect(there.processID != here.processID && there.processID > 1)
        #expect(there.capabilities == here.capabilities)
        #expect(there.capabilities.isSuperset(of: [.items, .journal]))
        try await there.ping()
        worker.end()
        #expect(await worker.exitStatus() == 0)
        await #expect(throws: BrokenAnswer.self) { try await there.ping() }
    }

    @Test("refuses in the words of a store in this process")
    func refusesAlike() async throws {
        let database = try await ScratchDatabase()
        let here = try await RemoteStore(try database.store())
        let there = try await RemoteStore(database.worker())
        let new = NewSession(
            id: SessionID(at: ManualClock.start, random: .seeded(1)), digest: TestSecrets.digest(1), type: .web)
        _ = try await there.create([new])
        let access = SessionAccess.trusted(new.id, as: .service)
        let unknown = SessionAccess.trusted(SessionID(UUIDBytes(high: 1, low: 1)), as: .service)
        let turn = NewEntry(
            id: EntryID(UUIDBytes(version7At: ManualClock.start, random: .seeded(1))), at: ManualClock.start,
            body: .conversation(input: "q", response: "a", extra: .empty))
        let (key, other) = (IdempotencyKey(scope: [1], body: [1]), IdempotencyKey(scope: [1], body: [2]))
        _ = try await there.append([turn], to: access, expectedTurns: 0, idempotency: key)
        let calls: [(String, @Sendable (RemoteStore) async throws -> Void)] = [
            ("noSession", { _ = try await $0.extend(unknown, by: nil) }),
            ("staleVersion", { _ = try await $0.replace(.claims, of: access, with: .empty, ifVersion: 9) }),
            ("unknownItems", { _ = try await $0.add([5, 6], to: access, holdMax: 9) }),
            ("secretExists", { _ = try await $0.issueSecret(access, digest: TestSecrets.digest(2)) }),
            ("sequenceConflict", { _ = try await $0.append([turn], to: access, expectedTurns: 2, idempotency: nil) }),
            (
                "idempotencyConflict",
                { _ = try await $0.append([turn], to: access, expectedTurns: nil, idempotency: other) }
            ),
            (
                "noEntry",
                {
                    _ = try await $0.finish(
                        EntryID(unknown.id.uuid), of: access, response: "a", extra: .empty, expectedTurns: nil)
                }
            ),
            (
                "alreadyFinished",
                { _ = try await $0.finish(turn.id, of: access, response: "a", extra: .empty, expectedTurns: nil) }
            ),
            ("duplicateID", { _ = try await $0.create([new])[0].get() }),
            (
                "invalidInput",
                {
                    _ = try await $0.bind(
                        access, to: UserID(stored: "\0"), digest: TestSecrets.digest(3), sessionsPerUserMax: nil)
                }
            ),
        ]
        for (code, call) in calls {
            let one = try #require(await #expect(throws: SojournError.self, "\(code)") { try await call(here) })
            let other = try #require(await #expect(throws: SojournError.self, "\(code)") { try await call(there) })
            #expect(one.code.description == code && other.code == one.code)
            #expect(other.message == one.message && other.field == one.field && other.details == one.details)
            #expect(other.file == one.file && other.line == one.line)
            #expect((one.underlying == nil) == (other.underlying == nil))
        }
    }
}
