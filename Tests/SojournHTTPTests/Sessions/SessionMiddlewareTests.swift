// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Hummingbird
import HummingbirdTesting
import Sojourn
import SojournHTTP
import Testing

/// The middleware in somebody else's application.
@Suite("The session middleware") struct SessionMiddlewareTests {
    private struct Context: SessionRequestContext {
        var coreContext: CoreRequestContextStorage
        var session: Validation?

        init(source: ApplicationRequestContextSource) {
            coreContext = CoreRequestContextStorage(source: source)
        }
    }

    /// What an application answers under a middleware.
    private func answer(
        _ sessions: Sessions, isRequired: Bool, method: HTTPRequest.Method = .get, _ headers: HTTPFields
    ) async throws -> (Int, String) {
        let router = Router(context: Context.self)
        router.add(middleware: SessionMiddleware(sessions: sessions, isRequired: isRequired))
        router.on("me", method: method) { _, context in context.session?.session.id.description ?? "nobody" }
        return try await Application(router: router).test(.router) { client in
            let response = try await client.execute(uri: "/me", method: method, headers: headers)
            return (response.status.code, String(buffer: response.body))
        }
    }

    @Test("puts the session into the context, by token and by cookie")
    func session() async throws {
        let sessions = Sessions(store: MemoryStore())
        let issued = try await sessions.create()
        let token = issued.token.text
        let id = issued.session.id.description
        for headers: HTTPFields in [[.authorization: "bearer \(token)"], [.cookie: "__Host-session=\(token)"]] {
            #expect(try await answer(sessions, isRequired: true, headers) == (200, id))
        }
        #expect(try await answer(sessions, isRequired: false, [.cookie: "session=\(token)"]).1 == "nobody")
        let post = try await answer(
            sessions, isRequired: true, method: .post, [.cookie: "__Host-session=\(token)"])
        #expect(post.0 == 403)
        #expect(try await sessions.get(.trusted(issued.session.id, as: .cli))?.session.requestCount == 2)
    }

    @Test("lets strangers pass or not, as asked")
    func strangers() async throws {
        let sessions = Sessions(store: MemoryStore())
        for headers: HTTPFields in [[:], [.authorization: "Bearer x"]] {
            #expect(try await answer(sessions, isRequired: false, headers) == (200, "nobody"))
            #expect(try await answer(sessions, isRequired: true, headers).0 == 401)
        }
    }

    @Test("takes nobody for logged out while the store cannot answer (law 11)")
    func down() async throws {
        let token = try await Sessions(store: MemoryStore()).create().token.text
        let broken = Sessions(store: BrokenStore(code: .storeUnavailable))
        #expect(try await answer(broken, isRequired: false, [.authorization: "Bearer \(token)"]).0 == 503)
    }
}
