// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import Sojourn

/// Who may call an endpoint.
enum Access: Sendable, Hashable {
    /// Anyone; no credential is looked at.
    case anyone
    /// Anyone, and a service key gives more.
    case anyoneOrService
    /// The holder of a session's token, or a service key together with `X-Session-Token`.
    case token
    /// The holder of a session's token, or of a service key, who may name the session by `X-Session-Token` and need not.
    case tokenOrService
    /// The holder of a service key.
    case service

    /// Whether a session's token lets in.
    var takesToken: Bool { self == .token || self == .tokenOrService }
}

/// Who calls.
enum Caller: Sendable {
    /// Somebody without a credential.
    case anyone
    /// The holder of this token, whether or not it is good for anything: only the store knows.
    case visitor(SessionToken, byCookie: Bool)
    /// The holder of a service key, acting on the session of this token where one was named.
    case service(SessionToken?)

    /// Whether it is the holder of a service key.
    var isService: Bool {
        if case .service = self { return true }
        return false
    }

    /// The session's token; nil where none was shown.
    var token: SessionToken? {
        switch self {
        case .anyone: nil
        case .visitor(let token, _): token
        case .service(let token): token
        }
    }

    /// Whether the token came as a cookie.
    var cameByCookie: Bool {
        if case .visitor(_, byCookie: true) = self { return true }
        return false
    }
}

/// Finds out who calls (`design.md`, Credentials). Looks at no store.
struct Gate: Sendable {
    private let keys: [ServiceKey]
    private let cookie: SessionCookie
    private let crossSite: CrossSiteRule
    /// Ten wrong keys a minute per client. A right key passes all the same: keys are too long to be guessed, and
    /// whoever shares an address with the guesser must not be locked out.
    private let wrongKeys = ClientLimiter(perMinute: 10)

    /// The gate of a configuration.
    init(_ configuration: HTTPConfiguration) {
        keys = configuration.serviceKeys
        cookie = SessionCookie(isSecure: configuration.cookiesAreSecure)
        var origins = configuration.allowedOrigins
        if let own = configuration.publicOrigin { origins.insert(own) }
        crossSite = CrossSiteRule(allowed: origins)
    }

    /// Who sent a request to an endpoint with this access rule.
    ///
    /// - Parameters:
    ///   - now: for the limit on wrong keys.
    ///   - client: whose limit that is; only asked for where a key is wrong.
    /// - Throws: `Problem` 401, 403 or 429.
    func admit(_ request: Request, to access: Access, at now: ContinuousClock.Instant, client: () -> IPAddress?) throws
        -> Caller
    {
        guard access != .anyone else { return .anyone }
        if let bearer = Self.bearer(in: request.headers) {
            if bearer.hasPrefix(ServiceKey.prefix), isKey(bearer) { return try service(request, access) }
            let token = SessionToken(bearer)
            if bearer.hasPrefix(ServiceKey.prefix), token == nil {
                if let wait = wrongKeys.take(client(), at: now) { throw Problem.tooMany("wrong service keys", wait) }
                throw Problem.unauthorized("This service key is not valid.")
            }
            switch access {
            case .anyone, .anyoneOrService: return .anyone
            case .token, .tokenOrService: return try token.map { .visitor($0, byCookie: false) } ?? refuse()
            case .service:
                guard token != nil else { return try refuse() }
                throw Problem.forbidden("This takes a service key, not a session's token.")
            }
        }
        guard access != .service else { throw Problem.unauthorized("This takes a service key.") }
        guard let value = cookie.value(in: request.headers) else {
            return access.takesToken ? try refuse() : .anyone
        }
        guard crossSite.allows(request) else { throw Problem.crossSite }
        guard access.takesToken else { return .anyone }
        return try SessionToken(value).map { .visitor($0, byCookie: true) } ?? refuse()
    }

    private func service(_ request: Request, _ access: Access) throws -> Caller {
        let token = request.headers[.xSessionToken].flatMap { SessionToken($0) }
        guard access != .token || token != nil else {
            throw Problem.unauthorized("With a service key, X-Session-Token must name the visitor's session.")
        }
        return .service(token)
    }

    private func refuse() throws -> Caller {
        throw Problem.noSession
    }

    /// Every key is compared, so that the time tells nothing.
    private func isKey(_ presented: Substring) -> Bool {
        keys.reduce(false) { $1.matches(presented) || $0 }
    }

    /// What stands after `Bearer` in `Authorization` (RFC 6750); nil where the field is absent or of another scheme.
    private static func bearer(in headers: HTTPFields) -> Substring? {
        guard let value = headers[.authorization] else { return nil }
        let utf8 = value.utf8
        guard let space = utf8.firstIndex(of: UInt8(ascii: " ")) ?? (utf8.isEmpty ? nil : utf8.endIndex),
            utf8[..<space].elementsEqual("bearer".utf8, by: { $0 | 0x20 == $1 })
        else { return nil }
        return value[space...].trimmed
    }
}
