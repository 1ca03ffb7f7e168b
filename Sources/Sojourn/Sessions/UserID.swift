// SPDX-License-Identifier: Apache-2.0

/// The name of a user in the application's own terms: 1 to 50 characters, none of them a control character.
///
/// Fifty is what the retail tables keep (`users.user_id`).
public struct UserID: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The name as given.
    public let text: String

    /// The longest name, in characters (Unicode scalars, as PostgreSQL counts them).
    public static let lengthMax = 50

    /// The user so named; nil where the rule above is broken.
    public init?(_ text: some StringProtocol) {
        let scalars = text.unicodeScalars
        guard (1...Self.lengthMax).contains(scalars.prefix(Self.lengthMax + 1).count),
            !scalars.contains(where: { $0.properties.generalCategory == .control })
        else { return nil }
        self.text = String(text)
    }

    /// A name from a store of ours, believed as it is.
    public init(stored text: String) {
        self.text = text
    }

    // By bytes, as databases compare: Swift's strings are equal where they look alike (é and e with an accent).
    public static func == (left: Self, right: Self) -> Bool { left.text.utf8.elementsEqual(right.text.utf8) }

    public static func < (left: Self, right: Self) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }

    public func hash(into hasher: inout Hasher) {
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }

    public var description: String { text }
}
