// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Work that serves everybody who asked before it began: who comes while a round is under way shares the next one.
final class Rounds: Sendable {
    private struct State {
        var waiting: [CheckedContinuation<Void, any Error>] = []
        var isRunning = false
    }

    private let state = Mutex(State())

    /// Returns when a round of `body` that began after this call is done; throws what it threw.
    func join(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withCheckedThrowingContinuation { continuation in
            let isFirst = state.withLock { state in
                state.waiting.append(continuation)
                defer { state.isRunning = true }
                return !state.isRunning
            }
            // A task of its own: it serves others too, whom a cancelled caller must not fail.
            if isFirst { Task { await self.run(body) } }
        }
    }

    private func run(_ body: @Sendable () async throws -> Void) async {
        while true {
            let callers = state.withLock { state in
                let callers = state.waiting
                state.waiting = []
                if callers.isEmpty { state.isRunning = false }
                return callers
            }
            guard !callers.isEmpty else { return }
            do {
                try await body()
                for caller in callers { caller.resume() }
            } catch {
                for caller in callers { caller.resume(throwing: error) }
            }
        }
    }
}
