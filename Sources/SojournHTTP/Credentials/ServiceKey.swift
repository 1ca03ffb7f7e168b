// SPDX-License-Identifier: Apache-2.0

internal import Crypto

/// A key that a trusted service shows. It does not print: a description, a dump or a log line says `<redacted>` (law 10).
public struct ServiceKey: Sendable, Hashable {
    /// What every key begins with, so that scanners for leaked secrets know it.
    public static let prefix = "sjk_"
    /// How many characters a key has at least, its beginning included.
    public static let lengthMin = 32

    /// The key itself, to compare with; never to be shown.
    public let secret: String

    /// A key; nil for a text that begins otherwise, is too short, or has other characters than visible ASCII.
    public init?(_ secret: String) {
        let isVisible = secret.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        guard secret.hasPrefix(Self.prefix), secret.utf8.count >= Self.lengthMin, isVisible else { return nil }
        self.secret = secret
    }
}

extension ServiceKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Nothing of the key.
    public var description: String { "<redacted>" }
    /// Nothing of the key.
    public var debugDescription: String { description }
    /// A mirror without children.
    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}

extension ServiceKey {
    /// Whether this is the key that somebody presented, in a time that tells nothing about it: digests are compared,
    /// of the same length whatever was presented, and to the last byte.
    func matches(_ presented: some StringProtocol) -> Bool {
        let own = SHA256.hash(data: Array(secret.utf8))
        return zip(own, SHA256.hash(data: Array(presented.utf8))).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
