// SPDX-License-Identifier: Apache-2.0

/// What went wrong between us and Redis.
///
/// `description` is safe to show to a client: it holds neither keys nor values. `debugDescription` is for logs and adds
/// what the server said; it may quote arguments of the command at fault, never a password.
public struct RedisError: Error, Sendable, Hashable {
    /// The kind of failure. Cases may be added: a switch needs a default.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Hidden: String {
            case unreachable, server, timedOut, queueFull, shutDown, unexpectedResult, configuration, connectionLost
            case cancelled, protocolViolation
        }
        private let hidden: Hidden
        private init(_ hidden: Hidden) { self.hidden = hidden }

        /// No connection can be had: nobody answers, the server is still loading, or it refuses us.
        public static let unreachable = Self(.unreachable)
        /// The server answered the command with an error; `serverCode` says which.
        public static let server = Self(.server)
        /// No answer within the time given.
        public static let timedOut = Self(.timedOut)
        /// Too many wait for answers already.
        public static let queueFull = Self(.queueFull)
        /// The client was closed.
        public static let shutDown = Self(.shutDown)
        /// The answer does not have the shape that was asked of it: a mistake in our command or in what reads it.
        public static let unexpectedResult = Self(.unexpectedResult)
        /// The configuration cannot be used.
        public static let configuration = Self(.configuration)
        /// The connection broke before the answer had come.
        public static let connectionLost = Self(.connectionLost)
        /// The calling task was cancelled.
        public static let cancelled = Self(.cancelled)
        /// The server sent what is not RESP, or more of it than the limits allow. The connection was given up.
        public static let protocolViolation = Self(.protocolViolation)

        public var description: String { hidden.rawValue }
    }

    /// What is known of the command's effect.
    public enum Outcome: Sendable, Hashable {
        /// It had none, for certain: it was not sent, or it was refused before it began.
        case nothingHappened
        /// It was sent, and what came of it was not seen; or it is a script that failed on its way.
        case unknown
    }

    /// The kind of failure.
    public let code: Code
    /// What is known of the command's effect.
    public var outcome: Outcome = .nothingHappened
    /// The first word of the server's error: `ERR`, `NOSCRIPT`, `MOVED`, `READONLY` and so on; nil where it said nothing.
    public var serverCode: String?
    /// One or two sentences of ours, or the server's own for `.server`.
    public let message: String
    /// Where in our source the failure was noticed.
    public let file: String
    /// See `file`.
    public let line: Int
    /// Whether trying to connect again will not cure it, so that nobody should wait for that.
    var isLasting = false

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

    /// An error of the server, as the failure of a command that either ran or was refused, and was no script.
    init(_ reply: RedisErrorReply, file: String = #fileID, line: Int = #line) {
        self.init(.server, reply.message, file: file, line: line)
        serverCode = reply.code
    }

    /// Whether the same command, sent again later, may well succeed, and nothing of it happened.
    public var isRetriable: Bool {
        guard outcome == .nothingHappened else { return false }
        if code == .server { return serverCode.map(Self.passing.contains) ?? false }
        return [.unreachable, .connectionLost, .timedOut, .queueFull].contains(code) && !isLasting
    }

    /// Codes of the server that tell of a state which passes.
    private static let passing: Set<String> = [
        "LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "READONLY", "CLUSTERDOWN", "NOREPLICAS",
        "MOVED", "ASK",
    ]

    /// The same failure with another outcome.
    func with(_ outcome: Outcome) -> Self {
        var copy = self
        copy.outcome = outcome
        return copy
    }
}

extension RedisError: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String {
        switch code {
        case .server: "Redis refused the command (\(serverCode ?? "no code"))."
        case .unreachable: "Redis cannot be reached."
        default: message
        }
    }

    public var debugDescription: String {
        let tail = outcome == .unknown ? "; outcome: unknown" : ""
        return "RedisError.\(code) at \(file):\(line): \(message)\(tail)"
    }
}
