// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Sojourn

/// A request on its way through an endpoint's handler, with what it means already found out.
struct Call: Sendable {
    /// The request.
    let request: Request
    /// The parameters of the path, and the connection.
    let context: SojournContext
    /// The endpoint.
    let endpoint: Endpoint
    /// Everything that is not about this request.
    let api: SojournAPI
    /// Who calls.
    let caller: Caller
    /// The query.
    let query: Query

    /// The façade.
    var sessions: Sessions { api.sessions }
    /// What the HTTP face was told.
    var configuration: HTTPConfiguration { api.configuration }

    /// The visitor's token.
    ///
    /// - Throws: `Problem` 401 where there is none, which the endpoint's access rule has seen to already.
    var token: SessionToken {
        get throws {
            guard let token = caller.token else { throw Problem.noSession }
            return token
        }
    }

    /// The right to the visitor's own session.
    var own: SessionAccess {
        get throws { .token(try token) }
    }

    /// The session that the path names.
    var sessionID: SessionID {
        get throws {
            guard let id = context.parameters["id"].flatMap({ SessionID($0) }) else {
                throw Problem.invalid("id", "Must be a UUID.")
            }
            return id
        }
    }

    /// The right of a service key to the session that the path names.
    var named: SessionAccess {
        get throws { .trusted(try sessionID, as: .service) }
    }

    /// The user that the path names.
    var userID: UserID {
        get throws {
            guard let user = context.parameters["id"]?.removingPercentEncoding.flatMap({ UserID($0) }) else {
                throw Problem.invalid("id", "Must be 1 to 50 characters, none of them a control character.")
            }
            return user
        }
    }

    /// Refuses what only a service key may give.
    func requireService(for field: String) throws {
        guard caller.isService else { throw Problem.forbidden("Only a service key may give this.", field: field) }
    }

    /// The version of `If-Match`; nil for `*`.
    ///
    /// - Throws: `Problem` 428 where it is missing (RFC 6585).
    var ifMatch: Int? {
        get throws {
            guard let value = request.headers[.ifMatch] else {
                throw Problem(
                    status: .preconditionRequired, code: "precondition_required",
                    detail: "If-Match must carry the ETag of the session that was read.", field: "If-Match")
            }
            if value == "*" { return nil }
            let digits = value.dropFirst().dropLast()
            guard value.utf8.count >= 3, value.first == "\"", value.last == "\"",
                digits.utf8.allSatisfy({ (48...57).contains($0) }), let version = Int(digits)
            else { throw Problem.invalid("If-Match", "Must be an ETag of a session, such as \"3\", or *.") }
            return version
        }
    }

    /// The freshness that `Sojourn-Freshness` asks for.
    var freshness: Freshness {
        get throws {
            guard let value = request.headers[.sojournFreshness], value != "strict" else { return .strict }
            let parts = value.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2, parts[1].utf8.count <= 6, parts[1].utf8.allSatisfy({ (48...57).contains($0) }),
                let seconds = Int(parts[1])
            {
                if parts[0] == "within" { return .within(.seconds(seconds)) }
                if parts[0] == "stale-if-down" { return .staleIfDown(.seconds(seconds)) }
            }
            throw Problem.invalid("Sojourn-Freshness", "Must be strict, within=SECONDS or stale-if-down=SECONDS.")
        }
    }
}

// MARK: - The body

extension Call {
    /// The body's bytes, within the limit and of a media type that the endpoint takes.
    ///
    /// - Throws: `Problem` 413 or 415.
    func bytes() async throws -> ByteBuffer {
        let bytes: ByteBuffer
        do {
            bytes = try await request.body.collect(upTo: configuration.bodyBytesMax)
        } catch is NIOTooManyBytesError {
            throw Problem(
                status: .contentTooLarge, code: "too_large",
                detail: "The body may be at most \(configuration.bodyBytesMax) bytes.",
                details: ["limit": .integer(Int64(configuration.bodyBytesMax))])
        } catch {
            throw BodyUnreadable(cause: error)
        }
        let type = request.headers[.contentType]?.split(separator: ";").first?.trimmed.lowercased()
        let accepted = endpoint.body?.contentTypes ?? []
        guard bytes.readableBytes == 0 && type == nil || type.map(accepted.contains) == true else {
            throw Problem(
                status: .unsupportedMediaType, code: "unsupported_media_type",
                detail: "The body must be " + accepted.joined(separator: " or ") + ".", field: "Content-Type")
        }
        return bytes
    }

    /// The body as a tree. A body that may be left out and was is an empty object.
    func json() async throws -> JSONValue {
        try await parse(try await bytes())
    }

    /// The tree of the body's bytes; see `json()`.
    func parse(_ bytes: ByteBuffer) async throws -> JSONValue {
        if bytes.readableBytes == 0, endpoint.body?.isOptional == true { return .object([:]) }
        guard bytes.readableBytes > Self.parsedAtOnceMax else { return try JSONValue(parsing: bytes.readableBytesView) }
        // Where requests are answered on event loops, a large body would hold others up.
        return try await withTaskExecutorPreference(globalConcurrentExecutor) {
            try JSONValue(parsing: bytes.readableBytesView)
        }
    }

    /// The most bytes of a body that are parsed where the request is answered.
    private static let parsedAtOnceMax = 4096

    /// The body's members.
    func fields() async throws -> Fields {
        try Fields(try await json())
    }

    /// The body as a merge patch.
    func patch() async throws -> [String: JSONValue] {
        guard case .object(let members) = try await json() else {
            throw Problem.invalid("body", "Must be an object.")
        }
        return members
    }
}

/// The connection broke, or stopped speaking HTTP, within a body: not ours to answer but the server's to close.
struct BodyUnreadable: Error {
    /// What happened.
    let cause: any Error
}

// MARK: - Answers

extension Response {
    /// An answer in JSON.
    static func json(
        _ status: HTTPResponse.Status = .ok, headers: HTTPFields = HTTPFields(), capacity: Int = 1024,
        _ write: (inout JSONWriter) -> Void
    ) -> Response {
        var json = JSONWriter(capacity: capacity)
        write(&json)
        var headers = headers
        headers.append(HTTPField(name: .contentType, value: "application/json"))
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: json.buffer))
    }
}
