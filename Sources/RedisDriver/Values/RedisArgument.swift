// SPDX-License-Identifier: Apache-2.0

/// One argument of a command. Whatever it holds arrives as it is: arguments are counted, not quoted.
public struct RedisArgument: Sendable, Hashable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    enum Content: Sendable, Hashable {
        case text(String)
        case integer(Int)
        case bytes([UInt8])
        case runID
    }

    let content: Content

    /// `text` in UTF-8.
    public init(_ text: String) { content = .text(text) }
    /// `number` in decimal digits.
    public init(_ number: Int) { content = .integer(number) }
    /// `bytes` as they are.
    public init(_ bytes: [UInt8]) { content = .bytes(bytes) }
    public init(stringLiteral text: String) { self.init(text) }
    public init(integerLiteral number: Int) { self.init(number) }
    private init(_ content: Content) { self.content = content }

    /// The `run_id` of the very server that the command is sent to: filled in when it is written to a connection. Empty
    /// where the server does not tell (an ACL without `INFO`).
    public static let runID = Self(.runID)
}
