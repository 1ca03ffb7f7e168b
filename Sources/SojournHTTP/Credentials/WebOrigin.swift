// SPDX-License-Identifier: Apache-2.0
internal import Foundation

/// An origin of the web: a scheme, a host and a port (RFC 6454).
public struct WebOrigin: Sendable, Hashable {
    /// Whether the scheme is `https`, else it is `http`.
    public let isSecure: Bool
    /// The host in lower case; an IPv6 address stands in brackets.
    public let host: String
    /// The port; nil for the scheme's own.
    public let port: Int?

    /// An origin as in `https://example.com:8443`, a slash behind it allowed; nil for any other text.
    public init?(_ text: String) {
        guard let parts = URLComponents(string: text), let scheme = parts.scheme?.lowercased(),
            let host = parts.host, !host.isEmpty, ["http", "https"].contains(scheme),
            parts.user == nil, parts.password == nil, parts.query == nil, parts.fragment == nil,
            ["", "/"].contains(parts.path), (1...65_535).contains(parts.port ?? 1)
        else { return nil }
        isSecure = scheme == "https"
        self.host = host.lowercased()
        port = parts.port == (isSecure ? 443 : 80) ? nil : parts.port
    }
}

extension WebOrigin: CustomStringConvertible {
    /// The origin as browsers send it in `Origin`.
    public var description: String {
        "\(isSecure ? "https" : "http")://\(host)" + (port.map { ":\($0)" } ?? "")
    }
}

extension WebOrigin {
    /// Host and port, as a request's `Host` has them.
    var authority: String { host + (port.map { ":\($0)" } ?? "") }
}
