// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import Sojourn

// `/v1/session`: a visitor's own session, by its token.
extension SojournAPI {
    /// The routes of a visitor's own session.
    static let sessionEndpoints = [
        getSession, endSession, extendSession, rotateSession, patchSessionMetadata, otherSessions, endOtherSessions,
    ]

    private static let getSession = Endpoint(
        method: .get, path: "/v1/session", operationID: "getSession",
        summary: "Validates the token, counts the request, and returns the session.", access: .token,
        capability: .sessions, parameters: [.include, .freshness],
        answer: .ok("The session is live.", .ref("SessionWithItems"), headers: Schema.cookieHeaders)
    ) { call in
        let token = try call.token
        let withItems = call.query["include"] == "items"
        let freshness = try call.freshness
        let found =
            withItems
            ? try await call.sessions.validateWithItems(token, freshness: freshness)
            : try await call.sessions.validate(token, freshness: freshness)
        guard let found else { throw SojournError.noSession() }
        var response = Response.session(found.session, source: found.source, age: found.age) { json in
            if let items = found.items { json.member("items", items) { $0.held($1) } }
        }
        if call.caller.cameByCookie, found.session.renewal == .onAccess, found.session.isJustRenewed {
            try await call.renewCookie(in: &response)
        }
        return response
    }

    private static let endSession = Endpoint(
        method: .delete, path: "/v1/session", operationID: "endSession",
        summary: "Ends the session for good: logout.", access: .token, capability: .sessions,
        answer: .noContent("The session has ended.", headers: ["Set-Cookie": .string()])
    ) { call in
        guard try await call.sessions.end(try call.own) else { throw SojournError.noSession() }
        var response = Response(status: .noContent)
        if call.caller.cameByCookie { call.api.cookie.clear(in: &response) }
        return response
    }

    private static let extendSession = Endpoint(
        method: .post, path: "/v1/session/extend", operationID: "extendSession",
        summary: "Gives the session its own life from now, never a shorter one.", access: .token,
        capability: .sessions,
        body: Body(schema: .input(["ttl_seconds": .lifeSeconds]), isOptional: true),
        answer: .ok("The session, extended.", .ref("Session"), headers: Schema.cookieHeaders), problems: [403]
    ) { call in
        var fields = try await call.fields()
        let life = try fields.integer("ttl_seconds")
        try fields.finish()
        if life != nil { try call.requireService(for: "ttl_seconds") }
        let session = try await call.sessions.extend(try call.own, by: life.map { .seconds($0) })
        var response = Response.session(session)
        if call.caller.cameByCookie { call.setCookie(try call.token, of: session, in: &response) }
        return response
    }

    private static let rotateSession = Endpoint(
        method: .post, path: "/v1/session/rotate", operationID: "rotateSession",
        summary: "Gives the session a new token; the old one validates for ten more seconds.", access: .token,
        capability: .sessions, parameters: [.deliver],
        body: Body(schema: .input(["grace_seconds": .integer(0...60)]), isOptional: true),
        answer: .ok("The session and its new token.", .ref("IssuedSession"), headers: Schema.cookieHeaders),
        problems: [403]
    ) { call in
        var fields = try await call.fields()
        let grace = try fields.integer("grace_seconds")
        try fields.finish()
        if grace != nil { try call.requireService(for: "grace_seconds") }
        guard (0...60).contains(grace ?? 0) else { throw fields.wrong("grace_seconds", "0 to 60") }
        let issued = try await call.sessions.rotate(try call.token, grace: grace.map { .seconds($0) })
        return call.issued(issued, status: .ok, onlyCookie: call.deliversOnlyCookie)
    }

    private static let patchSessionMetadata = Endpoint(
        method: .patch, path: "/v1/session/metadata", operationID: "patchSessionMetadata",
        summary: "Changes the session's metadata by a JSON Merge Patch.", access: .token, capability: .sessions,
        parameters: [.ifMatch], body: Body(schema: .freeObject, isMergePatch: true),
        answer: .ok("The session, changed.", .ref("Session"), headers: Schema.sessionHeaders), problems: [412, 428]
    ) { call in
        let version = try call.ifMatch
        let patch = try await call.patch()
        return .session(
            try await call.sessions.patch(.metadata, of: try call.own, with: patch, ifVersion: version))
    }

    private static let otherSessions = Endpoint(
        method: .get, path: "/v1/session/others", operationID: "listOtherSessions",
        summary: "Lists the user's other live sessions, without tokens.", access: .token, capability: .sessions,
        parameters: [.limit, .cursor],
        answer: .ok("A page of sessions; none where this one is anonymous.", .page(of: .ref("StoredSession")))
    ) { call in
        let page = try await call.sessions.others(try call.token, page: try call.query.page())
        return .json { $0.page(page) { $0.stored($1) } }
    }

    private static let endOtherSessions = Endpoint(
        method: .post, path: "/v1/session/end-others", operationID: "endOtherSessions",
        summary: "Ends all the user's other sessions.", access: .token, capability: .sessions,
        answer: .ok("How many ended.", .object(["ended": .count]))
    ) { call in
        let ended = try await call.sessions.endOthers(try call.own)
        return .json { $0.object { $0.member("ended", ended) } }
    }
}

// MARK: - Cookies

extension Call {
    /// Whether `?deliver=cookie` keeps the token out of the body.
    var deliversOnlyCookie: Bool { query["deliver"] == "cookie" }

    /// An answer that hands a visitor a token, by cookie and, unless `onlyCookie`, in the body.
    func issued(_ issued: IssuedSession, status: HTTPResponse.Status, onlyCookie: Bool) -> Response {
        var response = Response.session(
            issued.session, token: onlyCookie ? nil : issued.token, status: status)
        setCookie(issued.token, of: issued.session, in: &response)
        return response
    }

    /// Hands the visitor a token by cookie.
    func setCookie(_ token: SessionToken, of session: Session, in response: inout Response) {
        api.cookie.set(token, until: session.expiresAt, now: configuration.clock.now, in: &response)
    }

    /// Lets the cookie live as long as the session does by now, after a call that may have renewed it.
    ///
    /// The session is read once more, by the token as it came: where that has been replaced meanwhile, the cookie that
    /// came with the replacement must stand.
    func renewCookie(in response: inout Response) async throws {
        guard caller.cameByCookie, let token = caller.token,
            let current = try await sessions.get(.token(token)), current.session.isJustRenewed
        else { return }
        setCookie(token, of: current.session, in: &response)
    }
}

extension Session {
    /// Whether the last activity is what gave the session its present expiry.
    var isJustRenewed: Bool { expiresAt - lastActivity == life }
}
