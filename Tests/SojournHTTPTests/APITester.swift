// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Logging
import NIOCore
import Sojourn
import SojournHTTP
import Synchronization

/// The API over an in-memory store, in process: what the tests of this module talk to.
struct APITester: Sendable {
    /// A service key in force.
    static let key = "sjk_0123456789abcdefghijklmnopqrstuvwxyz"

    /// The time that the store sees, and the cookies' age with it.
    let clock = ManualClock()
    /// The façade under the routes.
    let sessions: Sessions
    private let application: Application<RouterResponder<SojournContext>>

    /// An API; `configure` changes the configuration before it is used.
    init(
        store: (any SessionStore)? = nil, policies: SessionPolicies = SessionPolicies(),
        journalQueue: JournalQueue? = nil,
        logger: Logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
        configure: (inout HTTPConfiguration) -> Void = { _ in }
    ) {
        sessions = Sessions(
            store: store ?? MemoryStore(clock: clock), policies: policies, journalQueue: journalQueue,
            clock: clock)
        var configuration = HTTPConfiguration()
        configuration.serviceKeys = [ServiceKey(Self.key)].compactMap { $0 }
        configuration.clock = clock
        configuration.createsPerMinute = 0
        configuration.logger = logger
        configure(&configuration)
        let api = SojournAPI(sessions: sessions, configuration: configuration)
        application = Application(router: api.makeRouter(), logger: logger)
    }

    /// Sends a request and returns the answer.
    func send(
        _ method: HTTPRequest.Method, _ path: String, _ body: String? = nil, token: String? = nil,
        headers: HTTPFields = HTTPFields()
    ) async throws -> Answered {
        var headers = headers
        if let token { headers[.authorization] = "Bearer \(token)" }
        if body != nil, headers[.contentType] == nil { headers[.contentType] = "application/json" }
        let all = headers
        return try await application.test(.router) { client in
            let response = try await client.execute(
                uri: path, method: method, headers: all, body: body.map { ByteBuffer(string: $0) })
            return Answered(response)
        }
    }

    /// Begins a session and returns its token.
    func begin(_ body: String = "{}") async throws -> String {
        let made = try await send(.post, "/v1/sessions", body, token: body == "{}" ? nil : Self.key)
        return made.json["token"] as? String ?? ""
    }
}

/// An answer, with its body read.
struct Answered: Sendable {
    let status: Int
    let headers: HTTPFields
    let text: String

    init(_ response: TestResponse) {
        status = response.status.code
        headers = response.headers
        text = String(buffer: response.body)
    }

    /// The body as an object; empty where it is none.
    var json: [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: Any] ?? [:]
    }

    /// A problem's code.
    var code: String? { json["code"] as? String }
    /// A problem's field.
    var field: String? { json["field"] as? String }
    /// A page's elements.
    var items: [[String: Any]] { json["items"] as? [[String: Any]] ?? [] }
    /// The value of the cookie that was set; nil for none.
    var cookie: String? {
        headers[.setCookie].flatMap { $0.split(separator: ";").first?.split(separator: "=").last.map(String.init) }
    }
}

/// A time of day that stands still until a test moves it.
final class ManualClock: WallClock {
    private let time = Mutex(Timestamp(seconds: 1_800_000_000))

    var now: Timestamp { time.withLock { $0 } }

    /// Moves the time on.
    func advance(_ duration: Duration) {
        time.withLock { $0 = $0 + duration }
    }
}
