// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import Sojourn

extension JSONWriter {
    /// A session's members, as every answer has them. A token stands before them where one is handed out.
    mutating func members(of session: Session, token: SessionToken? = nil) {
        if let token { member("token", token.text) }
        member("session_id", session.id.description)
        member("user_id", session.userID?.text)
        member("type", session.type.rawValue)
        member("metadata", session.metadata)
        member("claims", session.claims)
        member("version", session.version)
        member("created_at", session.createdAt)
        member("last_activity", session.lastActivity)
        member("expires_at", session.expiresAt)
        member("absolute_expires_at", session.absoluteExpiresAt)
        member("request_count", session.requestCount)
        member("ip_address", session.ipAddress)
        member("user_agent", session.userAgent)
    }

    /// A session as read without touching it.
    mutating func stored(_ stored: StoredSession) {
        object { json in
            json.members(of: stored.session)
            json.member("status", stored.status.rawValue)
            json.member("ended_at", stored.session.end?.at)
            json.member("end_reason", stored.session.end?.reason.rawValue)
        }
    }
}

extension Response {
    /// An answer with a session, and with its token where one is handed out.
    static func session(
        _ session: Session, token: SessionToken? = nil, status: HTTPResponse.Status = .ok,
        source: Validation.Source = .database, age: Duration = .zero,
        _ more: (inout JSONWriter) -> Void = { _ in }
    ) -> Response {
        var headers = HTTPFields()
        headers.append(HTTPField(name: .eTag, value: "\"\(session.version)\""))
        headers.append(HTTPField(name: .sojournSource, value: source.rawValue))
        headers.append(HTTPField(name: .age, value: String(age.components.seconds)))
        return .json(status, headers: headers) { json in
            json.object { json in
                json.members(of: session, token: token)
                more(&json)
            }
        }
    }
}

extension Schema {
    /// A session's members.
    static let sessionMembers: [String: Schema] = [
        "session_id": .uuid, "user_id": Schema.userID.orNull, "type": .oneOf(SessionType.allCases.map(\.rawValue)),
        "metadata": .anyObject, "claims": .anyObject, "version": .integer(1...Int64.max), "created_at": .time,
        "last_activity": .time, "expires_at": .time, "absolute_expires_at": Schema.time.orNull,
        "request_count": .count, "ip_address": Schema.string().orNull, "user_agent": Schema.string().orNull,
    ]

    /// The named schemas of sessions.
    static let sessionComponents: [String: Schema] = [
        "Session": .object(sessionMembers),
        "SessionWithItems": .object(
            sessionMembers.merging(["items": .array(of: .ref("HeldItem"))]) { $1 }, optional: ["items"]),
        "IssuedSession": .object(sessionMembers.merging(["token": .token]) { $1 }, optional: ["token"]),
        "StoredSession": .object(
            sessionMembers.merging([
                "status": .oneOf(SessionStatus.allCases.map(\.rawValue)), "ended_at": Schema.time.orNull,
                "end_reason": Schema(["enum": .array(EndReason.allCases.map { .string($0.rawValue) } + [.null])]),
            ]) { $1 }),
        "NewSession": newSession(documents: .freeObject),
    ]

    /// A session to be created, with metadata and claims of a schema.
    static func newSession(documents: Schema) -> Schema {
        .input([
            "type": .oneOf(SessionType.allCases.map(\.rawValue)), "metadata": documents, "claims": documents,
            "user_id": .userID, "ttl_seconds": .lifeSeconds, "ip_address": .address,
            "user_agent": .string(pattern: noNUL),
        ])
    }

    /// A session's token.
    static let token = string(43...43)
    /// A life in seconds: one second to ten years.
    static let lifeSeconds = integer(SessionDraft.lifeSeconds)
    /// An IPv4 or IPv6 address.
    static let address = Schema([
        "anyOf": .array([
            .object(["type": .string("string"), "format": .string("ipv4")]),
            .object(["type": .string("string"), "format": .string("ipv6")]),
        ])
    ])

    /// The header fields of an answer with a session.
    static let sessionHeaders: [String: Schema] = [
        "ETag": .string(pattern: "^\"[0-9]+\"$"), "Sojourn-Source": .oneOf(["database"]), "Age": .count,
    ]
    /// The same with a cookie.
    static let cookieHeaders = sessionHeaders.merging(["Set-Cookie": .string()]) { $1 }
}
