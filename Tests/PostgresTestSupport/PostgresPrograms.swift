// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Testing

/// PostgreSQL's own programs, for tests that make and stop servers.
package enum PostgresPrograms {
    /// Where they are, of the newest version; nil where PostgreSQL is not installed.
    package static let folder: String? = {
        let root = "/usr/lib/postgresql"
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        return versions.max { (Int($0) ?? 0) < (Int($1) ?? 0) }.map { "\(root)/\($0)/bin" }
    }()

    /// Makes a folder that the servers' user may write to.
    package static func makeFolder(_ path: String) async throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        if getuid() == 0 { try await run(["chown", "postgres", path]) }
    }

    /// Runs one of the programs, or a shell's script, as the servers' user: PostgreSQL refuses to run as root.
    package static func runAsPostgres(_ words: [String]) async throws {
        var words = words
        let folder = try #require(folder)
        if words[0] != "sh" { words[0] = "\(folder)/\(words[0])" }
        if getuid() == 0 {
            words = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] + words
        }
        try await run(words)
    }

    /// Runs a program and returns at its end. Not by `Process`, which also waits for the children that the program
    /// leaves behind.
    private static func run(_ words: [String]) async throws {
        let status: Int32 = await withCheckedContinuation { continuation in
            // A thread, as the wait blocks; it ends with the program.
            Thread.detachNewThread {
                var actions = posix_spawn_file_actions_t()
                posix_spawn_file_actions_init(&actions)
                defer { posix_spawn_file_actions_destroy(&actions) }
                for descriptor in 0..<3 as Range<Int32> {
                    posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", O_RDWR, 0)
                }
                var arguments = words.map { strdup($0) } + [nil]
                defer { for argument in arguments { free(argument) } }
                var process: pid_t = 0
                var status: Int32 = -1
                if posix_spawnp(&process, words[0], &actions, nil, &arguments, environ) == 0 {
                    waitpid(process, &status, 0)
                }
                continuation.resume(returning: status)
            }
        }
        try #require(status == 0, "\(words.joined(separator: " "))")
    }
}
