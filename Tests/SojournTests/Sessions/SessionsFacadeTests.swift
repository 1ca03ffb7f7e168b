// SPDX-License-Identifier: Apache-2.0

internal import SojournTesting
internal import Testing

@testable internal import Sojourn

@Suite("The façade")
struct SessionsFacadeTests {
    private let clock = ManualClock()
    private let store: MemoryStore
    private let sessions: Sessions

    init() {
        store = MemoryStore(clock: clock)
        sessions = Sessions(store: store, clock: clock, random: .seeded(1))
    }

    /// The error of a call that has to be refused.
    private func refusal(_ call: () async throws -> some Any) async -> SojournError? {
        do {
            _ = try await call()
            return nil
        } catch {
            return error as? SojournError
        }
    }

    @Test("a token goes to its owner as text, comes back and opens the session")
    func tokens() async throws {
        let issued = try await sessions.create()
        let token = try #require(SessionToken(issued.token.text))
        #expect(token == issued.token && token.id == issued.session.id)
        let validation = try #require(try await sessions.validate(token))
        #expect(validation.session.requestCount == 1 && validation.source == .database && validation.age == .zero)
        let other = try await sessions.create()
        #expect(other.token != issued.token)
        #expect(try await sessions.validate(SessionToken(id: token.id, secret: other.token.secret)) == nil)
    }

