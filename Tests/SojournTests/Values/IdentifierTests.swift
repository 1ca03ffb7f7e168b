// SPDX-License-Identifier: Apache-2.0

internal import SojournTesting
internal import Testing

@testable internal import Sojourn

@Suite("Ids and tokens")
struct IdentifierTests {
    private let random = RandomSource.seeded(7)

    @Test("a UUID survives its text and its bytes")
    func uuidRoundTrips() {
        for _ in 0..<200 {
            let uuid = UUIDBytes(high: random.next(), low: random.next())
            #expect(UUIDBytes(uuid.text) == uuid)
            #expect(UUIDBytes(uuid.text.uppercased()) == uuid)
            #expect(UUIDBytes(bytes: uuid.bytes) == uuid)
        }
        let known = UUIDBytes(high: 0x0011_2233_4455_6677, low: 0x8899_AABB_CCDD_EEFF)
        #expect(known.text == "00112233-4455-6677-8899-aabbccddeeff")
    }

    @Test(
        "what is no UUID is refused",
        arguments: [
            "", "00112233-4455-6677-8899-aabbccddeef", "00112233-4455-6677-8899-aabbccddeeff0",
            "001122334455-6677-8899-aabbccddeeff", "00112233445566778899aabbccddeeff",
            "{00112233-4455-6677-8899-aabbccddeeff}", "g0112233-4455-6677-8899-aabbccddeeff",
            "00112233-4455-6677-8899-aabbccddeef\u{0301}", "0-112233-4455-6677-8899-aabbccddeeff",
        ])
    func refusesUUID(_ text: String) {
        #expect(UUIDBytes(text) == nil)
        #expect(SessionID(text) == nil)
    }

    @Test("our ids are version 7, and ordered by their time")
    func version7() {
        var last = SessionID(at: ManualClock.start, random: random)
        for step in 1...50 {
            let id = SessionID(at: ManualClock.start + .milliseconds(step), random: random)
            #expect(last < id)
            #expect(id.uuid.high >> 12 & 0xF == 7 && id.uuid.low >> 62 == 2)
            #expect(id.uuid.high >> 16 == UInt64(ManualClock.start.microseconds / 1000 + Int64(step)))
            last = id
        }
    }

    @Test("Base64 for URLs is canonical: no two texts name the same bytes")
    func base64() {
        for count in 0..<70 {
            let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            #expect(Base64URL.decode(Base64URL.encode(bytes).utf8) == bytes)
        }
        #expect(Base64URL.encode([0xFB, 0xFF]) == "-_8")
        for text in ["A", "AB", "AAB", "AA==", "A+AA", "A/AA", "AA A", "ÄAAA", "AAAAA"] {
            #expect(Base64URL.decode(text.utf8) == nil, "\(text)")
        }
    }

    @Test("a token survives its text, which is 43 characters")
    func tokenRoundTrips() {
        let token = SessionToken(id: SessionID(at: ManualClock.start, random: random), secret: secret())
        #expect(token.text.count == SessionToken.length)
        #expect(SessionToken(token.text) == token)
        #expect(SessionToken(token.text)?.digest.matches(token.digest) == true)
    }

    @Test("a text that is no token is nil")
    func refusesTokens() {
        let good = SessionToken(id: SessionID(at: ManualClock.start, random: random), secret: secret()).text
        let texts = [
            "", "A", String(good.dropLast()), good + "A", good + " ", " " + good, String(good.dropLast()) + "=",
            String(good.dropLast()) + "é", String(good.dropLast()) + "\u{0}", String(good.dropFirst(2)) + "++",
            String(repeating: "A", count: 100_000), String(repeating: "🙂", count: 43), "Bearer " + good,
        ]
        for text in texts { #expect(SessionToken(text) == nil) }
        // Of the last character two bits are not used; only zeros are canonical.
        let foreign = "BCDFGHIJKLMNOPQRSTUVWXYZ".filter { !"AEIMQUYcgkosw048".contains($0) }
        for character in foreign { #expect(SessionToken(String(good.dropLast()) + String(character)) == nil) }
    }

    @Test("neither token nor digest shows itself in any print (law 10)")
    func redacts() {
        let token = SessionToken(id: SessionID(at: ManualClock.start, random: random), secret: secret())
        let issued = ["token": token]
        var prints: [String] = []
        for value in [token, token.secret, token.digest, issued, Optional(token) as Any] as [Any] {
            var dumped = ""
            dump(value, to: &dumped)
            prints += [String(describing: value), String(reflecting: value), "\(value)", dumped]
        }
        let bytes = token.digest.bytes.prefix(4).map(String.init).joined(separator: ", ")
        for print in prints {
            #expect(print.contains("redacted") && !print.contains(token.text) && !print.contains(bytes))
            #expect(!print.contains("\(token.secret.bits.high)"))
        }
        #expect(Mirror(reflecting: token).children.isEmpty && Mirror(reflecting: token.digest).children.isEmpty)
    }

    @Test("digests match where they are equal, and only there")
    func matches() {
        let one = TestSecrets.digest(1)
        #expect(one.matches(TestSecrets.digest(1)))
        #expect(!one.matches(TestSecrets.digest(2)))
        #expect(!one.matches(SecretDigest(bytes: Array(one.bytes.dropLast()))))
        #expect(!one.matches(SecretDigest(bytes: [])))
    }

    @Test("a sealed successor opens with the old token and no other")
    func seals() throws {
        let id = SessionID(at: ManualClock.start, random: random)
        let (old, new) = (SessionToken(id: id, secret: secret()), SessionToken(id: id, secret: secret()))
        let sealed = try SealedSuccessor(new, under: old)
        #expect(try SealedSuccessor(bytes: sealed.bytes).open(with: old) == new)
        let elsewhere = SessionToken(id: SessionID(at: ManualClock.start, random: random), secret: old.secret)
        for wrong in [new, elsewhere] {
            #expect { try sealed.open(with: wrong) } throws: { ($0 as? SojournError)?.code == .storeDamaged }
        }
        var damaged = sealed.bytes
        damaged[20] ^= 1
        for bytes in [damaged, [], Array(sealed.bytes.dropLast())] {
            #expect(throws: SojournError.self) { try SealedSuccessor(bytes: bytes).open(with: old) }
        }
    }

    @Test(
        "a user's id has 1 to 50 characters, none of them a control character",
        arguments: [
            ("alice", true), ("", false), (String(repeating: "ü", count: 50), true),
            (String(repeating: "a", count: 51), false), ("a\nb", false), ("a\u{0}", false), ("家族 🙂", true),
        ])
    func userIDs(_ text: String, _ isGood: Bool) {
        #expect((UserID(text) != nil) == isGood)
    }

    private func secret() -> SessionSecret { SessionSecret(random: random) }
}
