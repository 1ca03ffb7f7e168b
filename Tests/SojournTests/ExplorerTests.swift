// SPDX-License-Identifier: Apache-2.0

internal import SojournTesting
internal import Testing

@Suite("The explorer")
struct ExplorerTests {
    @Test("finds nothing wrong with the in-memory store")
    func memoryHolds() async throws {
        try await Explorer(.memory).expectNoFailure()
    }

    @Test("finds each planted bug within 2,000 schedules", arguments: FaultyStore.Fault.allCases)
    func findsPlantedBug(_ fault: FaultyStore.Fault) async throws {
        let failure = try #require(try await Explorer.of(.faulty(fault), schedules: 2000, seed: 1).explore())
        print(
            "explorer: \(fault) found after \(failure.schedulesRun) schedules, shrunk to \(failure.shortestSteps) calls"
        )
        #expect(failure.shortestSteps <= 6, "\(failure)")
    }

    @Test("repeats a failure exactly from its seed on a seeded scheduler", arguments: FaultyStore.Fault.allCases)
    func repeatsExactly(_ fault: FaultyStore.Fault) async throws {
        let failure = try #require(try await Explorer.of(.faulty(fault), schedules: 2000, seed: 1).explore())
        let again = try await Explorer.repeating(failure.seed, on: .faulty(fault)).explore()
        #expect(again?.seed == failure.seed && again?.schedulesRun == 1)
        #expect(again?.observations == failure.observations)
    }
}
