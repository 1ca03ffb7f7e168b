// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes

// The fields that http-types does not name. Each literal is a valid field name, so none of the `!` below can fail.
extension HTTPField.Name {
    /// Who asked, according to a proxy (de facto).
    static let xForwardedFor = Self("X-Forwarded-For")!
    /// Who asked, according to a proxy (RFC 7239).
    static let forwarded = Self("Forwarded")!
    /// A request's name, from the client or from us, in answers and logs.
    static let xRequestID = Self("X-Request-Id")!
    /// The visitor's token beside a service key.
    static let xSessionToken = Self("X-Session-Token")!
    /// The session that `verify` found.
    static let xSessionID = Self("X-Session-Id")!
    /// The user that `verify` found; empty where anonymous.
    static let xSessionUser = Self("X-Session-User")!
    /// How old an answer may be.
    static let sojournFreshness = Self("Sojourn-Freshness")!
    /// Who decided: the store, or a cache.
    static let sojournSource = Self("Sojourn-Source")!
    /// A client's promise that calls with one key are one call.
    static let idempotencyKey = Self("Idempotency-Key")!
    /// Where a browser's request comes from (Fetch Metadata).
    static let secFetchSite = Self("Sec-Fetch-Site")!
}
