// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import Sojourn

/// The cookie that carries a visitor's token.
struct SessionCookie: Sendable {
    /// Whether it is `Secure`, which also gives it the `__Host-` name that no other host can set.
    let isSecure: Bool

    /// Its name.
    var name: String { isSecure ? "__Host-session" : "session" }

    /// The value that a request brought; nil where it brought none. Of several the first counts.
    func value(in headers: HTTPFields) -> Substring? {
        for field in headers where field.name == .cookie {
            for pair in field.value.split(separator: ";") {
                let pair = pair.trimmed
                guard pair.hasPrefix(name), pair.dropFirst(name.count).first == "=" else { continue }
                return pair.dropFirst(name.count + 1)
            }
        }
        return nil
    }

    /// Puts the cookie into an answer, to last as long as the session. Such an answer no cache may keep
    /// (CVE-2023-30861).
    func set(_ token: SessionToken, until expiry: Timestamp, now: Timestamp, in response: inout Response) {
        put(token.text, secondsMax: max(0, Int((expiry - now).components.seconds)), in: &response)
    }

    /// Takes the cookie away.
    func clear(in response: inout Response) {
        put("", secondsMax: 0, in: &response)
    }

    private func put(_ value: String, secondsMax: Int, in response: inout Response) {
        let secure = isSecure ? "; Secure" : ""
        response.headers.append(
            HTTPField(
                name: .setCookie,
                value: "\(name)=\(value); Max-Age=\(secondsMax); Path=/; HttpOnly\(secure); SameSite=Lax"))
        response.headers[.cacheControl] = "no-store"
        response.headers.append(HTTPField(name: .vary, value: "Cookie"))
    }
}

/// Whether a request that a cookie vouches for was made by a page that may make it (CSRF).
struct CrossSiteRule: Sendable {
    /// Whose pages may.
    let allowed: Set<WebOrigin>

    /// `GET` and `HEAD` always pass. Others must come from our own pages by `Sec-Fetch-Site`, or from an allowed
    /// `Origin`; where a browser sends no `Sec-Fetch-Site` (plain HTTP), also from the origin that was asked.
    func allows(_ request: Request) -> Bool {
        if request.method == .get || request.method == .head { return true }
        let site = request.headers[.secFetchSite]
        if site == "same-origin" || site == "none" { return true }
        guard let origin = request.headers[.origin].flatMap({ WebOrigin($0) }) else { return false }
        return allowed.contains(origin)
            || site == nil && request.head.authority.map { $0.lowercased() == origin.authority } == true
    }
}
