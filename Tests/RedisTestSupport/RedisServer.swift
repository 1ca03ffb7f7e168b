// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization
internal import Testing

/// A Redis server of one test alone, to be killed, paused and started at will. It writes to its folder only when it is told to
/// SAVE.
package final class RedisServer: Sendable {
    /// What makes a server of the program.
    enum Kind {
        case server
        case sentinel(rules: String)
    }

    /// Its port on 127.0.0.1.
    package let port: Int
    /// Where it stands, with its `dump.rdb` and its `log`.
    package let folder: String
    private let words: [String]
    private let process = Mutex<pid_t?>(nil)

    /// Lends a running server and puts it away.
    ///
    /// - Parameter options: Options of redis-server and their values, such as `["--requirepass", "secret"]`.
    package static func run(_ options: [String] = [], _ body: (RedisServer) async throws -> Void) async throws {
        let server = try await started(options)
        defer { server.putAway() }
        try await body(server)
    }

    /// A running server, which the caller puts away. Its port and the one 10,000 higher, for the cluster's bus, are below those
    /// of outgoing connections; where somebody else has one of them, others are tried.
    static func started(_ options: [String] = [], as kind: Kind = .server) async throws -> RedisServer {
        while true {
            let server = try RedisServer(port: .random(in: 10_000..<20_000), options, kind)
            do {
                try await server.start()
                return server
            } catch let failure as StartFailure {
                server.putAway()
                guard failure.log.contains("Address already in use") else { throw failure }
            }
        }
    }

    private init(port: Int, _ options: [String], _ kind: Kind) throws {
        self.port = port
        // script/with-redis puts away what a test that was interrupted left there.
        let root = ProcessInfo.processInfo.environment["SOJOURN_TEST_REDIS_FOLDER"] ?? NSTemporaryDirectory()
        folder = URL(filePath: root).appending(path: "redis-\(UUID())").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let place = ["--port", "\(port)", "--bind", "127.0.0.1", "--dir", folder, "--logfile", "\(folder)/log"]
        switch kind {
        case .server:
            let habits = ["--save", "", "--enable-debug-command", "local", "--repl-diskless-sync-delay", "0"]
            words = ["redis-server"] + place + habits + options
        case .sentinel(let rules):
            try rules.write(toFile: "\(folder)/rules.conf", atomically: true, encoding: .utf8)
            words = ["redis-server", "\(folder)/rules.conf", "--sentinel"] + place + options
        }
    }

    /// Starts it, and returns once it takes connections.
    package func start() async throws {
        let (log, pid) = ("\(folder)/log", "\(folder)/pid")
        try? FileManager.default.removeItem(atPath: log)
        let started = try Programs.start(words)
        process.withLock { $0 = started }
        try "\(started)".write(toFile: pid, atomically: true, encoding: .utf8)
        try await wait(until: "Redis takes connections") {
            let told = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            if waitpid(started, nil, WNOHANG) == started {
                process.withLock { $0 = nil }
                throw StartFailure(log: told)
            }
            return told.contains("Ready to accept connections") || told.contains("Sentinel ID is")
        }
    }

    /// Kills it, as a crash would (`kill -9`). What was not saved is gone.
    package func kill() {
        process.withLock { process in
            guard let killed = process.take() else { return }
            Foundation.kill(killed, SIGKILL)
            waitpid(killed, nil, 0)
            try? FileManager.default.removeItem(atPath: "\(folder)/pid")
        }
    }

    /// Stops it in its tracks: it takes connections, and answers nothing.
    package func pause() {
        process.withLock { if let process = $0 { Foundation.kill(process, SIGSTOP) } }
    }

    /// Lets it go on.
    package func resume() {
        process.withLock { if let process = $0 { Foundation.kill(process, SIGCONT) } }
    }

    /// Kills it and removes its folder.
    func putAway() {
        kill()
        try? FileManager.default.removeItem(atPath: folder)
    }

    /// What redis-cli prints of a command's answer, or of there being none; `words` may begin with options of its own, such as
    /// `--user`.
    @discardableResult
    package func tell(_ words: String...) async throws -> String {
        let program = ["redis-cli", "-h", "127.0.0.1", "-p", "\(port)", "--no-auth-warning"]
        return try await Programs.run(program + words, mayFail: true)
    }
}

/// A server that ended before it took connections.
struct StartFailure: Error, CustomStringConvertible {
    /// What it had to say.
    let log: String

    var description: String { "Redis did not start: \(log)" }
}
