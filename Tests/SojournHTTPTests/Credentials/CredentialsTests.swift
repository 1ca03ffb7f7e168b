// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Sojourn
import Testing

@testable import SojournHTTP

/// Who may come in, and with what.
@Suite("Credentials") struct CredentialsTests {
    private static let site = HTTPField.Name.secFetchSite
    private static let visitor = HTTPField.Name.xSessionToken

    @Test("a cookie is as good as the bearer token, but never stands in for a wrong one")
    func cookie() async throws {
        let api = APITester()
        let token = try await api.begin()
        let cookie: HTTPFields = [.cookie: "a=b; session=\(token)"]
        #expect(try await api.send(.get, "/v1/session", headers: cookie).status == 200)
        #expect(try await api.send(.get, "/v1/session", token: "wrong", headers: cookie).status == 401)
        #expect(try await api.send(.get, "/v1/session", headers: [.cookie: "session="]).status == 401)
        var basic = cookie
        basic[.authorization] = "Basic YTpi"
        #expect(try await api.send(.get, "/v1/session", headers: basic).status == 200)
    }

    @Test(
        "a cookie changes things only from a page of ours",
        arguments: [
            ([:], 403), ([site: "same-origin"], 200), ([site: "none"], 200), ([site: "cross-site"], 403),
            ([site: "same-site"], 403), ([.origin: "https://app.example"], 200),
            ([.origin: "https://evil.example"], 403), ([site: "cross-site", .origin: "https://app.example"], 200),
            ([site: "cross-site", .origin: "https://localhost"], 403), ([.origin: "null"], 403),
        ] as [(HTTPFields, Int)])
    func crossSite(headers: HTTPFields, status: Int) async throws {
        let api = APITester {
            $0.allowedOrigins = Set([WebOrigin("https://app.example")].compactMap { $0 })
        }
        var headers = headers
        headers[.cookie] = "session=\(try await api.begin())"
        let answer = try await api.send(.post, "/v1/session/extend", headers: headers)
        #expect(answer.status == status)
        if status == 403 { #expect(answer.code == "cross_site") }
    }

    @Test("cookies are secure where the site is, live as long as the session, and go at logout")
    func attributes() async throws {
        let api = APITester { $0.publicOrigin = WebOrigin("https://sessions.example") }
        let made = try await api.send(.post, "/v1/sessions?deliver=cookie", "{}")
        #expect(made.json["token"] == nil)
        let value = try #require(made.cookie)
        #expect(
            made.headers[.setCookie]
                == "__Host-session=\(value); Max-Age=86400; Path=/; HttpOnly; Secure; SameSite=Lax")
        let headers: HTTPFields = [.cookie: "__Host-session=\(value)", Self.site: "same-origin"]
        api.clock.advance(.hours(2))
        let extended = try await api.send(.post, "/v1/session/extend", headers: headers)
        #expect(extended.headers[.setCookie]?.contains("Max-Age=86400") == true)
        #expect(try await api.send(.get, "/v1/session", headers: headers).headers[.setCookie] == nil)
        let gone = try await api.send(.delete, "/v1/session", headers: headers)
        #expect(gone.headers[.setCookie]?.hasPrefix("__Host-session=; Max-Age=0;") == true)
    }

    @Test("a cookie is renewed by the calls that renew the session")
    func renewal() async throws {
        let policy = SessionPolicy(renewal: .onAccess)
        let api = APITester(policies: SessionPolicies(standard: policy))
        let token = try await api.begin()
        let headers: HTTPFields = [.cookie: "session=\(token)", Self.site: "same-origin"]
        api.clock.advance(.hours(3))
        let renewed = try await api.send(.get, "/v1/session", headers: headers)
        #expect(renewed.headers[.setCookie]?.contains("Max-Age=86400") == true)
        api.clock.advance(.seconds(1))
        #expect(try await api.send(.get, "/v1/session", headers: headers).headers[.setCookie] == nil)
        #expect(try await api.send(.get, "/v1/session", token: token).headers[.setCookie] == nil)
    }

    @Test("an old cookie is never set again over its successor")
    func rotatedCookie() async throws {
        let api = APITester(policies: SessionPolicies(standard: SessionPolicy(renewal: .onAccess)))
        let token = try await api.begin()
        _ = try await api.send(.post, "/v1/session/rotate", token: token)
        api.clock.advance(.seconds(5))
        _ = try await api.sessions.validate(try #require(SessionToken(token)))
        let late = try await api.send(.get, "/v1/session", headers: [.cookie: "session=\(token)"])
        #expect(late.status == 200)
        #expect(late.headers[.setCookie] == nil)
    }

    @Test("a service key acts on the session that X-Session-Token names")
    func onBehalf() async throws {
        let api = APITester()
        let token = try await api.begin()
        #expect(try await api.send(.get, "/v1/session", token: APITester.key).status == 401)
        let seen = try await api.send(.get, "/v1/session", token: APITester.key, headers: [Self.visitor: token])
        #expect(seen.status == 200)
        let body = #"{"ttl_seconds":172800}"#
        #expect(try await api.send(.post, "/v1/session/extend", body, token: token).field == "ttl_seconds")
        let extended = try await api.send(
            .post, "/v1/session/extend", body, token: APITester.key, headers: [Self.visitor: token])
        #expect(extended.json["expires_at"] as? String == (api.clock.now + .hours(48)).text)
        #expect(try await api.send(.post, "/v1/session/rotate", #"{"grace_seconds":0}"#, token: token).status == 403)
    }

    @Test("ten wrong service keys a minute are refused, the eleventh has to wait")
    func wrongKeys() async throws {
        // On a busy machine eleven calls may take long enough for another to be free.
        let now = ContinuousClock.now
        let api = APITester { $0.uptime = { now } }
        let wrong = "sjk_" + String(repeating: "0", count: 40)
        for _ in 0..<10 { #expect(try await api.send(.get, "/metrics", token: wrong).status == 401) }
        let limited = try await api.send(.get, "/metrics", token: wrong)
        #expect(limited.status == 429)
        #expect(limited.headers[.retryAfter] != nil)
        #expect(try await api.send(.get, "/v1/admin/session-stats", token: APITester.key).status == 200)
    }

    @Test("a key shows itself nowhere")
    func redacted() throws {
        let key = try #require(ServiceKey(APITester.key))
        var dumped = ""
        dump(key, to: &dumped)
        #expect(!"\(key) \(String(reflecting: key)) \(dumped)".contains("0123456789"))
    }
}
