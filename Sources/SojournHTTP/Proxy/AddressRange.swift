// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// An IPv4 or IPv6 address as a number. IPv4 addresses mapped into IPv6 (`::ffff:a.b.c.d`) are the IPv4 address.
public struct IPAddress: Sendable, Hashable, CustomStringConvertible {
    /// The upper 64 bits; 0 for IPv4.
    let high: UInt64
    /// The lower 64 bits; the 32 bits of an IPv4 address.
    let low: UInt64
    /// Whether it is an IPv4 address.
    public let isIPv4: Bool

    /// The address with these bits, mapped ones unmapped.
    private init(high: UInt64, low: UInt64, isIPv4: Bool) {
        let isMapped = !isIPv4 && high == 0 && low >> 32 == 0xFFFF
        self.high = high
        self.low = isMapped ? low & 0xFFFF_FFFF : low
        self.isIPv4 = isIPv4 || isMapped
    }

    /// The address that a text names, such as `192.0.2.1` or `2001:db8::1`; nil for any other text.
    public init?(_ text: some StringProtocol) {
        guard let address = try? SocketAddress(ipAddress: String(text), port: 0) else { return nil }
        self.init(address)
    }

    /// The address of a peer; nil for one without an IP address (a UNIX domain socket).
    init?(_ peer: SocketAddress) {
        // Where POSIX's `sockaddr_in` and `sockaddr_in6` keep the address, in network order.
        switch peer {
        case .v4(let address):
            let word = withUnsafeBytes(of: address.address) { $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self) }
            self.init(high: 0, low: UInt64(UInt32(bigEndian: word)), isIPv4: true)
        case .v6(let address):
            let words = withUnsafeBytes(of: address.address) { bytes in
                (
                    bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
                    bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
                )
            }
            self.init(high: UInt64(bigEndian: words.0), low: UInt64(bigEndian: words.1), isIPv4: false)
        case .unixDomainSocket:
            return nil
        }
    }

    /// The network that limits count by: an IPv4 address itself, of an IPv6 address its /64, since one subscriber
    /// has all of that.
    var subscriber: IPAddress {
        isIPv4 ? self : IPAddress(high: high, low: 0, isIPv4: false)
    }

    /// The address in its usual form; IPv6 by RFC 5952.
    public var description: String {
        if isIPv4 { return [24, 16, 8, 0].map { String(low >> $0 & 255) }.joined(separator: ".") }
        let groups = [high, low].flatMap { word in [48, 32, 16, 0].map { word >> UInt64($0) & 0xFFFF } }
        guard let zeros = Self.longestZeros(groups) else { return Self.text(groups[...]) }
        return Self.text(groups[..<zeros.lowerBound]) + "::" + Self.text(groups[zeros.upperBound...])
    }

    private static func text(_ groups: ArraySlice<UInt64>) -> String {
        groups.map { String($0, radix: 16) }.joined(separator: ":")
    }

    /// The first of the longest runs of two or more zero groups.
    private static func longestZeros(_ groups: [UInt64]) -> Range<Int>? {
        var best: Range<Int>?
        var start = 0
        for index in 0...groups.count where index == groups.count || groups[index] != 0 {
            if index - start > max(1, best?.count ?? 0) { best = start..<index }
            start = index + 1
        }
        return best
    }
}

/// A block of addresses in CIDR notation (RFC 4632): `10.0.0.0/8`, `fd00::/8`, or a single address.
public struct AddressRange: Sendable, Hashable, CustomStringConvertible {
    private let network: IPAddress
    private let prefix: Int

    /// The block that a text names; nil for any other text. Bits past the prefix may be anything and do not count.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        let bits = address.isIPv4 ? 32 : 128
        guard let prefix = parts.count == 1 ? bits : Int(parts[1]), (0...bits).contains(prefix) else { return nil }
        network = address
        self.prefix = prefix
    }

    /// Whether an address lies in the block. An IPv4 block holds no IPv6 address, nor the other way round.
    public func contains(_ address: IPAddress) -> Bool {
        guard address.isIPv4 == network.isIPv4 else { return false }
        if network.isIPv4 { return (address.low ^ network.low) & Self.mask(prefix + 32) == 0 }
        return (address.high ^ network.high) & Self.mask(min(prefix, 64)) == 0
            && (address.low ^ network.low) & Self.mask(max(prefix - 64, 0)) == 0
    }

    public var description: String { "\(network)/\(prefix)" }

    /// The upper `bits` of a word.
    private static func mask(_ bits: Int) -> UInt64 {
        bits == 0 ? 0 : ~0 << UInt64(64 - bits)
    }
}
