// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Wakes tasks that wait until something may have changed.
///
/// Who waits reads `round` first, then looks whether what it wants is so, and waits for a later round if it is not: a
/// change between the two is never missed.
final class Signal: Sendable {
    private struct State {
        var round = 0
        var nextID = 0
        var waiting: [Int: CheckedContinuation<Bool, Never>] = [:]
    }

    private let state = Mutex(State())

    /// How often something may have changed.
    var round: Int { state.withLock { $0.round } }

    /// Something may have changed.
    func advance() {
        let waiting = state.withLock { state in
            state.round += 1
            guard !state.waiting.isEmpty else { return [:] as [Int: CheckedContinuation<Bool, Never>] }
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume(returning: true) }
    }

    /// Waits until `round` is over; throws where the task is cancelled before.
    func wait(past round: Int) async throws(KafkaError) {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        let isOver = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = state.withLock { state in
                    // Cancelled before the handler could find anything to take out.
                    if Task.isCancelled { return false }
                    if state.round != round { return true }
                    state.waiting[id] = continuation
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: id) }?.resume(returning: false)
        }
        if !isOver { throw .cancelled() }
    }
}
