// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes

// The fields that http-types does not name.
extension HTTPField.Name {
    /// Who asked, according to a proxy (de facto).
    static let xForwardedFor = known("X-Forwarded-For")
    /// Who asked, according to a proxy (RFC 7239).
    static let forwarded = known("Forwarded")
    /// A request's name, from the client or from us, in answers and logs.
    static let xRequestID = known("X-Request-Id")
    /// The visitor's token beside a service key.
    static let xSessionToken = known("X-Session-Token")
    /// The session that `verify` found.
    static let xSessionID = known("X-Session-Id")
    /// The user that `verify` found; empty where anonymous.
    static let xSessionUser = known("X-Session-User")
    /// How old an answer may be.
    static let sojournFreshness = known("Sojourn-Freshness")
    /// Who decided: the store, or a cache.
    static let sojournSource = known("Sojourn-Source")
    /// A client's promise that calls with one key are one call.
    static let idempotencyKey = known("Idempotency-Key")
    /// Where a browser's request comes from (Fetch Metadata).
    static let secFetchSite = known("Sec-Fetch-Site")

    private static func known(_ name: String) -> Self {
        guard let name = Self(name) else { preconditionFailure("\(name) is not a field name") }
        return name
    }
}
