// SPDX-License-Identifier: Apache-2.0

internal import Sojourn
internal import Synchronization

/// Runs concurrent code on one thread and lets a seed decide who goes on next: one seed, one interleaving.
///
/// It is a task executor (SE-0417): the tasks begun under it, and their children, queue their jobs here instead of on
/// the thread pool. `Turn.pass()` is where a caller lets others go first. The code must wait for nothing but that and
/// its own child tasks: whatever else would wake it comes from threads that no seed decides.
final class SeededScheduler: TaskExecutor {
    /// The scheduler that the current task runs under; nil on the ordinary thread pool.
    @TaskLocal static var current: SeededScheduler?

    /// Those who could go on, and the draws that choose among them.
    private struct State {
        var jobs: [UnownedJob] = []
        var passing: [UnsafeContinuation<Void, Never>] = []
        var random: SeededRandom
    }

    /// What goes on next.
    private enum Next {
        case job(UnownedJob)
        case passing(UnsafeContinuation<Void, Never>)
        case nobody
    }

    /// The code waits for something that is not under this scheduler.
    struct Stuck: Error {}

    private let state: Mutex<State>

    /// A scheduler whose choices follow from `seed`.
    init(seed: UInt64) {
        state = Mutex(State(random: SeededRandom(seed: seed)))
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        state.withLock { $0.jobs.append(job) }
    }

    /// Puts a caller who lets others go first among those who could go on.
    func pass(_ caller: UnsafeContinuation<Void, Never>) {
        state.withLock { $0.passing.append(caller) }
    }

    /// Runs `body` to its end on the calling thread.
    func run<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
        let result = Answer<Value>()
        // Unstructured because this thread is to run the task's jobs, and so cannot wait for it as a parent would.
        Task(executorPreference: self) {
            await Self.$current.withValue(self) {
                do {
                    let value = try await body()
                    result.value.withLock { $0 = .success(value) }
                } catch {
                    result.value.withLock { $0 = .failure(error) }
                }
            }
        }
        while true {
            if let result = result.value.withLock({ $0 }) { return try result.get() }
            try step()
        }
    }

    private func step() throws {
        switch state.withLock({ Self.next(of: &$0) }) {
        case .job(let job): job.runSynchronously(on: asUnownedTaskExecutor())
        case .passing(let caller): caller.resume()
        case .nobody: throw Stuck()
        }
    }

    private static func next(of state: inout State) -> Next {
        let count = state.jobs.count + state.passing.count
        guard count > 0 else { return .nobody }
        let choice = Int.random(in: 0..<count, using: &state.random)
        if choice < state.jobs.count { return .job(state.jobs.remove(at: choice)) }
        return .passing(state.passing.remove(at: choice - state.jobs.count))
    }
}

/// Where a task leaves what it came to.
private final class Answer<Value: Sendable>: Sendable {
    let value = Mutex<Result<Value, any Error>?>(nil)
}

/// The place where a caller lets others go first.
enum Turn {
    /// Lets others go first: chosen by the seed under a scheduler of ours, an ordinary yield elsewhere.
    static func pass() async {
        guard let scheduler = SeededScheduler.current else { return await Task.yield() }
        await withUnsafeContinuation { scheduler.pass($0) }
    }
}
