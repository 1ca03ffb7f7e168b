// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import Sojourn
import Testing

@testable import SojournHTTP

/// What happened in a session.
@Suite("The journal over HTTP") struct JournalRoutesTests {
    private static let visitor = HTTPField.Name.xSessionToken
    private static let idempotency = HTTPField.Name.idempotencyKey
    let api = APITester()

    /// A request by service key on a visitor's session.
    private func serve(_ method: HTTPRequest.Method, _ path: String, _ body: String, _ token: String) async throws
        -> Answered
    {
        try await api.send(method, path, body, token: APITester.key, headers: [Self.visitor: token])
    }

    @Test(
        "takes and gives back each kind",
        arguments: [
            (
                "conversations", #"{"input_text":"안녕 \"x\"\n","extra":{"a":1}}"#,
                ["id", "session_id", "user_id", "conversation_time", "seq", "input_text", "response_text", "extra"]
            ),
            (
                "interactions", #"{"interaction_type":"click","data":{"b":2}}"#,
                ["id", "session_id", "user_id", "created_at", "interaction_type", "data"]
            ),
            (
                "feedback", #"{"feedback_type":"stars","rating":4.5,"comment":"good"}"#,
                [
                    "id", "session_id", "user_id", "created_at", "feedback_type", "feedback_target_type",
                    "feedback_target_id", "rating", "comment",
                ]
            ),
        ] as [(String, String, Set<String>)])
    func kinds(kind: String, body: String, members: Set<String>) async throws {
        let token = try await api.begin()
        let path = "/v1/session/\(kind)"
        let one = try await api.send(.post, path, body, token: token)
        #expect(one.status == 201)
        #expect(Set(one.json.keys) == members)
        let two = try await api.send(.post, path, "[\(body),\(body)]", token: token)
        #expect(two.items.count == 2)
        #expect(try await api.send(.get, path, token: token).items.count == 3)
        let page = try await api.send(.get, path + "?limit=2", token: token)
        let next = try #require(page.json["next"] as? String)
        #expect(try await api.send(.get, path + "?limit=2&cursor=\(next)", token: token).items.count == 1)
    }

