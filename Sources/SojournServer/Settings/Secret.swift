// SPDX-License-Identifier: Apache-2.0

/// A password. It does not print: a description, a dump or a log line says `<redacted>` (law 10).
public struct Secret: Sendable, Hashable {
    /// The password itself, to log in with; never to be shown.
    public let text: String

    /// A secret of any text.
    public init(_ text: String) {
        self.text = text
    }
}

extension Secret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// Nothing of the secret.
    public var description: String { "<redacted>" }
    /// Nothing of the secret.
    public var debugDescription: String { description }
    /// A mirror without children.
    public var customMirror: Mirror { Mirror(self, children: [], displayStyle: .struct) }
}
