// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import Sojourn
import Testing

/// Any session, by service key.
@Suite("Sessions by service key over HTTP") struct SessionsRoutesTests {
    let api = APITester()

    /// A session's id.
    private func id(of token: String) async throws -> String {
        try await api.send(.get, "/v1/session", token: token).json["session_id"] as? String ?? ""
    }

    @Test("are created with all that a service key may give")
    func create() async throws {
        let made = try await api.send(
            .post, "/v1/sessions",
            #"{"type":"api","user_id":"anna","claims":{"role":"cook"},"ttl_seconds":60,"ip_address":"2001:DB8:0::1","user_agent":"curl","metadata":null}"#,
            token: APITester.key)
        #expect(made.status == 201)
        #expect(made.json["user_id"] as? String == "anna")
        #expect(made.json["ip_address"] as? String == "2001:db8::1")
        #expect(made.json["expires_at"] as? String == (api.clock.now + .seconds(60)).text)
    }

    @Test(
        "give a visitor no more than is a visitor's",
        arguments: [
            (#"{"type":"api"}"#, "type"), (#"{"user_id":"anna"}"#, "user_id"), (#"{"claims":{"a":1}}"#, "claims"),
            (#"{"ttl_seconds":5}"#, "ttl_seconds"), (#"{"ip_address":"10.0.0.1"}"#, "ip_address"),
            (#"{"user_agent":"x"}"#, "user_agent"),
        ])
    func visitor(body: String, field: String) async throws {
        let answer = try await api.send(.post, "/v1/sessions", body)
        #expect(answer.status == 403)
        #expect(answer.field == field)
    }

    @Test(
        "name what is wrong in a body",
        arguments: [
            ("{", 400, nil), ("", 201, nil), ("[]", 422, "body"), (#"{"type":"moon"}"#, 422, "type"),
            (#"{"type":1}"#, 422, "type"), (#"{"metadata":[]}"#, 422, "metadata"), (#"{"colour":1}"#, 422, "colour"),
            (#"{"user_id":""}"#, 422, "user_id"), (#"{"ttl_seconds":0}"#, 422, "ttl_seconds"),
            (#"{"ttl_seconds":1.5}"#, 422, "ttl_seconds"), (#"{"ip_address":"home"}"#, 422, "ip_address"),
            (#"{"metadata":{"a":"\#(String(repeating: "x", count: 17000))"}}"#, 422, "metadata"),
        ])
    func wrong(body: String, status: Int, field: String?) async throws {
        let answer = try await api.send(.post, "/v1/sessions", body, token: APITester.key)
        #expect(answer.status == status)
        #expect(answer.field == field)
    }

    @Test("are read without being touched, changed, ended and deleted")
    func life() async throws {
        let token = try await api.begin()
        let path = "/v1/sessions/\(try await id(of: token))"
        let read = try await api.send(.get, path, token: APITester.key)
        #expect(read.json["status"] as? String == "active")
        #expect(read.json["request_count"] as? Int == 1)
        let claimed = try await api.send(
            .patch, path + "/claims", #"{"plan":"gold"}"#, token: APITester.key, headers: [.ifMatch: "\"1\""])
        #expect((claimed.json["claims"] as? [String: String]) == ["plan": "gold"])
        #expect(try await api.send(.post, path + "/end", token: APITester.key).json["ended"] as? Bool == true)
        #expect(try await api.send(.post, path + "/end", token: APITester.key).json["ended"] as? Bool == false)
        let ended = try await api.send(.get, path, token: APITester.key)
        #expect(ended.json["end_reason"] as? String == "ended")
        let events = try await api.send(.get, path + "/events", token: APITester.key)
        #expect(events.items.map { $0["kind"] as? String } == ["ended", "created"])
        #expect(try await api.send(.delete, path, token: APITester.key).status == 204)
        for method in [HTTPRequest.Method.get, .delete] {
            #expect(try await api.send(method, path, token: APITester.key).status == 404)
        }
        #expect(try await api.send(.post, path + "/end", token: APITester.key).status == 404)
    }

    @Test("are bound to a user, which kills the old token at once")
    func bind() async throws {
        let token = try await api.begin()
        let path = "/v1/sessions/\(try await id(of: token))"
        let bound = try await api.send(.put, path + "/user", #"{"user_id":"anna"}"#, token: APITester.key)
        #expect(bound.status == 200)
        #expect(bound.headers[.setCookie] == nil)
        #expect(try await api.send(.get, "/v1/session", token: token).status == 401)
        let mine = try #require(bound.json["token"] as? String)
        #expect(try await api.send(.get, "/v1/session", token: mine).json["user_id"] as? String == "anna")
        let taken = try await api.send(.put, path + "/user", #"{"user_id":"ben"}"#, token: APITester.key)
        #expect(taken.status == 409)
        #expect(taken.code == "user_conflict")
        #expect(try await api.send(.post, path + "/token", token: APITester.key).code == "secret_exists")
    }

    @Test("are created, read and ended in batches, each on its own")
    func batch() async throws {
        let big = String(repeating: "x", count: 17000)
        let made = try await api.send(
            .post, "/v1/sessions/batch/create", #"{"sessions":[{},{"metadata":{"a":"\#(big)"}},{"type":"api"}]}"#,
            token: APITester.key)
        let results = try #require(made.json["results"] as? [[String: Any]])
        #expect(results.map { $0["session"] is NSNull } == [false, true, false])
        #expect((results[1]["error"] as? [String: Any])?["field"] as? String == "metadata")
        let id = try #require((results[0]["session"] as? [String: Any])?["session_id"] as? String)
        let ids = #"{"ids":["\#(id)","00000000-0000-7000-8000-000000000000"]}"#
        let got = try await api.send(.post, "/v1/sessions/batch/get", ids, token: APITester.key)
        #expect((got.json["results"] as? [[String: Any]])?.map { $0["session"] is NSNull } == [false, true])
        let ended = try await api.send(.post, "/v1/sessions/batch/end", ids, token: APITester.key)
        #expect((ended.json["results"] as? [[String: Any]])?.map { $0["ended"] as? Bool } == [true, false])
        let bad = try await api.send(.post, "/v1/sessions/batch/end", #"{"ids":["x"]}"#, token: APITester.key)
        #expect(bad.field == "ids[0]")
    }

    @Test("are exported as JSON Lines")
    func export() async throws {
        let token = try await api.begin(#"{"user_id":"anna"}"#)
        _ = try await api.send(.put, "/v1/items", #"[{"id":1,"name":"Kimchi"}]"#, token: APITester.key)
        _ = try await api.send(.post, "/v1/session/items", #"{"ids":[1]}"#, token: token)
        _ = try await api.send(.post, "/v1/session/conversations", #"{"input_text":"hi"}"#, token: token)
        for path in ["/v1/sessions/\(try await id(of: token))/export", "/v1/users/anna/export"] {
            let answer = try await api.send(.get, path, token: APITester.key)
            #expect(answer.headers[.contentType] == "application/x-ndjson")
            let kinds = answer.text.split(separator: "\n").map {
                ((try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any])?["kind"] as? String
            }
            #expect(kinds == ["session", "item", "entry"])
        }
    }

    @Test(
        "are a service key's alone",
        arguments: ["/v1/sessions/00000000-0000-7000-8000-000000000000", "/v1/users/anna/sessions", "/metrics"])
    func access(path: String) async throws {
        #expect(try await api.send(.get, path).status == 401)
        #expect(try await api.send(.get, path, token: try await api.begin()).status == 403)
        #expect(try await api.send(.get, path, token: "sjk_wrong_wrong_wrong_wrong_wrong_wrong").status == 401)
    }

    @Test("have ids that are UUIDs")
    func identifiers() async throws {
        let answer = try await api.send(.get, "/v1/sessions/42", token: APITester.key)
        #expect(answer.status == 422)
        #expect(answer.field == "id")
    }
}
