// SPDX-License-Identifier: Apache-2.0

internal import Sojourn
internal import Testing

@testable internal import SojournTesting

@Suite("The explorer")
struct ExplorerTests {
    @Test("finds nothing wrong with the in-memory store")
    func memoryHolds() async throws {
        try await Explorer(.memory).expectNoFailure()
    }

    @Test("finds nothing wrong with it on the ordinary thread pool either")
    func memoryHoldsInParallel() async throws {
        let store = StoreUnderTest("MemoryStore on the thread pool") { MemoryStore(clock: $0) }
        try await Explorer(store, exactly: 300, from: 1).expectNoFailure()
    }

    @Test("finds each planted bug within 2,000 schedules, and repeats it", arguments: FaultyStore.Fault.allCases)
    func findsPlantedBug(_ fault: FaultyStore.Fault) async throws {
        let store = StoreUnderTest.faulty(fault)
        let failure = try #require(try await Explorer(store, exactly: 2000, from: 1).explore())
        let length = failure.shortest.schedule.steps.count
        print("explorer: \(fault) found after \(failure.schedulesRun) schedules, shrunk to \(length) calls")
        #expect(length <= 4, "\(failure)")
        let again = try await Explorer(store, exactly: 1, from: failure.seed).explore()
        #expect(again?.first == failure.first && again?.shortest == failure.shortest)
    }

    @Test("sees every call succeed, and every one that can be refused refused")
    func coversEveryVerb() async throws {
        var succeeded: [String: Int] = [:]
        var refused: [String: Int] = [:]
        let explorer = Explorer(.memory, exactly: 0, from: 0)
        for seed in 1...500 as ClosedRange<UInt64> {
            var generator = ScheduleGenerator(seed: seed, capabilities: [.sessions, .items, .journal, .history])
            let history = try await explorer.replay(generator.schedule()).history
            for event in history.events where event.round < history.auditRound {
                let name = Mirror(reflecting: event.step.verb).children.first?.label ?? ""
                switch event.outcome {
                case .session(nil), .stored(nil), .facts(nil), .flag(false), .refused: refused[name, default: 0] += 1
                default: succeeded[name, default: 0] += 1
                }
            }
        }
        let verbs = [
            "create", "validate", "get", "extend", "rotate", "bind", "replace", "end", "delete", "endAll", "endOthers",
            "sweep", "add", "remove", "held", "validateWithItems", "append", "finish", "history",
        ]
        #expect(Set(succeeded.keys) == Set(verbs))
        #expect(Set(refused.keys) == Set(verbs).subtracting(["endAll", "sweep"]))
    }
}
