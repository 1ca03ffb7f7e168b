// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#else
internal import Darwin
#endif

/// An IPv4 or IPv6 address. An IPv4 address that came in IPv6's clothes (`::ffff:192.0.2.1`) is the IPv4 address.
public struct IPAddress: Sendable, Hashable {
    /// The address, one of IPv4 as `::ffff:a.b.c.d` (RFC 4291, section 2.5.5.2).
    let bits: UInt128
    /// What stands before the 32 bits of an IPv4 address.
    private static let mapped: UInt128 = 0xFFFF_0000_0000

    /// Whether it is of IPv4.
    public var isIPv4: Bool { bits >> 32 == Self.mapped >> 32 }

    /// An address in numbers, as in `192.0.2.1` or `2001:db8::1`; nil for any other text.
    public init?(_ text: some StringProtocol) {
        let text = String(text)
        var v4 = in_addr()
        var v6 = in6_addr()
        if inet_pton(AF_INET, text, &v4) == 1 {
            bits = Self.mapped | UInt128(UInt32(bigEndian: v4.s_addr))
        } else if inet_pton(AF_INET6, text, &v6) == 1 {
            bits = withUnsafeBytes(of: v6) { $0.reduce(0) { $0 << 8 | UInt128($1) } }
        } else {
            return nil
        }
    }
}

extension IPAddress: CustomStringConvertible {
    /// The address in numbers, IPv6 by RFC 5952.
    public var description: String {
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let bytes = (0..<16).map { UInt8(truncatingIfNeeded: bits >> UInt128(120 - 8 * $0)) }
        let isWritten =
            isIPv4
            ? inet_ntop(AF_INET, Array(bytes.suffix(4)), &buffer, socklen_t(buffer.count))
            : inet_ntop(AF_INET6, bytes, &buffer, socklen_t(buffer.count))
        guard isWritten != nil else { return "" }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

extension IPAddress {
    /// The network that limits count by: an IPv4 address itself; of an IPv6 address its /64, since one subscriber has
    /// all of that.
    var subscriber: UInt128 { isIPv4 ? bits : (bits >> 64) << 64 }
}

/// A range of addresses in CIDR notation (RFC 4632), as in `10.0.0.0/8` or `2001:db8::/32`.
public struct AddressRange: Sendable, Hashable {
    /// The range as it was written.
    private let text: String
    /// The bits that all its addresses share, the others zero.
    private let base: UInt128
    /// Ones where the addresses share their bits.
    private let mask: UInt128
    /// Whether it is of IPv4: one of IPv6 holds no IPv4 address, however wide it is.
    private let isIPv4: Bool

    /// A range; an address alone is a range of one. Bits beyond the prefix are ignored. Nil for any other text.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(first) else { return nil }
        let width = first.contains(":") ? 128 : 32
        var length = width
        if parts.count == 2 {
            let digits = parts[1]
            guard digits.allSatisfy(\.isNumber), let number = Int(digits), number <= width else { return nil }
            length = number
        }
        let free = width - length
        self.text = text
        mask = free == 128 ? 0 : ~UInt128.zero << free
        base = address.bits & mask
        isIPv4 = address.isIPv4 && free <= 32
    }

    /// Whether the address is within the range.
    public func contains(_ address: IPAddress) -> Bool {
        address.isIPv4 == isIPv4 && address.bits & mask == base
    }

    /// Whether the text is an address within the range.
    public func contains(_ text: String) -> Bool {
        IPAddress(text).map { contains($0) } ?? false
    }
}

extension AddressRange: CustomStringConvertible {
    /// The range as it was written.
    public var description: String { text }
}
