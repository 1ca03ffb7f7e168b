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

    /// Which run of which server the command is sent to: filled in when it is written to a connection, another one after
    /// every start and every promotion. 40 characters, of its `run_id` and `master_replid2`. Empty where the server does not
    /// tell (an ACL without `INFO`).
    public static let runID = Self(.runID)
}
