// SPDX-License-Identifier: Apache-2.0

public import Sojourn

/// A store to be proved: how to get an empty one that reads the time from a given clock, and how to put it away.
///
/// Whoever writes a store proves it with the two suites of this module, in a test target of their own:
///
/// ```swift
/// let mine = StoreUnderTest("MyStore") { clock in try await MyStore(path: newFile(), clock: clock) }
///
/// @Test(arguments: ConformanceSuite.cases)
/// func keeps(_ example: ConformanceCase) async throws { try await example.run(on: mine) }
///
/// @Test func isLinearizable() async throws { try await Explorer(mine).expectNoFailure() }
/// ```
///
/// What the store's `capabilities` leave out is not asked of it.
public struct StoreUnderTest: Sendable {
    /// Who decides which caller goes on next while the explorer runs.
    public enum Scheduling: Sendable, Hashable {
        /// A scheduler that a seed decides, on one thread: for stores that do nothing outside the process, since a
        /// caller that waits for anything else would never be woken. A failure repeats exactly.
        case seeded
        /// The ordinary thread pool: for real stores.
        case free
    }

    /// What reports call the store.
    public let name: String
    /// How the explorer's callers are scheduled on it.
    public let scheduling: Scheduling
    /// Lets counts that lag behind catch up; nil for a store whose counts are exact at every answer.
    let settle: (@Sendable (any SessionStore) async throws -> Void)?
    private let open: @Sendable (ManualClock) async throws -> any SessionStore
    private let close: @Sendable (any SessionStore) async throws -> Void

    /// A store to be proved.
    ///
    /// - Parameters:
    ///   - open: an empty store on the clock. Called once for every example and every replay: may well hand out the
    ///     same store emptied.
    ///   - settle: for a store that counts validations later than it answers them: lets the counts catch up. The explorer
    ///     compares counts only after it, and validates several times in a row, so that a cache has what to answer by.
    ///   - close: puts the store away, also after a failure. Nothing by default.
    public init(
        _ name: String, scheduling: Scheduling = .free,
        open: @escaping @Sendable (ManualClock) async throws -> any SessionStore,
        settle: (@Sendable (any SessionStore) async throws -> Void)? = nil,
        close: @escaping @Sendable (any SessionStore) async throws -> Void = { _ in }
    ) {
        self.name = name
        self.scheduling = scheduling
        self.open = open
        self.settle = settle
        self.close = close
    }

    /// The in-memory store.
    public static let memory = StoreUnderTest("MemoryStore", scheduling: .seeded) { MemoryStore(clock: $0) }

    /// Runs `body` with an empty store whose clock stands at `ManualClock.start`.
    func withStore<Value: Sendable>(
        _ body: @Sendable (any SessionStore, ManualClock) async throws -> Value
    ) async throws -> Value {
        let clock = ManualClock()
        let store = try await open(clock)
        do {
            let value = try await body(store, clock)
            try await close(store)
            return value
        } catch {
            // The first failure is the one to tell of.
            try? await close(store)
            throw error
        }
    }
}
