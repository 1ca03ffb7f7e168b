// SPDX-License-Identifier: Apache-2.0

internal import Foundation

/// A program of ours that runs beside the tests, and next to which it was built. A socket is its standard input and output.
/// Nobody else inherits our end of it, so that the program sees its input end with us, whatever way we end.
///
/// Not by Foundation's `Process`, which has crashed where many were started at once.
package final class HelperProcess: Sendable {
    /// Why a program could not be started.
    package struct Failure: Error {
        /// What went wrong.
        let reason: String
    }

    /// Our end; whoever started the program closes it.
    package let socket: Int32
    private let process: pid_t

    /// Starts the program `name`.
    ///
    /// - Throws: `Failure`.
    package init(_ name: String, _ arguments: [String]) throws {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw Failure(reason: "no socket: \(errno)") }
        defer { close(ends[1]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        // Sockets of other tests, which would not be closed for their peers as long as the program lived.
        for descriptor in 3..<4096 as Range<Int32> { posix_spawn_file_actions_addclose(&actions, descriptor) }
        let program = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: name).path
        var words = ([program] + arguments).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var started: pid_t = 0
        guard posix_spawn(&started, program, &actions, nil, &words, environ) == 0 else {
            close(ends[0])
            throw Failure(reason: "\(program) cannot be started")
        }
        socket = ends[0]
        process = started
    }

    /// Waits until the program has ended, and returns its exit status, or the signal that ended it. To be called once.
    package func exitStatus() async -> Int32 {
        await withCheckedContinuation { continuation in
            // A thread, as the wait blocks; it ends with the program.
            Thread.detachNewThread { [process] in
                var status: Int32 = 0
                while waitpid(process, &status, 0) < 0, errno == EINTR {}
                continuation.resume(returning: status & 0x7F == 0 ? (status >> 8) & 0xFF : status & 0x7F)
            }
        }
    }
}
