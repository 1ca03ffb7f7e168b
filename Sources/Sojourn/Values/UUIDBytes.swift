// SPDX-License-Identifier: Apache-2.0

/// The sixteen bytes of a UUID (RFC 9562) and their text, shared by every id that we mint.
public struct UUIDBytes: Sendable, Hashable, Comparable {
    /// Bytes 0 to 7, the first byte highest.
    public let high: UInt64
    /// Bytes 8 to 15.
    public let low: UInt64

    /// A UUID from its two halves, taken as they are.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// A new version 7 UUID (RFC 9562, 5.7): 48 bits of milliseconds at `time`, 74 random bits.
    public init(version7At time: Timestamp, random: RandomSource) {
        self.init(version7At: time, bits: (random.next(), random.next()))
    }

    /// The version 7 UUID at `time` whose random bits are taken out of `bits`.
    public init(version7At time: Timestamp, bits: (UInt64, UInt64)) {
        let milliseconds = UInt64(max(0, time.microseconds / 1000)) & 0xFFFF_FFFF_FFFF
        high = milliseconds << 16 | 0x7000 | bits.0 & 0x0FFF
        low = bits.1 & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    }

    /// Sixteen bytes in network order; nil where there are not sixteen.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        var words = (UInt64(0), UInt64(0))
        for (index, byte) in bytes.enumerated() {
            if index < 8 { words.0 = words.0 << 8 | UInt64(byte) } else { words.1 = words.1 << 8 | UInt64(byte) }
        }
        self.init(high: words.0, low: words.1)
    }

    /// The form `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`, of either case; nil for anything else.
    public init?(_ text: some StringProtocol) {
        var nibbles = 0
        var words = (UInt64(0), UInt64(0))
        var position = 0
        for byte in text.utf8 {
            defer { position += 1 }
            if position == 8 || position == 13 || position == 18 || position == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard nibbles < 32, let value = Self.nibble(byte) else { return nil }
            if nibbles < 16 { words.0 = words.0 << 4 | value } else { words.1 = words.1 << 4 | value }
            nibbles += 1
        }
        guard nibbles == 32, position == 36 else { return nil }
        self.init(high: words.0, low: words.1)
    }

    /// The sixteen bytes in network order.
    public var bytes: [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 16) { buffer, count in
            for index in 0..<8 {
                buffer[index] = UInt8(truncatingIfNeeded: high >> UInt64(56 - 8 * index))
                buffer[index + 8] = UInt8(truncatingIfNeeded: low >> UInt64(56 - 8 * index))
            }
            count = 16
        }
    }

    /// The text form in lower case.
    public var text: String {
        String(unsafeUninitializedCapacity: 36) { buffer in
            var at = 0
            for index in 0..<32 {
                if index == 8 || index == 12 || index == 16 || index == 20 {
                    buffer[at] = UInt8(ascii: "-")
                    at += 1
                }
                let word = index < 16 ? high : low
                let nibble = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * (index % 16)) & 15)
                buffer[at] = nibble < 10 ? 48 + nibble : 87 + nibble
                at += 1
            }
            return at
        }
    }

    public static func < (left: Self, right: Self) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }

    private static func nibble(_ byte: UInt8) -> UInt64? {
        switch byte {
        case 48...57: UInt64(byte - 48)
        case 97...102: UInt64(byte - 87)
        case 65...70: UInt64(byte - 55)
        default: nil
        }
    }
}
