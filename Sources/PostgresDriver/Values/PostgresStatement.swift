// SPDX-License-Identifier: Apache-2.0

/// A statement's text and the types of its parameters `$1`, `$2`, ….
///
/// Make one once, as a `static let`, and use it for every call: it is found again in a connection's prepared
/// statements by the identity of its storage, and its hash is computed once.
public struct PostgresStatement: Sendable, Hashable {
    /// What copies of a statement share.
    private final class Content: Sendable {
        let sql: String
        let types: [PostgresType]
        let isPrepared: Bool
        let hash: Int
        let containsNUL: Bool

        init(sql: String, types: [PostgresType], isPrepared: Bool) {
            self.sql = sql
            self.types = types
            self.isPrepared = isPrepared
            var hasher = Hasher()
            hasher.combine(sql)
            hasher.combine(types)
            hash = hasher.finalize()
            containsNUL = sql.utf8.contains(0)
        }
    }

    private let content: Content

    /// One statement (not several divided by semicolons).
    ///
    /// - Parameters:
    ///   - types: What the arguments are sent as; parameters beyond the list are inferred by the server.
    ///   - isPrepared: Whether a connection keeps it prepared after the first use. False for what runs once.
    public init(_ sql: String, _ types: [PostgresType] = [], isPrepared: Bool = true) {
        content = Content(sql: sql, types: types, isPrepared: isPrepared)
    }

    /// The text.
    public var sql: String { content.sql }
    /// The types of the parameters.
    public var types: [PostgresType] { content.types }
    /// Whether a connection keeps it prepared after the first use.
    public var isPrepared: Bool { content.isPrepared }

    /// Whether the text cannot be sent.
    var containsNUL: Bool { content.containsNUL }

    public static func == (one: Self, other: Self) -> Bool {
        one.content === other.content
            || one.content.hash == other.content.hash && one.sql == other.sql && one.types == other.types
                && one.isPrepared == other.isPrepared
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(content.hash)
    }
}

/// A statement with its arguments.
public struct PostgresCall: Sendable {
    /// What is to be run.
    public let statement: PostgresStatement
    /// The values of its parameters.
    public let arguments: PostgresArguments

    /// Runs `statement` with `arguments`.
    public init(_ statement: PostgresStatement, _ arguments: PostgresArguments = .init()) {
        self.statement = statement
        self.arguments = arguments
    }

    /// Runs `sql` once, without arguments, and does not keep it prepared.
    public init(once sql: String) {
        self.init(PostgresStatement(sql, isPrepared: false))
    }
}

extension PostgresCall {
    /// Most parameters a statement may have: the protocol counts them in 16 bits.
    static let argumentsMax = 65_535

    /// Why the call cannot be sent, or nil.
    var refusal: PostgresError? {
        if let place = arguments.placeOfNUL {
            return PostgresError(
                .invalidArgument, "Argument $\(place) contains a NUL character, which PostgreSQL cannot store in text.")
        }
        if arguments.count > Self.argumentsMax {
            return PostgresError(
                .invalidArgument, "A statement takes at most \(Self.argumentsMax) arguments, not \(arguments.count).")
        }
        if statement.containsNUL {
            return PostgresError(.invalidArgument, "The statement's text contains a NUL character.")
        }
        return nil
    }
}
