// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Logging
import Sojourn
import Synchronization
import Testing

@testable import SojournHTTP

/// What every answer has, and what is answered where no route is.
@Suite("Every request") struct FrontTests {
    private static let requestID = HTTPField.Name.xRequestID

    @Test("wrong methods, unknown paths, HEAD and OPTIONS are answered as HTTP says")
    func methods() async throws {
        let api = APITester()
        let wrong = try await api.send(.put, "/v1/session")
        #expect(wrong.status == 405)
        #expect(wrong.headers[.allow] == "GET, DELETE, HEAD, OPTIONS")
        #expect(wrong.code == "method_not_allowed")
        #expect(try await api.send(.trace, "/v1/sessions/x").status == 405)
        for path in ["/", "/v1", "/v1/sessions/a/b", "/v2/session", "/v1/users//sessions"] {
            let unknown = try await api.send(.get, path, token: APITester.key)
            #expect(unknown.status == 404)
            #expect(unknown.code == "not_found")
        }
        let options = try await api.send(.options, "/v1/sessions")
        #expect(options.status == 204)
        #expect(options.headers[.allow] == "POST, OPTIONS")
        let get = try await api.send(.get, "/healthz")
        let head = try await api.send(.head, "/healthz")
        #expect(head.status == 200)
        #expect(head.text.isEmpty)
        #expect(head.headers[.contentLength] == get.headers[.contentLength])
    }

