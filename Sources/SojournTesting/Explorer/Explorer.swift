// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Sojourn
public import Testing

/// Proves a store by chance: seeded schedules of calls from several callers at once, each run on an empty store and
/// compared with the in-memory model.
///
/// Every observed history must be linearizable for each object (see `Linearization`), and laws 1 to 6 of the design
/// must hold of it (see `LawChecks`). The clock moves only between rounds of calls, to where graces, lives and caps end.
/// A failure comes with the seed that repeats it, and with the shortest schedule that still failed. With `faults`,
/// what the store stands on fails meanwhile, at places that the seed says.
///
/// `EXPLORER_SCHEDULES` and `EXPLORER_SEED` in the environment override the number of schedules and the first seed.
public struct Explorer: Sendable {
    /// How often a shorter schedule is tried before it counts as sound.
    static let replaysMax = 50
    /// How long shorter schedules are looked for, where replays do not repeat exactly.
    static let shrinkMax = Duration.seconds(180)
    /// How long nothing is told of schedules that hold.
    private static let silenceMax = Duration.seconds(20)

    /// The store that is being proved.
    private let store: StoreUnderTest
    /// How many schedules are drawn.
    private let schedules: Int
    /// The first schedule's seed; the others count up from it.
    private let seed: UInt64
    /// What goes wrong beneath the store.
    private let faults: [Fault]

    /// An explorer of a store.
    ///
    /// - Parameters:
    ///   - schedules: how many schedules to draw, where the environment does not say.
    ///   - seed: the first schedule's seed, where the environment does not say.
    ///   - faults: what goes wrong beneath the store: each schedule meets one to three of them, or one of them again.
    public init(_ store: StoreUnderTest, schedules: Int = 1000, seed: UInt64 = 1, faults: [Fault] = []) {
        let environment = ProcessInfo.processInfo.environment
        self.init(
            store, exactly: environment["EXPLORER_SCHEDULES"].flatMap { Int($0) } ?? schedules,
            from: environment["EXPLORER_SEED"].flatMap { UInt64($0) } ?? seed, faults: faults)
    }

    /// An explorer that no environment changes.
    init(_ store: StoreUnderTest, exactly schedules: Int, from seed: UInt64, faults: [Fault] = []) {
        self.store = store
        self.schedules = schedules
        self.seed = seed
        self.faults = faults
    }

    /// Whether every replay follows from its schedule alone.
    var isRepeatable: Bool { store.scheduling == .seeded }

    /// Runs the schedules up to the first that fails, and returns that one, shrunk; nil where all hold.
    public func explore() async throws -> ExplorerFailure? {
        let capabilities = try await store.withStore { store, _ in store.capabilities }
        var told = ContinuousClock.now
        for number in 0..<schedules {
            let seed = seed &+ UInt64(number)
            var generator = ScheduleGenerator(
                seed: seed, capabilities: capabilities, fillsCache: store.settle != nil, faults: faults)
            let first = try await replay(generator.schedule())
            if !first.breaches.isEmpty {
                return ExplorerFailure(
                    store: store.name, seed: seed, schedulesRun: number + 1, first: first,
                    shortest: try await shrink(first))
            }
            if told.duration(to: .now) > Self.silenceMax {
                told = .now
                print("explorer: \(number + 1) of \(schedules) schedules hold on \(store.name)")
                // Somebody may be watching through a pipe.
                fflush(nil)
            }
        }
        return nil
    }

    /// Runs the schedules and records a failure as an issue of the running test.
    public func expectNoFailure(at place: SourceLocation = #_sourceLocation) async throws {
        guard let failure = try await explore() else { return }
        Issue.record("\(failure)", sourceLocation: place)
    }

    /// Runs one schedule on an empty store and checks what was observed.
    func replay(_ schedule: Schedule) async throws -> Replay {
        let store = store
        let run: @Sendable () async throws -> History = {
            try await store.withStore { try await History(schedule, on: $0, clock: $1, settle: store.settle) }
        }
        let history =
            switch store.scheduling {
            case .seeded: try SeededScheduler(seed: schedule.interleaving).run(run)
            case .free: try await run()
            }
        let promises = Promises(history)
        let disorders = history.objects.compactMap { object in
            Linearization(object, promises).obstacle.map { "Not linearizable, " + $0 }
        }
        return Replay(schedule: schedule, history: history, breaches: LawChecks(history).breaches + disorders)
    }
}

/// One run of a schedule.
struct Replay: Sendable, Hashable {
    /// What was to be done.
    let schedule: Schedule
    /// What was observed.
    let history: History
    /// What is wrong with it, in words; empty where all holds.
    let breaches: [String]
}

/// A schedule on which a store broke a law: everything that is needed to see why.
public struct ExplorerFailure: Sendable, Hashable, CustomStringConvertible {
    /// The store's name.
    public let store: String
    /// The seed of the schedule that failed.
    public let seed: UInt64
    /// How many schedules it took to find it.
    public let schedulesRun: Int
    /// The run that failed.
    let first: Replay
    /// The run of the shortest schedule that failed.
    let shortest: Replay

    public var description: String {
        """
        \(store) failed on schedule \(schedulesRun), seed \(seed). \
        To repeat it: EXPLORER_SEED=\(seed) EXPLORER_SCHEDULES=1

        The shortest schedule that failed at least once in \(Explorer.replaysMax) replays:
        \(shortest.schedule)

        Its history:
        \(shortest.history)

        What is wrong:
        \(shortest.breaches.joined(separator: "\n"))

        What was wrong at first:
        \(first.breaches.joined(separator: "\n"))

        The history observed at first:
        \(first.history)
        """
    }
}
