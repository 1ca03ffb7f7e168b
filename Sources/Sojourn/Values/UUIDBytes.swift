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
        String(unsafeUninitializedCapacity: Self.textBytes) { write(to: $0) }
    }

    /// How long the text form is.
    static let textBytes = 36

    /// Writes the text form to the beginning of `buffer`, and returns how many bytes that are.
    func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        precondition(buffer.count >= Self.textBytes, "There is no room for a UUID.")
        let bytes = UnsafeMutableRawBufferPointer(buffer)
        let (first, second) = (Self.digits(high >> 32), Self.digits(high & 0xFFFF_FFFF))
        let (third, fourth) = (Self.digits(low >> 32), Self.digits(low & 0xFFFF_FFFF))
        bytes.storeBytes(of: first.bigEndian, as: UInt64.self)
        bytes.storeBytes(of: UInt32(second >> 32).bigEndian, toByteOffset: 9, as: UInt32.self)
        bytes.storeBytes(of: UInt32(truncatingIfNeeded: second).bigEndian, toByteOffset: 14, as: UInt32.self)
        bytes.storeBytes(of: UInt32(third >> 32).bigEndian, toByteOffset: 19, as: UInt32.self)
        bytes.storeBytes(of: UInt32(truncatingIfNeeded: third).bigEndian, toByteOffset: 24, as: UInt32.self)
        bytes.storeBytes(of: fourth.bigEndian, toByteOffset: 28, as: UInt64.self)
        (bytes[8], bytes[13], bytes[18], bytes[23]) = (45, 45, 45, 45)  // -
        return Self.textBytes
    }

    /// The eight hexadecimal digits of 32 bits as text, the first byte highest: each nibble in a byte of its own, and all eight
    /// made digits at once.
    private static func digits(_ bits: UInt64) -> UInt64 {
        var nibbles = (bits | bits << 16) & 0x0000_FFFF_0000_FFFF
        nibbles = (nibbles | nibbles << 8) & 0x00FF_00FF_00FF_00FF
        nibbles = (nibbles | nibbles << 4) & 0x0F0F_0F0F_0F0F_0F0F
        // 1 where a nibble is ten or more.
        let letters = (nibbles + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return nibbles + 0x3030_3030_3030_3030 + letters * 39
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
