// SPDX-License-Identifier: Apache-2.0

import Foundation
import HelperProcess
import StoreWorker
import Testing

/// A `StoreWorker` that runs beside the tests.
final class WorkerProcess: Sendable {
    private let process: HelperProcess
    private let line: WorkerLine

    /// Starts a worker whose store is on a database of the server at `url`.
    init(url: String, database: String, connections: Int) throws {
        process = try HelperProcess("StoreWorker", [url, database, String(connections)])
        line = WorkerLine(socket: process.socket)
    }

    deinit {
        end()
    }

    /// Ends the worker's input: it answers what it was asked, and ends.
    func end() {
        line.finish()
    }

    /// Waits until the worker has ended, and returns its exit status.
    func exitStatus() async -> Int32 { await process.exitStatus() }

    /// Makes a call in the worker, and waits for its answer.
    func answer<Value>(to call: StoreCall, as type: Answer<Value>.Type) async throws -> Answer<Value> {
        let answer = try await line.answer(to: JSONEncoder().encode(call))
        return try JSONDecoder().decode(type, from: answer)
    }
}
