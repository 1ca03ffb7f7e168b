// SPDX-License-Identifier: Apache-2.0

/// Whether a command is sent again where its connection was lost before its answer had come.
public enum RedisRetry: Sendable, Hashable {
    /// Not where it may have taken effect: the caller is told that its outcome is unknown. A command of which it is
    /// certain that nothing happened is sent again all the same.
    case never
    /// Once, on the next connection: for reads, and for writes whose repetition does no harm.
    case ifInterrupted
}

/// A command, encoded once, where it is made.
///
/// Commands that block (`BLPOP`), that change the connection (`SELECT`, `MULTI`, `CLIENT REPLY`) or that turn it into
/// something else (`SUBSCRIBE`, `MONITOR`) have no place on a shared connection.
public struct RedisCommand: Sendable {
    /// What goes over the wire, but for the run id where that is wanted.
    let wire: [UInt8]
    /// Where in `wire` the run id belongs, ascending.
    let runIDOffsets: [Int]
    /// The key that decides the node of a cluster; nil where any will do.
    let key: String?
    /// The script that it runs, nil for any other command.
    let script: RedisScript?
    /// Whether it may be sent again though its effect is unknown.
    let retry: RedisRetry
    /// Whether `ASKING` goes before it, so that a node of a cluster answers for a slot that is on its way to it.
    private(set) var isAsking = false
    /// Whether it is answered at all: subscriptions are confirmed out of band.
    private(set) var isAnswered = true

    /// `NAME key argument…`.
    ///
    /// - Parameters:
    ///   - name: The command's name. One with two words has the second in `arguments`.
    ///   - key: The first argument, if that is a key.
    ///   - retry: Whether it may be sent again though its outcome is unknown.
    public init(_ name: String, key: String? = nil, _ arguments: [RedisArgument] = [], retry: RedisRetry = .never) {
        self.init([.init(name)], keys: key.map { [$0] } ?? [], arguments, script: nil, retry: retry)
    }

    /// Runs `script` with `keys`, the first of which decides the node of a cluster.
    ///
    /// The source is sent once for each connection, before the script's first use there, and again where the server says
    /// that it does not know it any more (`NOSCRIPT`): the command then runs a little later, after those that followed it.
    public static func script(
        _ script: RedisScript, keys: [String], _ arguments: [RedisArgument] = [], retry: RedisRetry = .never
    ) -> RedisCommand {
        RedisCommand(
            ["EVALSHA", .init(script.sha), .init(keys.count)], keys: keys, arguments, script: script, retry: retry)
    }

    /// The same command, which the server does not answer in its place.
    var withoutAnswer: Self {
        var copy = self
        copy.isAnswered = false
        return copy
    }

    /// The same command behind `ASKING`.
    var asking: Self {
        var copy = self
        copy.isAsking = true
        return copy
    }

    private init(
        _ beginning: [RedisArgument], keys: [String], _ arguments: [RedisArgument], script: RedisScript?,
        retry: RedisRetry
    ) {
        (wire, runIDOffsets) = CommandEncoder(beginning, keys, arguments).encode()
        key = keys.first
        self.script = script
        self.retry = retry
    }
}

/// A script of Lua, with its SHA-1, by which servers know it.
public struct RedisScript: Sendable {
    private final class Storage: Sendable {
        let source: String
        let sha: String

        init(_ source: String) {
            self.source = source
            sha = SHA1.hexadecimal(of: source)
        }
    }

    private let storage: Storage

    /// The script with this source. Make it once and keep it.
    public init(_ source: String) {
        storage = Storage(source)
    }

    /// Its source.
    public var source: String { storage.source }
    /// The SHA-1 of its source in 40 hexadecimal digits.
    public var sha: String { storage.sha }

    /// Makes it known to a server.
    var loading: RedisCommand { RedisCommand("SCRIPT", ["LOAD", .init(source)]) }
}
