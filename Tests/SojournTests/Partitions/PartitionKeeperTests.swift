// SPDX-License-Identifier: Apache-2.0

import Logging
import SojournTesting
import Synchronization
import Testing

@testable import Sojourn

@Suite("The keeper of partitions")
struct PartitionKeeperTests {
    private let clock = ManualClock(Timestamp(seconds: 1_795_000_000))
    private let log = LogCapture()
    private var now: PartitionMonth { PartitionMonth(of: clock.now) }

    /// A keeper that keeps so many months, and drops others if so told; `wall` is its machine's clock, by default the store's.
    private func keeper(
        _ store: MonthsStore, keep: Int? = nil, _ retirement: PartitionPolicy.Retirement = .keep, attemptsMax: Int = 3,
        wall: ManualClock? = nil,
        uptime: (@Sendable () -> Duration)? = nil
    ) throws -> PartitionKeeper {
        var policy = PartitionPolicy()
        policy.keepMonths = keep
        policy.retirement = retirement
        var pace = PartitionKeeper.Pace()
        pace.attemptsMax = attemptsMax
        pace.restMax = .microseconds(10)
        return try #require(
            PartitionKeeper(
                sessions: Sessions(store: store), policy: policy, pace: pace, wall: wall ?? clock, uptime: uptime,
                logger: log.logger))
    }

    /// A store with months from `past` months ago to three ahead.
    private func store(from past: Int = 0) -> MonthsStore {
        let months = (-past...3).map { now.advanced(by: $0) }
        return MonthsStore(
            clock: clock,
            months.map { Partition(name: $0.table, state: .attached, span: $0.span, rows: nil, bytes: 0) })
    }

    @Test("A store without partitions has no keeper")
    func none() async throws {
        let sessions = Sessions(store: MemoryStore())
        #expect(PartitionKeeper(sessions: sessions) == nil)
        let error = await #expect(throws: SojournError.self) { try await sessions.partitions() }
        #expect(error?.code == .notAvailable)
    }

    @Test("A run takes the steps of the plan and does the chores")
    func run() async throws {
        let store = MonthsStore(clock: clock, [])
        try await keeper(store).tend()
        #expect(store.log == (0...3).map { "create \(now.advanced(by: $0))" } + ["tidy"])
    }

    @Test("While another node leads, nothing is done")
    func led() async throws {
        let store = MonthsStore(clock: clock, [])
        store.leadElsewhere()
        try await keeper(store).tend()
        #expect(store.log == [])
    }

    @Test("A busy step is tried again, given up after so many attempts, and the next one comes")
    func busy() async throws {
        let store = MonthsStore(clock: clock, [])
        let (first, second) = (PartitionStep.create(now), PartitionStep.create(now.advanced(by: 1)))
        store.busy = [first: 2, second: 3]
        let keeper = try keeper(store)
        var told: [String] = []
        try await keeper.apply(try await keeper.plan().plan) { step, result in
            switch result {
            case .success(let outcome): told.append("\(step) \(outcome.rawValue)")
            case .failure(let error):
                #expect(error.message.contains("3 attempts") && error.message.contains("pg_stat_activity"))
                #expect(error.message.contains(step.month.table))
                told.append("\(step) \(error.code)")
            }
        }
        #expect(
            store.log == ["\(first)", "\(first)", "\(first)", "\(second)", "\(second)", "\(second)"]
                + (2...3).map { "create \(now.advanced(by: $0))" })
        #expect(told[..<2] == ["\(first) done", "\(second) storeUnavailable"])
        #expect(told.count == 4)
    }

    @Test("Rests double up to the longest, give or take")
    func rests() {
        var rests = Rests()
        for longest in [40, 80, 160, 320, 640, 1000, 1000].map(Duration.milliseconds) {
            #expect((longest * 0.5...longest).contains(rests.next()))
        }
        var brief = Rests(upTo: .milliseconds(1))
        #expect(brief.next() <= .milliseconds(1))
    }

    @Test("A failed step does not keep the chores from being done")
    func failed() async throws {
        let store = MonthsStore(clock: clock, [])
        store.fail(at: [.create(now)])
        try await keeper(store).tend()
        #expect(store.log.count == 5 && store.log.last == "tidy")
    }

    @Test("A chore that fails is told of as such")
    func failedChore() async throws {
        let store = store()
        store.failChores()
        try await keeper(store).tend()
        #expect(log.text.hasPrefix("error a chore was not done") && log.text.contains("It failed."))
    }

    @Test("A cancelled run stops before its next step")
    func cancelled() async throws {
        let store = MonthsStore(clock: clock, [])
        let keeper = try keeper(store, attemptsMax: .max)
        let (reached, reach) = AsyncStream<Void>.makeStream()
        store.busy = [.create(now): .max]
        store.onStep { reach.yield() }
        let run = Task { try await keeper.tend() }
        for await _ in reached { break }
        run.cancel()
        await #expect(throws: (any Error).self) { try await run.value }
        #expect(Set(store.log) == ["create \(now)"])
    }

    @Test("Months retire as many in a run as the fuse lets pass, and by hand all", arguments: [(3, 2), (4, 0)])
    func fuse(past: Int, retired: Int) async throws {
        let store = store(from: past)
        let keeper = try keeper(store, keep: 1)
        #expect(try await keeper.plan().plan.steps.count == past - 1)
        try await keeper.tend()
        #expect(store.log.count { $0.hasPrefix("detach") } == retired)
    }

    @Test("What was kept is dropped as many months in a run as the fuse lets pass", arguments: [(2, 2), (3, 0)])
    func fuseOfDropping(kept: Int, dropped: Int) async throws {
        let months = (1...kept).map { now.advanced(by: -1 - $0) }
        let old = months.map { Partition(name: $0.table, state: .kept, span: nil, rows: nil, bytes: 0) }
        let store = MonthsStore(clock: clock, store().all + old)
        try await keeper(store, keep: 1, .drop).tend()
        #expect(store.log.count { $0.hasPrefix("drop") } == dropped)
        #expect(log.text.contains("\(kept) months") == (dropped == 0))
    }

    @Test(
        "While the store's clock is not this machine's, months are made and none retires",
        arguments: [(301, "301 s behind this"), (-301, "301 s ahead of this")])
    func skewed(seconds: Int, told: String) async throws {
        let store = MonthsStore(clock: clock, Array(store(from: 2).all.dropLast()))
        let wall = ManualClock(clock.now + .seconds(seconds))
        try await keeper(store, keep: 1, wall: wall).tend()
        #expect(store.log == ["create \(now.advanced(by: 3))", "tidy"])
        #expect(log.text.contains(told))
    }

    @Test("After the clock jumped, months are made and none retires until it was steady for an hour")
    func jumped() async throws {
        let store = store(from: 1)
        let uptime = ManualClock()
        let keeper = try keeper(store, keep: 1, wall: clock, uptime: { uptime.now - ManualClock.start })
        try await keeper.tend()
        #expect(store.log == ["tidy"])
        clock.advance(by: .days(62))
        uptime.advance(by: .seconds(60))
        try await keeper.tend()
        let made = store.log.filter { $0 != "tidy" }
        #expect(made == (2...3).map { "create \(now.advanced(by: $0))" })
        clock.advance(by: .hours(1))
        uptime.advance(by: .hours(1))
        try await keeper.tend()
        #expect(store.log.count { $0.hasPrefix("detach") } == 2)
    }
}

