// SPDX-License-Identifier: Apache-2.0

public import Sojourn
public import Testing

/// One example of what every store must do: a sentence, and the steps that show it on an empty store.
///
/// Failures are recorded in the running test (`#expect`), so that they show under the sentence.
public struct ConformanceCase: Sendable, CustomTestStringConvertible {
    /// What is shown: «Items: an unknown id is named and nothing is stored by half».
    public let name: String
    /// What a store must be able to do for it; on other stores the example is passed over.
    public let needs: StoreCapabilities
    private let steps: @Sendable (Bench) async throws -> Void

    /// An example.
    init(
        _ name: String, needs: StoreCapabilities = .sessions, steps: @escaping @Sendable (Bench) async throws -> Void
    ) {
        self.name = name
        self.needs = needs
        self.steps = steps
    }

    /// Runs the example on an empty store.
    public func run(on store: StoreUnderTest) async throws {
        let settle = store.settle
        try await store.withStore { store, clock in
            guard store.capabilities.isSuperset(of: needs) else { return }
            try await steps(Bench(store: store, clock: clock, settle: settle))
        }
    }

    public var testDescription: String { name }
}

/// Every example, on which every store must agree. See `StoreUnderTest` for how to run them.
public enum ConformanceSuite {
    /// All of them, by noun.
    public static let cases: [ConformanceCase] =
        SessionsSuite.cases + RotationSuite.cases + UsersSuite.cases + ItemsSuite.cases + JournalSuite.cases
        + JournalSearchSuite.cases + SweepSuite.cases + EventsSuite.cases + StatisticsSuite.cases + TieringSuite.cases
}
