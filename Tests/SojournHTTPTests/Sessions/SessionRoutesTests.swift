// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import Sojourn
import Testing

@testable import SojournHTTP

/// A visitor's own session, by its token.
@Suite("A visitor's session over HTTP") struct SessionRoutesTests {
    let api = APITester()

    @Test("is created, validated, extended, rotated and ended")
    func life() async throws {
        let made = try await api.send(.post, "/v1/sessions", #"{"type":"web","metadata":{"locale":"ko-KR"}}"#)
        #expect(made.status == 201)
        let token = try #require(made.json["token"] as? String)
        #expect(made.cookie == token)
        #expect(made.headers[.cacheControl] == "no-store")
        #expect(made.headers[.vary] == "Cookie")

        let seen = try await api.send(.get, "/v1/session", token: token)
        #expect(seen.status == 200)
        #expect(seen.json["request_count"] as? Int == 1)
        #expect((seen.json["metadata"] as? [String: String]) == ["locale": "ko-KR"])
        #expect(seen.json["token"] == nil)
        #expect(seen.headers[.eTag] == "\"1\"")
        #expect(seen.headers[.age] == "0")
        #expect(seen.headers[HTTPField.Name.sojournSource] == "database")

        api.clock.advance(.hours(1))
        let extended = try await api.send(.post, "/v1/session/extend", token: token)
        #expect(extended.status == 200)
        #expect(extended.json["expires_at"] as? String == (api.clock.now + .hours(24)).text)

        let rotated = try await api.send(.post, "/v1/session/rotate", token: token)
        let successor = try #require(rotated.json["token"] as? String)
        #expect(successor != token)
        #expect(try await api.send(.post, "/v1/session/rotate", token: token).json["token"] as? String == successor)

        #expect(try await api.send(.delete, "/v1/session", token: successor).status == 204)
        let gone = try await api.send(.get, "/v1/session", token: successor)
        #expect(gone.status == 401)
        #expect(gone.code == "no_session")
        #expect(gone.headers[.wwwAuthenticate] == "Bearer")
        #expect(gone.headers[.contentType] == "application/problem+json")
    }

    @Test("has exactly the members of the contract")
    func shape() async throws {
        let seen = try await api.send(.get, "/v1/session?include=items", token: try await api.begin())
        #expect(
            Set(seen.json.keys) == [
                "session_id", "user_id", "type", "metadata", "claims", "version", "created_at", "last_activity",
                "expires_at", "absolute_expires_at", "request_count", "ip_address", "user_agent", "items",
            ])
    }

    @Test(
        "is refused to every text that is no token of ours (law 2)",
        arguments: ["", " ", "x", String(repeating: "A", count: 43), String(repeating: "é", count: 43), "🍜", "sjk"])
    func garbage(token: String) async throws {
        let answer = try await api.send(.get, "/v1/session", token: token)
        #expect(answer.status == 401)
        #expect(try await api.sessions.statistics().total == 0)
    }

    @Test("changes its metadata by merge patch, against lost updates")
    func metadata() async throws {
        let token = try await api.begin()
        func patch(_ body: String, _ headers: HTTPFields) async throws -> Answered {
            try await api.send(.patch, "/v1/session/metadata", body, token: token, headers: headers)
        }
        #expect(try await patch(#"{"a":1}"#, [:]).status == 428)
        #expect(try await patch(#"{"a":1}"#, [.ifMatch: "\"1\""]).headers[.eTag] == "\"2\"")
        let stale = try await patch(#"{"a":2}"#, [.ifMatch: "\"1\""])
        #expect(stale.status == 412)
        #expect(stale.json["version"] as? Int == 2)
        #expect(try await patch(#"{"a":2}"#, [.ifMatch: "x"]).field == "If-Match")
        let merged = try await patch(
            #"{"a":null,"b":{"c":true}}"#, [.ifMatch: "*", .contentType: "application/merge-patch+json"])
        #expect(merged.text.contains(#""metadata":{"b":{"c":true}}"#))
    }

    @Test("lists and ends the user's other sessions")
    func others() async throws {
        let own = try await api.begin(#"{"user_id":"anna"}"#)
        let other = try await api.begin(#"{"user_id":"anna"}"#)
        let listed = try await api.send(.get, "/v1/session/others", token: own)
        #expect(listed.items.count == 1)
        #expect(listed.items.first?["token"] == nil)
        #expect(try await api.send(.post, "/v1/session/end-others", token: own).json["ended"] as? Int == 1)
        #expect(try await api.send(.get, "/v1/session", token: other).status == 401)
        #expect(try await api.send(.get, "/v1/session", token: own).status == 200)
    }

    @Test("tells proxies who it is, by any method and below the path")
    func verify() async throws {
        let token = try await api.begin(#"{"user_id":"김 anna"}"#)
        let methods: [HTTPRequest.Method] = [.get, .head, .post, .put, .patch, .delete, .options]
        for method in methods {
            let answer = try await api.send(method, "/v1/session/verify", token: token)
            #expect(answer.status == 204)
            #expect(answer.headers[HTTPField.Name.xSessionUser] == "%EA%B9%80%20anna")
            #expect(answer.headers[HTTPField.Name.xSessionID]?.count == 36)
        }
        #expect(try await api.send(.get, "/v1/session/verify/any/page?x=1", token: token).status == 204)
        #expect(try await api.send(.get, "/v1/session/verify").status == 401)
        let counted = try await api.send(.get, "/v1/session", token: token)
        #expect(counted.json["request_count"] as? Int == methods.count + 2)
    }

    @Test(
        "takes a freshness, and refuses what is none", arguments: [("within=2", 200), ("soon", 422), ("within=", 422)])
    func freshness(text: String, status: Int) async throws {
        let answer = try await api.send(
            .get, "/v1/session", token: try await api.begin(), headers: [HTTPField.Name.sojournFreshness: text])
        #expect(answer.status == status)
    }
}
