// SPDX-License-Identifier: Apache-2.0

internal import CPipe
internal import Foundation

/// Where the password comes from. It is asked for at every connect, since some live for minutes only (the tokens of
/// cloud services), and it is never printed.
public enum DriverPassword: Sendable {
    /// None.
    case none
    /// This one.
    case fixed(String)
    /// The first line of a file.
    case file(String)
    /// The first line that a program writes; the first element is its name or path, the others its arguments. What it
    /// writes to standard error goes to ours.
    case command([String])
}

extension DriverPassword: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "<redacted>" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(reflecting: description) }
}

/// Why a password cannot be had.
package struct PasswordFailure: Error {
    /// The end of a sentence that begins with whose password it is. Quotes nothing of it.
    package let reason: String
}

extension DriverPassword {
    /// The password now, nil for none. Blocks the thread for at most `timeout`.
    package func text(timeout: Duration) throws(PasswordFailure) -> String? {
        switch self {
        case .none: return nil
        case .fixed(let password): return password
        case .file(let path):
            guard let data = FileManager.default.contents(atPath: path) else {
                throw PasswordFailure(reason: "file cannot be read.")
            }
            return Self.firstLine(data)
        case .command(let words):
            return Self.firstLine(try SpawnedCommand.output(of: words, timeout: timeout))
        }
    }

    private static func firstLine(_ bytes: some Sequence<UInt8>) -> String {
        let line = Array(bytes.prefix { $0 != UInt8(ascii: "\n") })
        return String(decoding: line.last == UInt8(ascii: "\r") ? line.dropLast() : line[...], as: UTF8.self)
    }
}

/// Runs a program for its output, on a thread that may block.
private enum SpawnedCommand {
    /// Most output that is read.
    static let outputMax = 65_536

    /// What `words` writes to standard output before it ends.
    ///
    /// - Throws: where it cannot be started, fails, says nothing, or takes longer than `timeout`, in which case it is
    ///   killed.
    static func output(of words: [String], timeout: Duration) throws(PasswordFailure) -> [UInt8] {
        var ends: [Int32] = [-1, -1]
        guard let name = words.first, sojourn_pipe(&ends) == 0 else {
            throw PasswordFailure(reason: "command is empty or cannot be started.")
        }
        defer { close(ends[0]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process: pid_t = 0
        let failure = posix_spawnp(&process, name, &actions, nil, &arguments, environ)
        close(ends[1])
        guard failure == 0 else {
            throw PasswordFailure(reason: "command cannot be started: \(String(cString: strerror(failure))).")
        }
        let output = collect(from: ends[0], until: .now + timeout)
        if output == nil { kill(process, SIGKILL) }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 && errno == EINTR {}
        guard let output else {
            throw PasswordFailure(reason: "command took longer than \(timeout).")
        }
        guard status == 0, !output.isEmpty else {
            throw PasswordFailure(reason: "command failed or wrote nothing.")
        }
        return output
    }

    /// Everything up to the end of file; nil where that does not come in time.
    private static func collect(from descriptor: Int32, until deadline: ContinuousClock.Instant) -> [UInt8]? {
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while output.count < outputMax {
            var wait = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&wait, 1, deadline.pollTimeout)
            if ready == 0 { return nil }
            if ready < 0 {
                if errno == EINTR { continue }
                return nil
            }
            let count = Foundation.read(descriptor, &chunk, chunk.count)
            if count <= 0 { return output }
            output.append(contentsOf: chunk[..<count])
        }
        return output
    }
}