    @Test("keeps responses, recommendations and times for the service key")
    func rights() async throws {
        let token = try await api.begin()
        let refused = [
            ("conversations", #"{"input_text":"a","response_text":"b"}"#, "response_text"),
            ("conversations", #"{"input_text":"a","conversation_time":"2027-01-01T00:00:00Z"}"#, "conversation_time"),
            ("interactions", #"{"interaction_type":"a","created_at":"2027-01-01T00:00:00Z"}"#, "created_at"),
            ("recommendations", #"{"recommendations":[1]}"#, nil),
        ]
        for (kind, body, field) in refused {
            let answer = try await api.send(.post, "/v1/session/\(kind)", body, token: token)
            #expect(answer.status == 403)
            #expect(answer.field == field)
            #expect(try await serve(.post, "/v1/session/\(kind)", body, token).status == 201)
        }
        let open = APITester { $0.clientJournal = .all }
        let theirs = try await open.begin()
        #expect(try await open.send(.post, "/v1/session/recommendations", refused[3].1, token: theirs).status == 201)
        #expect(try await open.send(.post, "/v1/session/conversations", refused[0].1, token: theirs).status == 201)
        #expect(try await open.send(.post, "/v1/session/conversations", refused[1].1, token: theirs).status == 403)
    }

    @Test("finishes a turn once, and minds its place")
    func finish() async throws {
        let token = try await api.begin()
        let turn = try await api.send(
            .post, "/v1/session/conversations", #"{"input_text":"hi","expected_seq":0,"extra":{"a":1}}"#, token: token)
        #expect(turn.json["seq"] as? Int == 1)
        let path = "/v1/session/conversations/\(try #require(turn.json["id"] as? String))"
        let body = #"{"response_text":"hello","extra":{"b":2},"expected_seq":1}"#
        #expect(try await api.send(.patch, path, body, token: token).status == 403)
        let late = try await serve(.patch, path, #"{"response_text":"x","expected_seq":0}"#, token)
        #expect(late.status == 409)
        #expect(late.json["current_seq"] as? Int == 1)
        let finished = try await serve(.patch, path, body, token)
        #expect(finished.json["response_text"] as? String == "hello")
        #expect(finished.text.contains(#""extra":{"a":1,"b":2}"#))
        #expect(try await serve(.patch, path, body, token).code == "already_finished")
        let none = "/v1/session/conversations/00000000-0000-7000-8000-000000000000"
        #expect(try await serve(.patch, none, body, token).status == 404)
    }

    @Test("counts expected turns on through an array")
    func expected() async throws {
        let token = try await api.begin()
        func post(_ body: String) async throws -> Answered {
            try await api.send(.post, "/v1/session/conversations", body, token: token)
        }
        let both = #"[{"input_text":"a","expected_seq":0},{"input_text":"b","expected_seq":1}]"#
        #expect(try await post(both).status == 201)
        #expect(try await post(both).status == 409)
        let torn = #"[{"input_text":"a","expected_seq":2},{"input_text":"b","expected_seq":2}]"#
        #expect(try await post(torn).status == 422)
        #expect(try await post(#"[{"input_text":"a"},{"input_text":"b","expected_seq":3}]"#).status == 201)
    }

    @Test("writes a repeated call once")
    func idempotent() async throws {
        let token = try await api.begin()
        func post(_ text: String, key: String) async throws -> Answered {
            try await api.send(
                .post, "/v1/session/conversations", #"{"input_text":"\#(text)"}"#, token: token,
                headers: [Self.idempotency: key])
        }
        let first = try await post("a", key: "k")
        let again = try await post("a", key: "k")
        #expect(again.status == 201)
        #expect(again.text == first.text)
        let other = try await post("b", key: "k")
        #expect(other.status == 422)
        #expect(other.code == "idempotency_conflict")
        #expect(try await post("b", key: "k k").field == "Idempotency-Key")
        #expect(try await api.send(.get, "/v1/session/conversations", token: token).items.count == 1)
    }

    @Test("is searched by time and text")
    func search() async throws {
        let token = try await api.begin()
        for text in ["Kimchi", "Tofu"] {
            _ = try await api.send(
                .post, "/v1/session/conversations", #"{"input_text":"\#(text)"}"#, token: token)
            api.clock.advance(.seconds(60))
        }
        func count(_ query: String) async throws -> Int {
            try await api.send(.get, "/v1/session/conversations?" + query, token: token).items.count
        }
        #expect(try await count("q=kimchi") == 1)
        #expect(try await count("from=\((api.clock.now - .seconds(90)).text)") == 1)
        #expect(try await count("to=\((api.clock.now - .seconds(90)).text)") == 1)
        #expect(try await api.send(.get, "/v1/session/conversations?from=now", token: token).field == "from")
        #expect(try await api.send(.get, "/v1/session/feedback?q=a", token: token).field == "q")
    }

    @Test("is searched over all sessions by the service key alone")
    func searchOfAll() async throws {
        var tokens: [String] = []
        for text in ["Kimchi stew", "kimchi 김치", "Tofu"] {
            let token = try await api.begin()
            _ = try await api.send(
                .post, "/v1/session/conversations", #"{"input_text":"\#(text)"}"#, token: token)
            api.clock.advance(.seconds(60))
            tokens.append(token)
        }
        func ask(_ query: String, token: String? = APITester.key) async throws -> Answered {
            try await api.send(.get, "/v1/conversations" + query, token: token)
        }
        let both = try await ask("?q=KIMCHI")
        #expect(both.items.map { $0["input_text"] as? String } == ["kimchi 김치", "Kimchi stew"])
        #expect(Set(both.items.compactMap { $0["session_id"] as? String }).count == 2)
        let first = try await ask("?q=kimchi&limit=1")
        let next = try #require(first.json["next"] as? String)
        let second = try await ask("?q=kimchi&limit=1&cursor=\(next)")
        #expect(second.items.map { $0["input_text"] as? String } == ["Kimchi stew"])
        #expect(second.json["next"] is NSNull)
        #expect(try await ask("?q=kimchi&from=\((api.clock.now - .seconds(130)).text)").items.count == 1)
        #expect(try await ask("?q=kimchi&to=\((api.clock.now - .seconds(130)).text)").items.count == 1)
        // The last is two characters in five, decomposed.
        for query in ["", "?q=", "?q=ki", "?q=%EA%B9%80%EC%B9%98", "?q=%E1%84%80%E1%85%B5%E1%86%B7%E1%84%8E%E1%85%B5"] {
            let answer = try await ask(query)
            #expect(answer.status == 422, "\(query)")
            #expect(answer.field == "q", "\(query)")
        }
        #expect(try await ask("?q=kimchi", token: nil).status == 401)
        #expect(try await ask("?q=kimchi", token: tokens[0]).status == 403)
    }

    @Test(
        "names what is wrong in an entry",
        arguments: [
            ("[]", "body"), ("1", "body"), ("{}", "input_text"), (#"[{"input_text":"a"},{}]"#, "[1].input_text"),
            (#"{"input_text":"a","extra":1}"#, "extra"), (#"[{"input_text":"a","x":1}]"#, "[0].x"),
        ])
    func wrong(body: String, field: String) async throws {
        let answer = try await api.send(
            .post, "/v1/session/conversations", body, token: try await api.begin())
        #expect(answer.status == 422)
        #expect(answer.field == field)
    }

    @Test("an entry is read by its id, in its own session")
    func byID() async throws {
        let token = try await api.begin()
        let written = try await api.send(
            .post, "/v1/session/interactions", #"{"interaction_type":"click"}"#, token: token)
        let id = try #require(written.json["id"] as? String)
        let read = try await api.send(.get, "/v1/journal/\(id)", token: token)
        #expect(read.status == 200 && read.json["kind"] as? String == "interactions")
        #expect((read.json["entry"] as? [String: Any])?["id"] as? String == id)
        let other = try await api.send(.get, "/v1/journal/\(id)", token: try await api.begin())
        #expect(other.status == 404 && other.json["code"] as? String == "no_entry")
        #expect(try await api.send(.get, "/v1/journal/nonsense", token: token).status == 422)
        #expect(try await api.send(.get, "/v1/journal/\(id)").status == 401)
        #expect(try await api.send(.get, "/v1/journal/\(id)", token: APITester.key).status == 200)
        #expect(
            try await api.send(
                .get, "/v1/journal/\(id)", token: APITester.key, headers: [Self.visitor: try await api.begin()]
            ).status == 404)
    }

    @Test("with a queue entries are kept, with an address where they will be, but for those that want an answer now")
    func queue() async throws {
        struct Log: JournalLog {
            func keep(_ entries: QueuedEntries) async throws {}
        }
        let api = APITester(journalQueue: JournalQueue(Log()))
        let token = try await api.begin()
        let path = "/v1/session/conversations"
        let one = try await api.send(.post, path, #"{"input_text":"a"}"#, token: token)
        #expect(one.status == 202 && Set(one.json.keys) == ["id", "session_id", "kind", "at"])
        let id = try #require(one.json["id"] as? String)
        #expect(one.headers[.location] == "/v1/journal/\(id)")
        #expect(try await api.send(.get, "/v1/journal/\(id)", token: token).status == 404)
        let two = try await api.send(.post, path, #"[{"input_text":"a"},{"input_text":"b"}]"#, token: token)
        #expect(two.status == 202 && two.items.count == 2 && two.headers[.location] == nil)
        let keyed = try await api.send(
            .post, path, #"{"input_text":"a"}"#, token: token, headers: [Self.idempotency: "k"])
        #expect(keyed.status == 201 && keyed.json["seq"] as? Int == 1)
        let expecting = try await api.send(.post, path, #"{"input_text":"a","expected_seq":1}"#, token: token)
        #expect(expecting.status == 201)
        #expect(try await api.send(.post, path, #"{"input_text":1}"#, token: token).status == 422)
    }
}
