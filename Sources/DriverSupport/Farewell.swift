// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Counts what is alive, and resumes who waits for the end of it.
package final class Farewell: Sendable {
    private struct State {
        var alive = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// Nothing is alive yet.
    package init() {}

    /// One more is alive.
    package func enter() {
        state.withLock { $0.alive += 1 }
    }

    /// One has ended.
    package func leave() {
        let waiting = state.withLock { state in
            state.alive -= 1
            guard state.alive == 0 else { return [] as [CheckedContinuation<Void, Never>] }
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Returns once nothing is alive.
    package func wait() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                guard state.alive > 0 else { return true }
                state.waiting.append(continuation)
                return false
            }
            if isOver { continuation.resume() }
        }
    }
}
