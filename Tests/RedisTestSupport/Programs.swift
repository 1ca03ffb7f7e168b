// SPDX-License-Identifier: Apache-2.0

internal import Foundation
package import Testing

/// Starts other programs. Not by `Process`, whose pipes a server that was started meanwhile could hold open.
package enum Programs {
    /// Starts a program; what it prints goes to the file `output`.
    static func start(_ words: [String], output: String = "/dev/null") throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        // Sockets of other tests, which would not be closed for their peers as long as the program lived.
        for descriptor in 3..<1024 as Range<Int32> { posix_spawn_file_actions_addclose(&actions, descriptor) }
        var arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process: pid_t = 0
        try #require(posix_spawnp(&process, words[0], &actions, nil, &arguments, environ) == 0, "\(words[0])")
        return process
    }

    /// Runs a program to its end; what it printed. Unless it may fail, its status must be 0.
    package static func run(_ words: [String], mayFail: Bool = false) async throws -> String {
        let output = FileManager.default.temporaryDirectory.appending(path: "output-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: output) }
        let process = try start(words, output: output)
        let status: Int32 = await withCheckedContinuation { continuation in
            // A thread, as the wait blocks; it ends with the program.
            Thread.detachNewThread {
                var status: Int32 = -1
                waitpid(process, &status, 0)
                continuation.resume(returning: status)
            }
        }
        let text = try String(contentsOfFile: output, encoding: .utf8)
        try #require(mayFail || status == 0, "\(words.joined(separator: " ")): \(text)")
        return text.replacing("\r\n", with: "\n").trimmingCharacters(in: .newlines)
    }
}

/// Asks again and again until the answer is yes. How long that takes is the machine's affair; after two minutes it is a failure.
package func wait(
    until what: Comment, sourceLocation: SourceLocation = #_sourceLocation, _ isTrue: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + .seconds(120)
    while try await !isTrue() {
        try #require(ContinuousClock.now < end, what, sourceLocation: sourceLocation)
        try await Task.sleep(for: .milliseconds(25))
    }
}
