// SPDX-License-Identifier: Apache-2.0

internal import Crypto

/// The bearer token of a session: base64url of its id and 16 random bytes, 43 characters.
///
/// It prints as `<redacted>` (law 10). Only `text` gives it away, for the one answer that hands it to its owner.
public struct SessionToken: Sendable, Hashable {
    /// The session that the token claims to open.
    public let id: SessionID
    /// The random half, which only the owner knows.
    let secret: SessionSecret

    /// The token of a session and its secret.
    init(id: SessionID, secret: SessionSecret) {
        self.id = id
        self.secret = secret
    }

    /// Reads a token's text. Empty, short, long, non-ASCII and non-canonical texts are nil, at constant cost:
    /// no text of another length is looked at (law 2).
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == Self.length else { return nil }
        var text = String(text)
        guard let bytes = text.withUTF8({ Base64URL.decode($0) }), let uuid = UUIDBytes(bytes: bytes[..<16]),
            let secret = UUIDBytes(bytes: bytes[16...])
        else { return nil }
        self.init(id: SessionID(uuid), secret: SessionSecret(bits: secret))
    }

    /// The length of a token's text, in characters.
    public static let length = 43

    /// The token as its owner sends it. Secret: give it to the owner and to no log.
    public var text: String {
        Base64URL.encode(id.uuid.bytes + secret.bits.bytes)
    }

    /// What a store keeps of the secret.
    public var digest: SecretDigest { secret.digest }
}

extension SessionToken: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<redacted>" }
    public var debugDescription: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// The 128 random bits of a token.
struct SessionSecret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The bits, in no format.
    let bits: UUIDBytes

    init(bits: UUIDBytes) {
        self.bits = bits
    }

    init(random: RandomSource) {
        bits = UUIDBytes(high: random.next(), low: random.next())
    }

    var digest: SecretDigest {
        SecretDigest(bytes: Array(SHA256.hash(data: bits.bytes)))
    }

    var description: String { "<redacted>" }
    var debugDescription: String { "<redacted>" }
    var customMirror: Mirror { Mirror(self, children: []) }
}

/// SHA-256 of a token's secret: all that is ever stored of it.
///
/// It prints as `<redacted>` as well: a digest in a log would let its reader confirm a guess.
public struct SecretDigest: Sendable, Hashable {
    /// The 32 bytes, as stores keep them.
    public let bytes: [UInt8]

    /// A digest from a store.
    public init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// Whether both are the same digest, in a time that does not depend on where they differ.
    public func matches(_ other: SecretDigest) -> Bool {
        guard bytes.count == other.bytes.count else { return false }
        var difference: UInt8 = 0
        for index in bytes.indices { difference |= bytes[index] ^ other.bytes[index] }
        return difference == 0
    }
}

extension SecretDigest: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<redacted>" }
    public var debugDescription: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
