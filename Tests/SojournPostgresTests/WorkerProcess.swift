// SPDX-License-Identifier: Apache-2.0

import Foundation
import StoreWorker
import Testing

/// A `StoreWorker` that runs beside the tests.
///
/// A socket is its standard input and output. Nobody else inherits our end of it, so that the worker sees its input end
/// with us, whatever way we end.
final class WorkerProcess: Sendable {
    private let process: Process
    private let line: WorkerLine

    /// Starts a worker whose store is on a database of the server at `url`.
    init(url: String, database: String, connections: Int) throws {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0, "no socket")
        line = WorkerLine(socket: ends[0])
        // Closed when this is over: the worker has its own by then, or there is none, and the line sees the end.
        let theirs = FileHandle(fileDescriptor: ends[1], closeOnDealloc: false)
        defer { close(ends[1]) }
        process = Process()
        process.executableURL = Self.executable
        process.arguments = [url, database, String(connections)]
        process.standardInput = theirs
        process.standardOutput = theirs
        try process.run()
    }

    deinit {
        end()
    }

    /// Ends the worker's input: it answers what it was asked, and ends.
    func end() {
        line.finish()
    }

    /// Waits until the worker has ended, and returns its exit status.
    func exitStatus() async -> Int32 {
        await withCheckedContinuation { continuation in
            // A thread, as the wait blocks; it ends with the worker.
            Thread.detachNewThread { [process] in
                process.waitUntilExit()
                continuation.resume(returning: process.terminationStatus)
            }
        }
    }

    /// Makes a call in the worker, and waits for its answer.
    func answer<Value>(to call: StoreCall, as type: Answer<Value>.Type) async throws -> Answer<Value> {
        let answer = try await line.answer(to: JSONEncoder().encode(call))
        return try JSONDecoder().decode(type, from: answer)
    }

    /// It is built beside the tests.
    private static var executable: URL {
        URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "StoreWorker")
    }
}
