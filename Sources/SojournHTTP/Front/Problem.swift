// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Sojourn

/// An answer that says what went wrong (RFC 9457).
struct Problem: Error, Sendable {
    /// The HTTP status.
    let status: HTTPResponse.Status
    /// What went wrong, for machines, in snake case.
    let code: String
    /// What went wrong, for people.
    let detail: String
    /// The input at fault; nil where no single one is.
    var field: String?
    /// Further facts for machines.
    var details: [String: JSONValue] = [:]
    /// Header fields that belong to the answer.
    var headers = HTTPFields()

    /// The media type of every problem.
    static let contentType = "application/problem+json"

    /// The answer; the request's id is what an operator finds it by in the log.
    func response(requestID: String) -> Response {
        var json = JSONWriter(capacity: 512)
        json.object { json in
            json.member("type", "about:blank")
            json.member("title", status.reasonPhrase)
            json.member("status", status.code)
            json.member("detail", detail)
            json.member("code", code)
            if let field { json.member("field", field) }
            json.member("request_id", requestID)
            for (name, value) in details.sorted(by: { $0.key < $1.key }) { json.member(named: name, value) }
        }
        var headers = headers
        headers.append(HTTPField(name: .contentType, value: Self.contentType))
        return Response(status: status, headers: headers, body: ResponseBody(byteBuffer: json.buffer))
    }
}

// MARK: - The problems that HTTP itself brings

extension Problem {
    /// No credential, or one that is not valid.
    static func unauthorized(_ detail: String) -> Self {
        Self(
            status: .unauthorized, code: "unauthorized", detail: detail,
            headers: [.wwwAuthenticate: "Bearer"])
    }

    /// No live session for this caller.
    static var noSession: Self {
        Self(
            status: .unauthorized, code: "no_session", detail: "There is no such session.",
            headers: [.wwwAuthenticate: "Bearer"])
    }

    /// Not the caller's to do.
    static func forbidden(_ detail: String, field: String? = nil) -> Self {
        Self(status: .forbidden, code: "forbidden", detail: detail, field: field)
    }

    /// A cookie sent by somebody else's page.
    static var crossSite: Self {
        Self(
            status: .forbidden, code: "cross_site",
            detail: "A request with a cookie must come from a page of this site or of an allowed origin.")
    }

    /// Nothing is stored under this name.
    static func notFound(_ detail: String) -> Self {
        Self(status: .notFound, code: "not_found", detail: detail)
    }

    /// A value breaks a rule.
    static func invalid(_ field: String, _ detail: String) -> Self {
        Self(status: .unprocessableContent, code: "invalid_input", detail: detail, field: field)
    }

    /// Too often; worth another try after `wait`.
    static func tooMany(_ what: String, _ wait: Duration) -> Self {
        Self(
            status: .tooManyRequests, code: "rate_limited", detail: "Too many \(what) from this address.",
            headers: [.retryAfter: String(max(1, Int(wait.inSeconds.rounded(.up))))])
    }

    /// The store in use, or this process, does not do this.
    static func notAvailable(_ detail: String) -> Self {
        Self(status: .notImplemented, code: "not_available_on_this_store", detail: detail)
    }

    /// Something failed that should not have; what, only the log tells.
    static var unexpected: Self {
        Self(
            status: .internalServerError, code: "unexpected",
            detail: "Something went wrong here. The log has more under this request's id.")
    }
}

// MARK: - The problems that the core brings

extension Problem {
    /// What a failed call tells its caller.
    ///
    /// - Parameter access: who the endpoint is for: a visitor without a session is not signed in, while to a service
    ///   key a session is a thing that may not be there.
    init(_ error: any Error, access: Access) {
        switch error {
        case let problem as Problem: self = problem
        case let error as SojournError: self.init(core: error, access: access)
        case is CancellationError:
            self.init(core: SojournError(.storeUnavailable, "The request was given up."), access: access)
        default: self = .unexpected
        }
    }

    private init(core error: SojournError, access: Access) {
        guard let (status, code) = Self.answers[error.code] else {
            self = .unexpected
            return
        }
        if error.code == .noSession {
            self = access == .service ? .notFound(error.message) : .noSession
            return
        }
        self.init(
            status: status, code: code, detail: error.message, field: error.field, details: error.details)
        if status == .serviceUnavailable { headers[.retryAfter] = error.code == .storeUnavailable ? "1" : "30" }
    }

    /// The status and the code of each kind of failure; those not named here are failures of our own.
    private static let answers: [SojournError.Code: (HTTPResponse.Status, String)] = [
        .invalidInput: (.unprocessableContent, "invalid_input"),
        .malformedJSON: (.badRequest, "malformed_json"),
        .tooLarge: (.unprocessableContent, "too_large"),
        .noSession: (.unauthorized, "no_session"),
        .staleVersion: (.preconditionFailed, "stale_version"),
        .userConflict: (.conflict, "user_conflict"),
        .secretExists: (.conflict, "secret_exists"),
        .unknownItems: (.unprocessableContent, "unknown_items"),
        .limitReached: (.unprocessableContent, "limit_reached"),
        .sequenceConflict: (.conflict, "sequence_conflict"),
        .alreadyFinished: (.conflict, "already_finished"),
        .noEntry: (.notFound, "no_entry"),
        .idempotencyConflict: (.unprocessableContent, "idempotency_conflict"),
        .alreadyExists: (.conflict, "already_exists"),
        .notAvailable: (.notImplemented, "not_available_on_this_store"),
        .storeUnavailable: (.serviceUnavailable, "store_unavailable"),
        .storeDamaged: (.serviceUnavailable, "store_damaged"),
        .storeFull: (.serviceUnavailable, "store_full"),
    ]
}
