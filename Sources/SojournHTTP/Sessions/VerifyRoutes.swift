// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import HTTPTypes
internal import Hummingbird
internal import Sojourn

// `/v1/session/verify`: for proxies that ask us about each request (nginx `auth_request`, Traefik, Envoy).
extension SojournAPI {
    /// The route for proxies, once for each method: some pass on the method of the request that they ask about.
    static let verifyEndpoints = [
        HTTPRequest.Method.get, .post, .put, .patch, .delete, .options,
    ].map(verify)

    private static func verify(_ method: HTTPRequest.Method) -> Endpoint {
        Endpoint(
            method: method, path: "/v1/session/verify", operationID: "verifySession" + method.rawValue.capitalized,
            summary: "Validates the token and answers in header fields only.", access: .token, capability: .sessions,
            parameters: [.freshness],
            answer: .noContent(
                "The session is live.",
                headers: ["X-Session-Id": .uuid, "X-Session-User": .string()]),
            answersBelow: true
        ) { call in
            guard let found = try await call.sessions.validate(try call.token, freshness: try call.freshness) else {
                throw SojournError.noSession()
            }
            return Response(
                status: .noContent,
                headers: [
                    .xSessionID: found.session.id.description,
                    .xSessionUser: found.session.userID.map { Self.fieldValue($0.text) } ?? "",
                ])
        }
    }

    /// A text as a header field's value: visible ASCII as it is, all else percent-encoded.
    static func fieldValue(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: visibleASCII) ?? ""
    }

    private static let visibleASCII = CharacterSet(charactersIn: "!"..."~").subtracting(CharacterSet(charactersIn: "%"))
}
