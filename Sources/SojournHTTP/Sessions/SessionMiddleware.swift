// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
public import Hummingbird
internal import Logging
public import Sojourn

/// A request context that knows the session its request came with.
public protocol SessionRequestContext: RequestContext {
    /// The session, validated; nil where the request brought none that is live.
    var session: Validation? { get set }
}

/// Validates the session of each request in a Hummingbird application of your own (O4).
///
/// The token is read as the API reads it: `Authorization: Bearer`, else the cookie. A cookie counts for methods other
/// than `GET` and `HEAD` only on requests from your own pages.
///
/// ```swift
/// struct Context: SessionRequestContext {
///     var coreContext: CoreRequestContextStorage
///     var session: Validation?
///     init(source: Source) { coreContext = .init(source: source) }
/// }
///
/// let router = Router(context: Context.self)
/// router.add(middleware: SessionMiddleware(sessions: sessions, isRequired: true))
/// router.get("me") { _, context in context.session?.session.userID?.text ?? "nobody" }
/// ```
public struct SessionMiddleware<Context: SessionRequestContext>: RouterMiddleware {
    private let sessions: Sessions
    private let gate: Gate
    private let isRequired: Bool

    /// A middleware over a façade.
    ///
    /// - Parameters:
    ///   - isRequired: answer 401 where there is no live session. By default such requests pass without one.
    ///   - cookiesAreSecure: whether the cookie is `__Host-session` (default) or, without TLS, plain `session`.
    ///   - allowedOrigins: whose pages, beside your own, may send the cookie with other methods than `GET` and `HEAD`.
    public init(
        sessions: Sessions, isRequired: Bool = false, cookiesAreSecure: Bool = true, allowedOrigins: Set<WebOrigin> = []
    ) {
        self.sessions = sessions
        self.isRequired = isRequired
        var configuration = HTTPConfiguration()
        configuration.servesTLS = cookiesAreSecure
        configuration.allowedOrigins = allowedOrigins
        gate = Gate(configuration)
    }

    public func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        var context = context
        do {
            context.session = try await validate(request)
            if isRequired, context.session == nil { throw Problem.noSession }
        } catch {
            let problem = Problem(error, access: .token)
            if problem.status.code >= 500 { context.logger.error("A session was not validated", error: error) }
            return problem.response(requestID: context.id)
        }
        return try await next(request, context)
    }

    /// The request's session; nil where it brought none that is live.
    ///
    /// - Throws: where the store cannot answer (law 11), and on a cookie from somebody else's page.
    private func validate(_ request: Request) async throws -> Validation? {
        let caller: Caller
        do {
            caller = try gate.admit(request, to: .token, at: .now, client: { nil })
        } catch let problem as Problem where problem.status == .unauthorized {
            return nil
        }
        guard let token = caller.token else { return nil }
        return try await sessions.validate(token)
    }
}
