// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird

/// Answers what no route takes: preflights (CORS), `OPTIONS`, the wrong method on a path that exists (405), the rest
/// (404). Stands last on the router, so that it sees only what fell through.
struct Unrouted: RouterMiddleware {
    typealias Context = SojournContext

    /// What every request passes.
    let front: Front
    /// Every route there is.
    let endpoints: [Endpoint]
    /// Whose pages may ask for more than a browser allows by itself.
    let allowedOrigins: Set<WebOrigin>
    private let meters: [HTTPRequest.Method: RouteMeter]
    private let otherMeter = RouteMeter(route: "unmatched", method: "OTHER")

    /// For an API with these endpoints.
    init(front: Front, endpoints: [Endpoint], allowedOrigins: Set<WebOrigin>) {
        self.front = front
        self.endpoints = endpoints
        self.allowedOrigins = allowedOrigins
        let methods: [HTTPRequest.Method] = [.get, .head, .post, .put, .patch, .delete, .options]
        meters = Dictionary(
            uniqueKeysWithValues: methods.map { ($0, RouteMeter(route: "unmatched", method: $0.rawValue)) })
    }

    func handle(
        _ request: Request, context: SojournContext, next: (Request, SojournContext) async throws -> Response
    ) async throws -> Response {
        do {
            return try await next(request, context)
        } catch let error as HTTPError where error.status == .notFound {
            let meter = meters[request.method] ?? otherMeter
            return try await front.answer(request, context: context, meter: meter, access: .anyone) {
                try answer(request)
            }
        }
    }

    private func answer(_ request: Request) throws -> Response {
        let allowed = methods(at: request.uri.path)
        guard !allowed.isEmpty else { throw Problem.notFound("There is nothing at this address.") }
        let allow = (allowed + [.options]).map(\.rawValue).joined(separator: ", ")
        guard request.method == .options else {
            throw Problem(
                status: .methodNotAllowed, code: "method_not_allowed", detail: "This address takes \(allow).",
                headers: [.allow: allow])
        }
        var response = Response(status: .noContent, headers: [.allow: allow])
        if isPreflight(request) {
            response.headers[.accessControlAllowMethods] = allow
            response.headers[.accessControlAllowHeaders] =
                "Authorization, Content-Type, Idempotency-Key, If-Match, Sojourn-Freshness, X-Request-Id"
            response.headers[.accessControlMaxAge] = "600"
        }
        return response
    }

    private func isPreflight(_ request: Request) -> Bool {
        request.headers.contains(.accessControlRequestMethod)
            && request.headers[.origin].flatMap { WebOrigin($0) }.map(allowedOrigins.contains) == true
    }

    /// The methods that a path takes, `HEAD` included; empty where there is no such path.
    private func methods(at path: String) -> [HTTPRequest.Method] {
        guard !path.contains("//") else { return [] }
        let parts = path.split(separator: "/")
        let found = endpoints.filter { endpoint in
            let template = endpoint.path.split(separator: "/")
            return template.count == parts.count
                && zip(template, parts).allSatisfy { $0.first == "{" || $0 == $1 }
        }
        .map(\.method)
        return found.contains(.get) && !found.contains(.head) ? found + [.head] : found
    }
}