    @Test("every repeat of a rotation, also at once, gives the same new token")
    func rotates() async throws {
        let old = try await sessions.create().token
        let sessions = sessions
        let tokens = try await withThrowingTaskGroup(of: SessionToken.self) { group in
            for _ in 0..<8 { group.addTask { try await sessions.rotate(old).token } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(tokens.count == 1)
        let new = try #require(tokens.first)
        #expect(new != old && new.id == old.id)
        clock.advance(by: .seconds(9))
        #expect(try await sessions.rotate(old).token == new)
        #expect(try await sessions.validate(old) != nil)
        clock.advance(by: .seconds(1))
        #expect(await refusal { try await sessions.rotate(old) }?.code == .noSession)
        #expect(try await sessions.validate(old) == nil)
        #expect(try await sessions.validate(new) != nil)
        #expect(await refusal { try await sessions.rotate(new, grace: .seconds(61)) }?.field == "grace_seconds")
    }

    @Test("a login and a first token open the session")
    func binds() async throws {
        let issued = try await sessions.create()
        let bound = try await sessions.bind(issued.session.id, to: UserID(stored: "u"))
        #expect(try await sessions.validate(issued.token) == nil)
        #expect(try await sessions.validate(bound.token)?.session.userID == UserID(stored: "u"))
        let id = SessionID(at: clock.now, random: .seeded(9))
        _ = try await store.create([NewSession(id: id, digest: nil, actor: .sql)])
        let first = try await sessions.issueToken(id)
        #expect(try await sessions.validate(first.token) != nil)
    }

    @Test("a draft past a limit is refused by name, and nothing is stored")
    func limits() async throws {
        var deep = JSONValue.integer(1)
        for _ in 0..<16 { deep = .array([deep]) }
        let large = JSONValue.string(String(repeating: "x", count: 16 * 1024))
        let cases: [(String, SojournError.Code, (inout SessionDraft) -> Void)] = [
            ("metadata", .tooLarge, { $0.metadata = ["a": large] }),
            ("claims", .tooLarge, { $0.claims = ["a": large] }),
            ("metadata", .invalidInput, { $0.metadata = ["a": deep] }),
            ("metadata", .invalidInput, { $0.metadata = ["a": .string("\u{0}")] }),
            ("ttl_seconds", .invalidInput, { $0.life = .zero }),
            ("ttl_seconds", .invalidInput, { $0.life = .days(4000) }),
        ]
        for (field, code, change) in cases {
            var draft = SessionDraft()
            change(&draft)
            let error = await refusal { try await sessions.create(draft) }
            #expect(error?.field == field && error?.code == code)
        }
        let many = Array(repeating: SessionDraft(), count: 1001)
        let error = await refusal { () async throws -> Int in try await sessions.create(many).count }
        #expect(error?.code == .tooLarge && error?.field == "sessions")
        #expect(await refusal { try await sessions.list(page: PageRequest(limit: 501)) }?.field == "limit")
        #expect(try await store.statistics().total == 0)
    }

    @Test("a user agent is cut to 512 characters")
    func cuts() async throws {
        var draft = SessionDraft()
        draft.userAgent = String(repeating: "ü", count: 600)
        #expect(try await sessions.create(draft).session.userAgent?.count == 512)
    }

    @Test("of many drafts each is answered on its own, in order (S10)")
    func batches() async throws {
        var bad = SessionDraft()
        bad.life = .zero
        var chat = SessionDraft()
        chat.type = .chat
        let results = try await sessions.create([chat, bad, SessionDraft(), bad])
        #expect(results.count == 4)
        #expect(try results[0].get().session.type == .chat && results[2].get().session.type == .web)
        for index in [1, 3] { #expect(throws: SojournError.self) { try results[index].get() } }
        for index in [0, 2] { #expect(try await sessions.validate(results[index].get().token) != nil) }
        #expect(try await store.statistics().total == 2)
    }

    @Test("a type has the life of its policy, unless the draft has its own")
    func policies() async throws {
        let policies = SessionPolicies(byType: [.chat: SessionPolicy(life: .hours(2), renewal: .fixed)])
        let sessions = Sessions(store: store, policies: policies, clock: clock, random: .seeded(2))
        var draft = SessionDraft()
        draft.type = .chat
        #expect(try await sessions.create(draft).session.life == .hours(2))
        draft.life = .seconds(30)
        let session = try await sessions.create(draft).session
        #expect(session.expiresAt == clock.now + .seconds(30) && session.renewal == .fixed)
        #expect(policies.retention[.web] == .after(.days(30)))
    }

    @Test("a merge patch changes what it names, and refuses a stale version")
    func patches() async throws {
        var draft = SessionDraft()
        draft.metadata = ["a": .integer(1), "b": .object(["c": .integer(2)])]
        let access = SessionAccess.token(try await sessions.create(draft).token)
        let patch: [String: JSONValue] = ["a": .null, "b": .object(["d": .integer(3)])]
        let patched = try await sessions.patch(.metadata, of: access, with: patch, ifVersion: 1)
        #expect(patched.metadata == JSONDocument(["b": .object(["c": .integer(2), "d": .integer(3)])]))
        #expect(patched.version == 2)
        let stale = await refusal { try await sessions.patch(.metadata, of: access, with: [:], ifVersion: 1) }
        #expect(stale?.code == .staleVersion && stale?.details["version"] == .integer(2))
        let large = ["x": JSONValue.string(String(repeating: "x", count: 20_000))]
        let error = await refusal { try await sessions.patch(.metadata, of: access, with: large, ifVersion: nil) }
        #expect(error?.code == .tooLarge && error?.field == "metadata")
        _ = try await sessions.end(access)
        let dead = await refusal { try await sessions.patch(.metadata, of: access, with: [:], ifVersion: nil) }
        #expect(dead?.code == .noSession)
    }

    @Test("patches without a version never lose one another")
    func patchesAtOnce() async throws {
        let access = SessionAccess.token(try await sessions.create().token)
        let sessions = sessions
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<6 {
                group.addTask {
                    _ = try await sessions.patch(
                        .metadata, of: access, with: ["k\(number)": .integer(1)], ifVersion: nil)
                }
            }
            try await group.waitForAll()
        }
        #expect(try await sessions.get(access)?.session.metadata.members.count == 6)
    }

    @Test("the others of a session are its user's live ones but itself")
    func others() async throws {
        var draft = SessionDraft()
        draft.userID = UserID(stored: "u")
        let (own, other) = (try await sessions.create(draft), try await sessions.create(draft))
        #expect(try await sessions.others(own.token).items.map(\.session.id) == [other.session.id])
        let anonymous = try await sessions.create()
        #expect(try await sessions.others(anonymous.token).items.isEmpty)
        _ = try await sessions.end(.token(own.token))
        #expect(await refusal { try await sessions.others(own.token) }?.code == .noSession)
    }

    @Test("items and entries past a limit are refused by the place where they stand")
    func places() async throws {
        let access = SessionAccess.token(try await sessions.create().token)
        let items: [(Item, String)] = [
            (Item(id: 0, name: "a", category: nil), "[1].id"), (Item(id: 1 << 53, name: "a", category: nil), "[1].id"),
            (Item(id: 1, name: "", category: nil), "[1].name"),
            (Item(id: 1, name: "a", category: "\n"), "[1].category"),
        ]
        for (item, field) in items {
            let good = Item(id: 5, name: "good", category: nil)
            #expect(await refusal { try await sessions.put([good, item]) }?.field == field)
        }
        #expect(try await sessions.items().items.isEmpty)
        #expect(await refusal { try await sessions.add([1, 0], to: access) }?.field == "ids[1]")
        let long = String(repeating: "x", count: 65537)
        let entries: [(EntryDraft, String)] = [
            (EntryDraft(.conversation(input: long, response: nil, extra: .empty)), "input_text"),
            (EntryDraft(.conversation(input: "a", response: long, extra: .empty)), "response_text"),
            (EntryDraft(.interaction(type: "", data: .empty)), "interaction_type"),
            (EntryDraft(.interaction(type: "a", data: .empty), at: clock.now + .days(40)), "created_at"),
            (
                EntryDraft(.conversation(input: "a", response: nil, extra: .empty), at: clock.now - .days(4000)),
                "conversation_time"
            ),
            (EntryDraft(.recommendations(shopID: nil, recommendations: .array([]), count: -1)), "recommendation_count"),
            (
                EntryDraft(.feedback(type: "a", targetType: nil, targetID: nil, rating: .infinity, comment: nil)),
                "rating"
            ),
        ]
        for (entry, field) in entries {
            #expect(await refusal { try await sessions.append([entry], to: access) }?.field == field)
            #expect(await refusal { try await sessions.append([entry, entry], to: access) }?.field == "[0].\(field)")
        }
        #expect(try await sessions.history(.conversations, of: .session(access)).items.isEmpty)
    }

    @Test("entries of one call are read back in the order given, whatever their times")
    func order() async throws {
        let access = SessionAccess.token(try await sessions.create().token)
        let days = [0, 2, 0, 0, 1, 1, 0, 2, 0, 0, 1, 0]
        let drafts = days.enumerated().map { number, day in
            EntryDraft(
                .conversation(input: "\(number)", response: nil, extra: .empty),
                at: day == 0 ? nil : clock.now - .days(day))
        }
        let written = try await sessions.append(drafts, to: access)
        #expect(written.map(\.seq) == Array(1...12))
        let read = try await sessions.history(.conversations, of: .session(access)).items
        let wanted = [2, 1, 0].flatMap { day in written.indices.filter { days[$0] == day } }
        #expect(read.reversed().map(\.id) == wanted.map { written[$0].id })
    }

    @Test("an error shows clients its message, and logs its cause and place")
    func errors() {
        let error = SojournError(.invalidInput, "Must be so.", field: "f", underlying: SojournError.noEntry())
        #expect("\(error)" == "f: Must be so.")
        #expect(error.debugDescription.contains("SessionsFacadeTests.swift"))
        #expect(error.debugDescription.contains("no such entry"))
    }
}