    @Test("an empty name in a path is no way to another route")
    func emptyName() async throws {
        let api = APITester()
        let token = try await api.begin(#"{"user_id":"sessions"}"#)
        #expect(try await api.send(.delete, "/v1/users//sessions", token: APITester.key).status == 404)
        #expect(try await api.send(.get, "/v1/session", token: token).status == 200)
    }

    @Test("only allowed origins pass a preflight, and may read answers")
    func cors() async throws {
        let api = APITester {
            $0.allowedOrigins = Set([WebOrigin("https://app.example")].compactMap { $0 })
        }
        for (origin, isAllowed) in [("https://app.example", true), ("https://evil.example", false)] {
            let preflight = try await api.send(
                .options, "/v1/session", headers: [.origin: origin, .accessControlRequestMethod: "DELETE"])
            #expect(preflight.status == 204)
            #expect((preflight.headers[.accessControlAllowOrigin] == origin) == isAllowed)
            #expect((preflight.headers[.accessControlAllowMethods] != nil) == isAllowed)
            let answer = try await api.send(.get, "/v1/session", headers: [.origin: origin])
            #expect((answer.headers[.accessControlAllowCredentials] == "true") == isAllowed)
            #expect(answer.headers[.vary] == "Origin")
        }
    }

    @Test("a request keeps the name that it came with, if that is sane")
    func names() async throws {
        let api = APITester()
        let kept = try await api.send(.get, "/nowhere", headers: [Self.requestID: "abc-1"])
        #expect(kept.headers[Self.requestID] == "abc-1")
        #expect(kept.json["request_id"] as? String == "abc-1")
        for given in ["", "a b", String(repeating: "x", count: 129)] {
            let made = try await api.send(.get, "/healthz", headers: [Self.requestID: given])
            #expect(made.headers[Self.requestID]?.count == 16)
        }
    }

    @Test("bodies must be JSON, small enough, and of the right type")
    func bodies() async throws {
        let api = APITester { $0.bodyBytesMax = 100 }
        let large = try await api.send(.post, "/v1/sessions", #"{"a":"\#(String(repeating: "x", count: 100))"}"#)
        #expect(large.status == 413)
        #expect(large.json["limit"] as? Int == 100)
        let form = try await api.send(.post, "/v1/sessions", "a=b", headers: [.contentType: "text/plain"])
        #expect(form.status == 415)
        let charset = try await api.send(
            .post, "/v1/sessions", "{}", headers: [.contentType: "Application/JSON; charset=utf-8"])
        #expect(charset.status == 201)
    }

    @Test("unknown and repeated query parameters are refused by name")
    func queries() async throws {
        let api = APITester()
        #expect(try await api.send(.get, "/v1/items?prefx=a").field == "prefx")
        #expect(try await api.send(.get, "/v1/items?limit=1&limit=2").field == "limit")
        for limit in ["0", "501", "-1", "+5", "x", ""] {
            #expect(try await api.send(.get, "/v1/items?limit=\(limit)").status == 422)
        }
        #expect(try await api.send(.get, "/v1/items?cursor=%21").field == "cursor")
    }

    @Test(
        "a store that cannot answer is never logged out (law 11), and tells nothing of why",
        arguments: [
            (SojournError.Code.storeUnavailable, 503, "store_unavailable"), (.storeFull, 503, "store_full"),
            (.storeDamaged, 503, "store_damaged"), (.duplicateID, 500, "unexpected"),
        ])
    func failures(code: SojournError.Code, status: Int, name: String) async throws {
        let log = LogCapture()
        let api = APITester(store: BrokenStore(code: code), logger: log.logger)
        let token = try await APITester().begin()
        let answer = try await api.send(.get, "/v1/session", token: token)
        #expect(answer.status == status)
        #expect(answer.code == name)
        #expect((answer.headers[.retryAfter] != nil) == (status == 503))
        #expect(!answer.text.contains("/var/lib"))
        #expect(log.text.contains(answer.json["request_id"] as? String ?? "?"))
        #expect(!log.text.contains(token))
        #expect(try await api.send(.get, "/readyz").status == status)
        #expect(try await api.send(.get, "/healthz").status == 200)
    }

    @Test("the log has every request and no token (law 10)")
    func log() async throws {
        let log = LogCapture()
        let api = APITester(logger: log.logger) { $0.accessLog = .all }
        let token = try await api.begin()
        _ = try await api.send(.get, "/v1/session?include=items", token: token)
        _ = try await api.send(.get, "/v1/session/\(token)", token: APITester.key)
        #expect(log.text.contains("/v1/session"))
        #expect(log.text.contains("unmatched"))
        #expect(!log.text.contains(token))
        #expect(!log.text.contains(APITester.key))
    }

    @Test("what the store cannot do is not available")
    func capabilities() async throws {
        let log = LogCapture()
        let api = APITester(store: BrokenStore(code: .storeUnavailable), logger: log.logger)
        let answer = try await api.send(.get, "/v1/items")
        #expect(answer.status == 501)
        #expect(log.text.contains("info request") && !log.text.contains("error "), "nothing failed: \(log.text)")
        #expect(answer.code == "not_available_on_this_store")
        #expect(try await api.send(.get, "/metrics", token: APITester.key).status == 501)
        let measured = APITester { $0.metricsText = { "up 1\n" } }
        #expect(try await measured.send(.get, "/metrics", token: APITester.key).text == "up 1\n")
    }

    @Test("one client creates so many sessions a minute, a service key as many as it likes")
    func creations() async throws {
        // On a busy machine four calls may take long enough for another to be free.
        let now = ContinuousClock.now
        let api = APITester {
            $0.createsPerMinute = 3
            $0.uptime = { now }
        }
        for _ in 0..<3 { #expect(try await api.send(.post, "/v1/sessions").status == 201) }
        let limited = try await api.send(.post, "/v1/sessions")
        #expect(limited.status == 429)
        #expect(limited.code == "rate_limited")
        #expect(Int(limited.headers[.retryAfter] ?? "") ?? 0 >= 1)
        #expect(try await api.send(.post, "/v1/sessions", token: APITester.key).status == 201)
    }
}

/// Keeps what is logged.
final class LogCapture: Sendable {
    private let lines = Mutex("")

    /// All lines.
    var text: String { lines.withLock { $0 } }
    /// A logger of every level that writes here.
    var logger: Logger {
        var logger = Logger(label: "test") { _ in Handler(capture: self) }
        logger.logLevel = .trace
        return logger
    }

    private struct Handler: LogHandler {
        let capture: LogCapture
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            capture.lines.withLock {
                $0 += "\(event.level) \(event.message) \(metadata) \(event.metadata ?? [:])\n"
            }
        }
    }
}
