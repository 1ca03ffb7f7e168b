// SPDX-License-Identifier: Apache-2.0

/// Which of a cluster's 16,384 slots a key belongs to.
///
/// The rule is the Redis Cluster specification's: CRC16 (XMODEM: polynomial 0x1021, starting from 0) of the key, modulo the
/// number of slots. Where the key has a `{` and, after the first one, a `}`, and something stands between the first of
/// each, only that is hashed, so that keys which belong together can be kept together.
struct HashSlot: Sendable, Hashable {
    /// How many there are.
    static let count = 16_384

    /// From 0 to 16,383.
    let number: Int

    /// The slot with this number, nil where there is none.
    init?(_ number: Int) {
        guard (0..<Self.count).contains(number) else { return nil }
        self.number = number
    }

    /// The slot of `key`.
    init(of key: some Collection<UInt8>) {
        number = Int(Self.checksum(Self.tag(of: key))) % Self.count
    }

    /// The part of the key that is hashed.
    private static func tag<Key: Collection<UInt8>>(of key: Key) -> Key.SubSequence {
        guard let open = key.firstIndex(of: UInt8(ascii: "{")) else { return key[...] }
        let rest = key[key.index(after: open)...]
        guard let close = rest.firstIndex(of: UInt8(ascii: "}")), close != rest.startIndex else { return key[...] }
        return rest[..<close]
    }

    /// CRC16 (XMODEM) of `bytes`.
    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt16 {
        bytes.reduce(0) { sum, byte in (sum << 8) ^ table[Int(UInt8(truncatingIfNeeded: sum >> 8) ^ byte)] }
    }

    /// What each byte does to the checksum.
    private static let table: [UInt16] = (0..<256).map { byte in
        (0..<8).reduce(UInt16(byte) << 8) { sum, _ in sum & 0x8000 == 0 ? sum << 1 : (sum << 1) ^ 0x1021 }
    }
}