/// A store with partitions and nothing else: a step changes them as it says, and is written down.
private final class MonthsStore: ForwardingStore, PartitionStore {
    private struct State {
        var partitions: [Partition]
        var log: [String] = []
        var busy: [PartitionStep: Int] = [:]
        var failing: Set<PartitionStep> = []
        var isLedElsewhere = false
        var areChoresFailing = false
        var onStep: @Sendable () -> Void = {}
    }

    let base = MemoryStore()
    let capabilities: StoreCapabilities = [.sessions, .partitions]
    private let clock: ManualClock
    private let state: Mutex<State>

    init(clock: ManualClock, _ partitions: [Partition]) {
        self.clock = clock
        state = Mutex(State(partitions: partitions))
    }

    /// What was done, in its order.
    var log: [String] { state.withLock { $0.log } }
    /// The partitions.
    var all: [Partition] { state.withLock { $0.partitions } }
    /// How often each step is still busy.
    var busy: [PartitionStep: Int] {
        get { state.withLock { $0.busy } }
        set { state.withLock { $0.busy = newValue } }
    }

    /// Steps that fail.
    func fail(at steps: Set<PartitionStep>) { state.withLock { $0.failing = steps } }
    /// Chores that fail.
    func failChores() { state.withLock { $0.areChoresFailing = true } }
    /// Lets another node lead.
    func leadElsewhere() { state.withLock { $0.isLedElsewhere = true } }
    /// Is called at every step.
    func onStep(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.onStep = body } }

    func partitions() async throws -> PartitionStatus { PartitionStatus(now: clock.now, partitions: all) }

    func perform(_ step: PartitionStep) async throws -> PartitionOutcome {
        try state.withLock { state in
            state.log.append("\(step)")
            state.onStep()
            if state.failing.contains(step) { throw SojournError(.storeUnavailable, "It failed.") }
            if let left = state.busy[step], left > 0 {
                state.busy[step] = left - 1
                return .busy
            }
            let month = step.month
            state.partitions.removeAll { $0.month == month }
            switch step {
            case .create, .attach:
                state.partitions.append(
                    Partition(name: month.table, state: .attached, span: month.span, rows: nil, bytes: 0))
            case .detach, .finish, .empty:
                state.partitions.append(Partition(name: month.table, state: .kept, span: nil, rows: nil, bytes: 0))
            case .drop: break
            }
            return .done
        }
    }

    func tidyPartitions() async throws {
        try state.withLock { state in
            state.log.append("tidy")
            if state.areChoresFailing { throw SojournError(.storeUnavailable, "It failed.") }
        }
    }

    func leadingPartitions(_ body: @Sendable () async throws -> Void) async throws -> Bool {
        guard !state.withLock({ $0.isLedElsewhere }) else { return false }
        try await body()
        return true
    }
}

/// Keeps the errors that are logged.
private final class LogCapture: Sendable {
    private let lines = Mutex("")

    /// All lines.
    var text: String { lines.withLock { $0 } }
    /// A logger that writes here.
    var logger: Logger { Logger(label: "test") { _ in Handler(capture: self) } }

    private struct Handler: LogHandler {
        let capture: LogCapture
        var logLevel = Logger.Level.error
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            capture.lines.withLock { $0 += "\(event.level) \(event.message) \(event.metadata ?? [:])\n" }
        }
    }
}
