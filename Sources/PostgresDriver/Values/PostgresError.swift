// SPDX-License-Identifier: Apache-2.0

/// What went wrong between us and PostgreSQL.
///
/// `description` is safe to show to a client: it holds neither values nor names of the schema. `debugDescription` is
/// for logs and adds what the server said; it may quote values of the statement at fault, never a password.
public struct PostgresError: Error, Sendable {
    /// The kind of failure. Cases may be added: a switch needs a default.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Hidden: String {
            case unreachable, server, timedOut, queueFull, shutDown, unexpectedResult, configuration, connectionLost
            case cancelled, invalidArgument, pooled
        }
        private let hidden: Hidden
        private init(_ hidden: Hidden) { self.hidden = hidden }

        /// No connection can be had: nobody answers, or the server refuses us. Nothing was sent.
        public static let unreachable = Self(.unreachable)
        /// The server refused the statement; `sqlState` says why.
        public static let server = Self(.server)
        /// No answer within the time given.
        public static let timedOut = Self(.timedOut)
        /// Too many are waiting already.
        public static let queueFull = Self(.queueFull)
        /// The client was closed.
        public static let shutDown = Self(.shutDown)
        /// The result does not have the shape that was asked of it: a mistake in our SQL or in what reads it.
        public static let unexpectedResult = Self(.unexpectedResult)
        /// The configuration cannot be used.
        public static let configuration = Self(.configuration)
        /// The connection broke before the answer had come.
        public static let connectionLost = Self(.connectionLost)
        /// The calling task was cancelled.
        public static let cancelled = Self(.cancelled)
        /// An argument cannot be sent.
        public static let invalidArgument = Self(.invalidArgument)
        /// A transaction pooler stands before the server and cannot do this.
        public static let pooled = Self(.pooled)

        public var description: String { hidden.rawValue }
    }

    /// What is known of the statement's effect.
    public enum Outcome: Sendable, Hashable {
        /// It had none, for certain: it was not sent, or it was rolled back.
        case nothingHappened
        /// It was sent, and neither its commit nor its failure was seen.
        case unknown
    }

    /// The kind of failure.
    public let code: Code
    /// What is known of the statement's effect.
    public var outcome: Outcome = .nothingHappened
    /// The server's code, five characters, as "Appendix A" of its manual lists them; nil where it said nothing.
    public var sqlState: String?
    /// One or two sentences of ours, or the server's own for `.server`.
    public let message: String
    /// The server's detail. It may quote values.
    public var detail: String?
    /// The server's hint.
    public var hint: String?
    /// The constraint that was violated.
    public var constraint: String?
    /// The table at fault.
    public var table: String?
    /// The column at fault.
    public var column: String?
    /// Where in our source the failure was noticed.
    public let file: String
    /// See `file`.
    public let line: Int

    /// A failure of kind `code`, noticed where this is called.
    public init(
        _ code: Code, _ message: String, outcome: Outcome = .nothingHappened, file: String = #fileID, line: Int = #line
    ) {
        self.code = code
        self.message = message
        self.outcome = outcome
        self.file = file
        self.line = line
    }

    /// Whether the same unit or transaction, run again from its start, may well succeed: a serialization failure
    /// (40001), a deadlock (40P01), or a server that could not be reached; and nothing of it happened.
    public var isRetriable: Bool {
        guard outcome == .nothingHappened else { return false }
        if let sqlState { return ["40001", "40P01"].contains(sqlState) || sqlState.hasPrefix("57P") }
        return [.unreachable, .connectionLost, .timedOut, .queueFull].contains(code)
    }

    /// The same failure with another outcome.
    func with(_ outcome: Outcome) -> Self {
        var copy = self
        copy.outcome = outcome
        return copy
    }
}

extension PostgresError: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String {
        switch code {
        case .server: "The database refused the statement (\(sqlState ?? "no code"))."
        case .unreachable: "The database cannot be reached."
        default: message
        }
    }

    public var debugDescription: String {
        let facts: [(String, String?)] = [
            ("SQLSTATE", sqlState), ("detail", detail), ("hint", hint), ("constraint", constraint), ("table", table),
            ("column", column), ("outcome", outcome == .unknown ? "unknown" : nil),
        ]
        let tail = facts.compactMap { name, value in value.map { "; \(name): \($0)" } }.joined()
        return "PostgresError.\(code) at \(file):\(line): \(message)\(tail)"
    }
}
