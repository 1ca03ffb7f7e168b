// SPDX-License-Identifier: Apache-2.0

import Sojourn
import Testing

@testable import SojournRedis

@Suite("A copy's bytes")
struct PackedRecordTests {
    private static let id = SessionID(UUIDBytes(high: 1, low: 2))

    /// A session that has everything.
    private static let full = SessionRecord(
        session: Session(
            id: id, userID: UserID(stored: "köln"), type: .voice, metadata: JSONDocument(["a": .string("ä")]),
            claims: JSONDocument(stored: #"{"role":"admin"}"#), version: 3, createdAt: Timestamp(microseconds: -1),
            lastActivity: Timestamp(seconds: 20), expiresAt: Timestamp(seconds: 30),
            absoluteExpiresAt: Timestamp(seconds: 40), requestCount: 5, turnCount: 6, ipAddress: "::1", userAgent: "",
            life: .microseconds(7), renewal: .onAccess, end: SessionEnd(at: Timestamp(seconds: 25), reason: .logout)),
        digest: SecretDigest(bytes: [1, 2]),
        previous: PreviousSecret(
            digest: SecretDigest(bytes: [3]), until: Timestamp(seconds: 22), successorSealed: [4, 5]),
        epoch: 9)

    /// A session that has nothing but what it must have.
    private static let bare = SessionRecord(
        NewSession(id: id, digest: nil), at: Timestamp(seconds: 1), user: .first)

    @Test("are read as they were written", arguments: [full, bare])
    func bothWays(record: SessionRecord) {
        let image = SessionImage(record: record, at: Timestamp(microseconds: -2))
        let bytes = PackedRecord.pack(image, era: 7)
        #expect(PackedRecord.unpack(bytes, of: Self.id, era: 7) == image)
    }

    @Test("of another era, cut short, too long or changed are no copy, or another one, and never a trap")
    func foreign() {
        let image = SessionImage(record: Self.full, at: Timestamp(seconds: 26))
        let bytes = PackedRecord.pack(image, era: 7)
        #expect(PackedRecord.unpack(bytes, of: Self.id, era: 8) == nil)
        #expect(PackedRecord.unpack(bytes + [0], of: Self.id, era: 7) == nil)
        for count in bytes.indices { #expect(PackedRecord.unpack(Array(bytes[..<count]), of: Self.id, era: 7) == nil) }
        for place in bytes.indices {
            for byte in [0x7F, 0x80, 0xFF] as [UInt8] where bytes[place] != byte {
                var changed = bytes
                changed[place] = byte
                #expect(PackedRecord.unpack(changed, of: Self.id, era: 7) != image)
            }
        }
    }
}
