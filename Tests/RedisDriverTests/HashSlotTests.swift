// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RedisDriver

/// The slot of a key, as the Redis Cluster specification has it.
@Suite("Hash slots") struct HashSlotTests {
    @Test("the checksum is CRC16 XMODEM") func checksum() {
        #expect(HashSlot.checksum("123456789".utf8) == 0x31C3)
        #expect(HashSlot.checksum([]) == 0)
    }

    @Test(
        "a key's slot is the one that the server says",
        arguments: [
            ("", 0), ("foo", 12182), ("bar", 5061), ("somekey", 11058), ("hello", 866), ("a", 15495), ("키", 10996),
        ])
    func keys(key: String, slot: Int) {
        #expect(HashSlot(of: key.utf8).number == slot)
    }

    @Test(
        "what stands in the first braces is hashed, unless it is nothing",
        arguments: [
            ("{user1000}.following", "user1000"), ("foo{bar}{zap}", "bar"), ("foo{{bar}}zap", "{bar"),
            ("}{a}", "a"), ("a}b{c}d", "c"), ("{a}", "a"), ("x{a}b}", "a"),
        ])
    func tags(key: String, hashed: String) {
        #expect(HashSlot(of: key.utf8) == HashSlot(of: hashed.utf8))
    }

    @Test(
        "a key without a whole tag is hashed whole",
        arguments: ["foo{}{bar}", "{}", "{", "}", "foo{bar", "foo}bar{", "a{}b"])
    func whole(key: String) {
        #expect(HashSlot(of: key.utf8).number == Int(HashSlot.checksum(key.utf8)) % 16_384)
    }

    @Test("there are 16,384 slots") func bounds() {
        #expect(HashSlot(-1) == nil)
        #expect(HashSlot(0)?.number == 0)
        #expect(HashSlot(16_383)?.number == 16_383)
        #expect(HashSlot(16_384) == nil)
    }
}
