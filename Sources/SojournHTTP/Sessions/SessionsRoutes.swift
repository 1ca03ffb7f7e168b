// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Sojourn

// `/v1/sessions`: creating one, and what a service key may do with any.
extension SojournAPI {
    /// The routes of sessions by id.
    static let sessionsEndpoints = [
        createSession, getSessionByID, deleteSessionByID, patchMetadataByID, patchClaimsByID, endSessionByID, bindUser,
        issueToken, sessionEvents, exportSession,
    ]

    private static let createSession = Endpoint(
        method: .post, path: "/v1/sessions", operationID: "createSession",
        summary: "Begins a session. A service key may also give user, claims, life, other types, address and agent.",
        access: .anyoneOrService, capability: .sessions, parameters: [.deliver],
        body: Body(schema: .ref("NewSession"), isOptional: true),
        answer: .created("The session and its token.", .ref("IssuedSession"), headers: Schema.cookieHeaders),
        problems: [403, 429]
    ) { call in
        let client = call.api.client(of: call.request, call.context)
        if !call.caller.isService,
            let wait = call.api.creations.take(client, at: call.configuration.uptime())
        {
            throw Problem.tooMany("new sessions", wait)
        }
        var fields = try await call.fields()
        var draft = try SessionDraft(&fields, isService: call.caller.isService)
        if !call.caller.isService {
            draft.ipAddress = client?.description
            draft.userAgent = call.request.headers[.userAgent]
        }
        let issued = try await call.sessions.create(draft, by: call.caller.isService ? .service : .token)
        return call.issued(issued, status: .created, onlyCookie: call.deliversOnlyCookie)
    }

    private static let getSessionByID = Endpoint(
        method: .get, path: "/v1/sessions/{id}", operationID: "getSessionById",
        summary: "Reads a session, live or ended, without touching it.", access: .service, capability: .sessions,
        parameters: [.sessionID],
        answer: .ok("The session.", .ref("StoredSession"), headers: Schema.sessionHeaders), problems: [404]
    ) { call in
        guard let found = try await call.sessions.get(try call.named) else { throw SojournError.noSession() }
        return .json(headers: [.eTag: "\"\(found.session.version)\"", .sojournSource: "database", .age: "0"]) {
            $0.stored(found)
        }
    }

    private static let deleteSessionByID = Endpoint(
        method: .delete, path: "/v1/sessions/{id}", operationID: "deleteSession",
        summary: "Deletes a session with all that it holds.", access: .service, capability: .sessions,
        parameters: [.sessionID], answer: .noContent("The session is gone."), problems: [404]
    ) { call in
        guard try await call.sessions.delete(try call.sessionID) else { throw SojournError.noSession() }
        return Response(status: .noContent)
    }

    private static let patchMetadataByID = patch(.metadata, operationID: "patchMetadataById")
    private static let patchClaimsByID = patch(.claims, operationID: "patchClaimsById")

    private static func patch(_ field: SessionField, operationID: String) -> Endpoint {
        Endpoint(
            method: .patch, path: "/v1/sessions/{id}/\(field.rawValue)", operationID: operationID,
            summary: "Changes a live session's \(field.rawValue) by a JSON Merge Patch.", access: .service,
            capability: .sessions, parameters: [.sessionID, .ifMatch],
            body: Body(schema: .freeObject, isMergePatch: true),
            answer: .ok("The session, changed.", .ref("Session"), headers: Schema.sessionHeaders),
            problems: [404, 412, 428]
        ) { call in
            let access = try call.named
            let version = try call.ifMatch
            let patch = try await call.patch()
            return .session(try await call.sessions.patch(field, of: access, with: patch, ifVersion: version))
        }
    }

    private static let endSessionByID = Endpoint(
        method: .post, path: "/v1/sessions/{id}/end", operationID: "endSessionById",
        summary: "Ends a session; it stays readable as history.", access: .service, capability: .sessions,
        parameters: [.sessionID],
        answer: .ok("Whether it was live until now.", .object(["ended": .boolean])), problems: [404]
    ) { call in
        let access = try call.named
        let ended = try await call.sessions.end(access)
        if !ended, try await call.sessions.get(access) == nil { throw SojournError.noSession() }
        return .json { $0.object { $0.member("ended", ended) } }
    }

    private static let bindUser = Endpoint(
        method: .put, path: "/v1/sessions/{id}/user", operationID: "bindUser",
        summary: "Login: binds a user to a session and gives it a new token; the old one is dead at once.",
        access: .service, capability: .sessions, parameters: [.sessionID],
        body: Body(schema: .input(["user_id": .userID], required: ["user_id"])),
        answer: .ok("The session and its new token.", .ref("IssuedSession"), headers: Schema.sessionHeaders),
        problems: [404, 409]
    ) { call in
        let id = try call.sessionID
        var fields = try await call.fields()
        guard let user = try fields.user("user_id") else { throw fields.missing("user_id") }
        try fields.finish()
        let issued = try await call.sessions.bind(id, to: user)
        return .session(issued.session, token: issued.token)
    }

    private static let issueToken = Endpoint(
        method: .post, path: "/v1/sessions/{id}/token", operationID: "issueToken",
        summary: "Gives a session that was begun in SQL its first token.", access: .service, capability: .sessions,
        parameters: [.sessionID],
        answer: .created("The session and its token.", .ref("IssuedSession"), headers: Schema.sessionHeaders),
        problems: [404, 409]
    ) { call in
        let issued = try await call.sessions.issueToken(try call.sessionID)
        return .session(issued.session, token: issued.token, status: .created)
    }

    private static let sessionEvents = Endpoint(
        method: .get, path: "/v1/sessions/{id}/events", operationID: "listSessionEvents",
        summary: "Tells what happened to a session, newest first, and by whom.", access: .service,
        capability: .sessions, parameters: [.sessionID],
        answer: .ok("All facts that are kept, and how many older ones are not.", .ref("SessionEvents")),
        problems: [404]
    ) { call in
        guard let facts = try await call.sessions.facts(of: try call.sessionID) else { throw SojournError.noSession() }
        return .json { json in
            json.object { json in
                json.member("items", facts.facts) { $0.fact($1) }
                json.member("folded", facts.folded)
                json.member("next", nil as String?)
            }
        }
    }

    private static let exportSession = Endpoint(
        method: .get, path: "/v1/sessions/{id}/export", operationID: "exportSession",
        summary: "All that is kept of a session, as JSON Lines: the session, its items, its journal.",
        access: .service, capability: .sessions, parameters: [.sessionID],
        answer: .lines("One JSON object a line, told apart by `kind`."), problems: [404]
    ) { call in
        guard let found = try await call.sessions.get(try call.named) else { throw SojournError.noSession() }
        let export = Export(sessions: call.sessions)
        return .lines { try await export.write(found, to: &$0) }
    }
}

extension JSONWriter {
    /// A fact of a session's life.
    mutating func fact(_ fact: SessionFact) {
        object { json in
            json.member("at", fact.at)
            json.member("kind", fact.kind.rawValue)
            json.member("actor", fact.actor.rawValue)
            json.member("detail", fact.detail)
        }
    }
}

extension Schema {
    /// The named schemas of a session's events.
    static let eventComponents: [String: Schema] = [
        "SessionEvent": .object([
            "at": .time, "kind": .oneOf(SessionFactKind.allCases.map(\.rawValue)),
            "actor": .oneOf(Actor.allCases.map(\.rawValue)), "detail": Schema.string().orNull,
        ]),
        "SessionEvents": .object([
            "items": .array(of: .ref("SessionEvent")), "folded": .count, "next": Schema.string().orNull,
        ]),
    ]
}
