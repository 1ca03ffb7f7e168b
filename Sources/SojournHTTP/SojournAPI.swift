// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
public import Hummingbird
public import NIOCore
public import Sojourn

/// Sojourn's HTTP API, version 1: the routes of `design.md` on a Hummingbird router.
///
/// ```swift
/// let api = SojournAPI(sessions: sessions, configuration: HTTPConfiguration())
/// let app = Application(router: api.makeRouter())
/// try await app.runService()
/// ```
///
/// Set up logging, metrics and tracing before: their handles are taken here, once.
public final class SojournAPI: Sendable {
    /// The façade that every route asks.
    let sessions: Sessions
    /// What the API was told.
    let configuration: HTTPConfiguration
    /// Every route, in the order of the contract.
    let endpoints: [Endpoint]
    /// Who may come in.
    let gate: Gate
    /// The visitor's cookie.
    let cookie: SessionCookie
    /// How often one client may create a session.
    let creations: ClientLimiter
    /// The OpenAPI document (3.1) of these routes, as JSON.
    public let openAPIDocument: ByteBuffer
    private let front: Front
    private let clientAddress: ClientAddress

    /// The API over a façade.
    public init(sessions: Sessions, configuration: HTTPConfiguration = HTTPConfiguration()) {
        self.sessions = sessions
        self.configuration = configuration
        endpoints = Self.endpoints
        gate = Gate(configuration)
        cookie = SessionCookie(isSecure: configuration.cookiesAreSecure)
        creations = ClientLimiter(perMinute: configuration.createsPerMinute)
        openAPIDocument = OpenAPIDocument(endpoints: endpoints, cookie: cookie).buffer
        front = Front(configuration)
        clientAddress = ClientAddress(trusted: configuration.trustedProxies)
    }

    /// Every route that there is.
    static let endpoints: [Endpoint] =
        sessionEndpoints + verifyEndpoints + sessionsEndpoints + batchEndpoints + itemsEndpoints + journalEndpoints
        + usersEndpoints + retailEndpoints + adminEndpoints + cacheEndpoints + partitionsEndpoints + pipelineEndpoints
        + healthEndpoints

    /// A router with all routes. Routes of your own may be added to it.
    public func makeRouter() -> Router<SojournContext> {
        let router = Router(context: SojournContext.self)
        for endpoint in endpoints {
            register(endpoint, at: endpoint.path, on: router)
            if endpoint.answersBelow { register(endpoint, at: endpoint.path + "/**", on: router) }
        }
        router.add(
            middleware: Unrouted(front: front, endpoints: endpoints, allowedOrigins: configuration.allowedOrigins))
        return router
    }

    private func register(_ endpoint: Endpoint, at path: String, on router: Router<SojournContext>) {
        for method in endpoint.method == .get ? [.get, .head] : [endpoint.method] {
            let meter = RouteMeter(route: endpoint.path, method: method.rawValue)
            router.on(RouterPath(path), method: method) { [self] request, context in
                try await front.answer(request, context: context, meter: meter, access: endpoint.access) {
                    try await answer(request, context: context, endpoint: endpoint)
                }
            }
        }
    }

    /// Finds out what a request means, and hands it to the endpoint.
    private func answer(_ request: Request, context: SojournContext, endpoint: Endpoint) async throws -> Response {
        // The router takes `//` for `/`: an empty name in a path would make it another path.
        guard !endpoint.takesName || !request.uri.path.contains("//") else {
            throw Problem.notFound("There is nothing at this address.")
        }
        let caller = try gate.admit(request, to: endpoint.access, at: configuration.uptime()) {
            client(of: request, context)
        }
        guard sessions.capabilities.isSuperset(of: endpoint.capability) else {
            throw Problem.notAvailable("The store in use does not do this.")
        }
        let query =
            try request.uri.query.map { try Query($0, known: endpoint.answersBelow ? nil : endpoint.parameters) }
            ?? .empty
        return try await endpoint.handler(
            Call(request: request, context: context, endpoint: endpoint, api: self, caller: caller, query: query))
    }

    /// The client's address, behind trusted proxies.
    func client(of request: Request, _ context: SojournContext) -> IPAddress? {
        clientAddress.resolve(peer: context.peer, headers: request.headers)
    }
}
