// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes

/// Finds the client behind proxies.
///
/// From the peer's own address outwards, through what each trusted proxy says it was asked by: the first address that
/// is no trusted proxy is the client. What stands left of it anybody may have written. A proxy writes one of
/// `X-Forwarded-For` and `Forwarded` (RFC 7239) and lets a client's other one pass, so where a request carries both and
/// they differ, neither is believed.
struct ClientAddress {
    /// The proxies that are believed.
    let trusted: [AddressRange]

    /// The client's address; nil where the peer has none.
    func resolve(peer: IPAddress?, headers: HTTPFields) -> IPAddress? {
        guard let peer, isTrusted(peer) else { return peer }
        let listed = Self.listed(headers[values: .xForwardedFor].joined(separator: ","))
        let forwarded = Self.forwarded(headers[values: .forwarded].joined(separator: ","))
        let hops = listed.isEmpty ? forwarded : listed
        guard forwarded.isEmpty || listed.isEmpty || forwarded == listed else { return peer }
        var client = peer
        for hop in hops.reversed() {
            guard let hop else { return client }
            client = hop
            guard isTrusted(hop) else { return client }
        }
        return client
    }

    private func isTrusted(_ address: IPAddress) -> Bool {
        trusted.contains { $0.contains(address) }
    }

    /// The hops of `X-Forwarded-For`, leftmost first; nil for one that is no address.
    private static func listed(_ text: String) -> [IPAddress?] {
        text.isEmpty ? [] : text.split(separator: ",", omittingEmptySubsequences: false).map(address)
    }

    /// The `for=` hops of `Forwarded`, leftmost first; nil for `unknown` and obfuscated ones.
    private static func forwarded(_ text: String) -> [IPAddress?] {
        guard !text.isEmpty else { return [] }
        return text.split(separator: ",", omittingEmptySubsequences: false).map { element in
            let pairs = element.split(separator: ";").map { $0.trimmed }
            guard let pair = pairs.first(where: { $0.lowercased().hasPrefix("for=") }) else { return nil }
            return address(pair.dropFirst(4))
        }
    }

    /// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`, any of them quoted.
    private static func address(_ text: Substring) -> IPAddress? {
        var text = text.trimmed
        if text.count >= 2, text.first == "\"", text.last == "\"" { text = text.dropFirst().dropLast() }
        if text.first == "[" { return text.dropFirst().split(separator: "]").first.flatMap { IPAddress($0) } }
        if let colon = text.firstIndex(of: ":"), text.lastIndex(of: ":") == colon { text = text[..<colon] }
        return IPAddress(text)
    }
}

extension Substring {
    /// Without the spaces and tabs at both ends (RFC 9110's optional white space).
    var trimmed: Substring {
        var text = self
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}
