// SPDX-License-Identifier: Apache-2.0

internal import Crypto
public import Sojourn

/// The key of a trusted back end. It opens everything, and prints as `<redacted>` (law 10).
public struct ServiceKey: Sendable, Hashable {
    /// The key as it is sent. Secret.
    public let text: String
    /// What presented keys are compared with.
    private let digest: [UInt8]

    /// What every key begins with.
    public static let prefix = "sjk_"
    /// The shortest and the longest key, in characters, its prefix included.
    public static let lengths = 20...256

    /// A key from its text; nil where it does not begin with `sjk_`, is shorter or longer than `lengths`, or has
    /// characters other than visible ASCII ones.
    public init?(_ text: some StringProtocol) {
        guard text.hasPrefix(Self.prefix), Self.lengths.contains(text.utf8.count),
            text.utf8.allSatisfy({ (33...126).contains($0) && $0 != UInt8(ascii: ",") })
        else { return nil }
        self.text = String(text)
        digest = Array(SHA256.hash(data: Array(text.utf8)))
    }

    /// A new key of 256 random bits.
    public init(random: RandomSource) {
        let bits = UUIDBytes(high: random.next(), low: random.next()).bytes
        text = Self.prefix + Base64URL.encode(bits + UUIDBytes(high: random.next(), low: random.next()).bytes)
        digest = Array(SHA256.hash(data: Array(text.utf8)))
    }

    /// Whether this is the key that somebody presented, in a time that tells nothing about it.
    func matches(_ presented: some StringProtocol) -> Bool {
        let other = SHA256.hash(data: Array(presented.utf8))
        return zip(digest, other).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

extension ServiceKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<redacted>" }
    public var debugDescription: String { "<redacted>" }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
