// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import PostgresDriver
internal import Sojourn
internal import Synchronization

/// Natural batching: whatever callers queued while the last round trip was under way goes out as one statement.
///
/// There is no timer: alone, a call goes at once. A fold is idle, or one flight is under way; when that has landed, its
/// callers are answered and the next takes what waits.
///
/// - Jobs with one key never share a flight, unless they are equal: those go as one row with a count, also past others
///   that wait, since all of them are calls at the same time. So a statement meets each row once.
/// - A flight that the server refused for what is in it (a value, a constraint) changed nothing: its jobs fly again, each
///   alone, and only the culprit fails. Deadlocks and serialization failures are flown again as they were.
/// - A flight whose outcome is unknown is never flown again: its callers hear that the store cannot answer.
/// - A caller waits no longer than `patience`, for its own flight and the one before it together. Whose job has not flown
///   by then takes it along; whose job is under way does not learn what comes of it.
/// - A cancelled caller is answered like any other: others are aboard.
final class Fold<Job: Hashable & Sendable, Key: Hashable & Sendable, Answer: Sendable>: Sendable {
    /// A row of a flight: a job, and how many callers asked for it.
    struct Row: Sendable {
        let job: Job
        var count: Int
    }

    /// A row's answer, as one of its callers gets it.
    struct Share: Sendable {
        /// What the statement said of the row.
        let answer: Answer
        /// How many equal jobs in the row came before this one.
        let leaders: Int
        /// How many came after it.
        let followers: Int
    }

    /// Most callers that may wait; the next one is refused.
    static var waitingMax: Int { 10_000 }

    /// A caller with its job: told once, by whoever comes first of its flight and its deadline.
    private final class Waiting: Sendable {
        let job: Job
        let deadline: ContinuousClock.Instant
        private let told = Atomic(false)
        private let deliver: @Sendable (Result<Share, any Error>) -> Void

        init(
            job: Job, deadline: ContinuousClock.Instant,
            deliver: @escaping @Sendable (Result<Share, any Error>) -> Void
        ) {
            self.job = job
            self.deadline = deadline
            self.deliver = deliver
        }

        var isTold: Bool { told.load(ordering: .relaxed) }

        func answer(_ result: Result<Share, any Error>) {
            if !told.exchange(true, ordering: .relaxed) { deliver(result) }
        }
    }

    private struct State {
        var waiting: Deque<Waiting> = []
        /// The callers of the flight under way, or of the last one.
        var aboard: [[Waiting]] = []
        var isFlying = false
        /// Whether somebody looks at the deadlines.
        var isWatched = false
    }

    /// The rows of one flight, each with its callers.
    private struct Flight {
        var rows: [Row] = []
        var callers: [[Waiting]] = []

        /// When the last of its callers stops waiting.
        var deadline: ContinuousClock.Instant { callers.joined().map(\.deadline).max() ?? .now }
        /// Whether nobody waits for it any more.
        var isForlorn: Bool { callers.joined().allSatisfy(\.isTold) }
    }

    private let rowsMax: Int
    private let patience: Duration
    private let key: @Sendable (Job) -> Key
    private let fly: @Sendable ([Row]) async throws -> [Answer]
    private let state = Mutex(State())

    /// A fold.
    ///
    /// - Parameters:
    ///   - rowsMax: most rows in one flight.
    ///   - patience: most time that a caller waits.
    ///   - key: what no two rows of a flight may have in common.
    ///   - fly: sends rows as one unit and returns an answer for each, in their order.
    init(
        rowsMax: Int = 512, patience: Duration, key: @escaping @Sendable (Job) -> Key,
        fly: @escaping @Sendable ([Row]) async throws -> [Answer]
    ) {
        self.rowsMax = rowsMax
        self.patience = patience
        self.key = key
        self.fly = fly
    }

    /// Does one job and returns its share of the answer.
    func callAsFunction(_ job: Job) async throws -> Share {
        try await withCheckedThrowingContinuation { continuation in
            enqueue([Waiting(job: job, deadline: .now + patience) { continuation.resume(with: $0) }])
        }
    }

    /// Does several jobs, each in a fold, and returns what came of each. The folds work at the same time; within one, jobs
    /// that have a key in common are done in their order.
    static func all(_ jobs: [(fold: Fold, job: Job)]) async -> [Result<Share, any Error>] {
        guard !jobs.isEmpty else { return [] }
        return await withCheckedContinuation { continuation in
            let collected = Collected(jobs.count) { continuation.resume(returning: $0) }
            for places in Dictionary(grouping: jobs.indices, by: { ObjectIdentifier(jobs[$0].fold) }).values {
                let fold = jobs[places[0]].fold
                let deadline = ContinuousClock.now + fold.patience
                fold.enqueue(
                    places.map { place in
                        Waiting(job: jobs[place].job, deadline: deadline) { collected.put($0, at: place) }
                    })
            }
        }
    }

    private func enqueue(_ jobs: [Waiting]) {
        let (isAccepted, isFirst, isUnwatched) = state.withLock { state in
            guard state.waiting.count < Self.waitingMax else { return (false, false, false) }
            state.waiting.append(contentsOf: jobs)
            defer { (state.isFlying, state.isWatched) = (true, true) }
            return (true, !state.isFlying, !state.isWatched)
        }
        guard isAccepted else {
            let refusal = SojournError(
                .storeUnavailable, "Too many calls are waiting for the database. Try again in a moment.")
            for job in jobs { job.answer(.failure(refusal)) }
            return
        }
        // A task of its own: flights serve many callers, and none of their cancellations may reach them.
        if isFirst { Task { await self.flyAll() } }
        // Another, which sleeps until the first deadline of all and so wakes once per `patience` at most, however many
        // calls there are. It keeps nobody alive.
        if isUnwatched { Task { [weak self] in await Self.watch { self?.expire(at: .now) } } }
    }

    private static func watch(_ expire: () -> ContinuousClock.Instant?) async {
        while let next = expire() { try? await Task.sleep(until: next, clock: .continuous) }
    }

    /// Tells those whose time is up; when the next one's will be, or nil, and unwatched, where nobody waits.
    private func expire(at now: ContinuousClock.Instant) -> ContinuousClock.Instant? {
        let (queued, aboard, next) = state.withLock { state in
            let queued = state.waiting.filter { $0.deadline <= now }
            if !queued.isEmpty { state.waiting.removeAll { $0.deadline <= now } }
            let untold = state.aboard.joined().filter { !$0.isTold }
            let later = (untold + state.waiting).lazy.map(\.deadline).filter { $0 > now }
            let next = later.min()
            state.isWatched = next != nil
            return (queued, untold.filter { $0.deadline <= now }, next)
        }
        for caller in queued { caller.answer(.failure(Self.timedOut(.nothingHappened))) }
        for caller in aboard { caller.answer(.failure(Self.timedOut(.unknown))) }
        return next
    }

    private static func timedOut(_ outcome: PostgresError.Outcome) -> PostgresError {
        PostgresError(.timedOut, "The database did not answer in time.", outcome: outcome)
    }

    private func flyAll() async {
        while let flight = takeFlight() {
            await settle(flight)
            // Whoever was answered may come again at once: aboard the next flight, not the one after it.
            await Task.yield()
        }
    }

    /// What may go out together; nil, and idle, where nothing waits.
    private func takeFlight() -> Flight? {
        state.withLock { state in
            var flight = Flight()
            var places: [Key: Int] = [:]
            // Jobs for the next flight.
            var left: Deque<Waiting> = []
            while let next = state.waiting.popFirst() {
                let key = key(next.job)
                if let place = places[key] {
                    if flight.rows[place].job == next.job {
                        flight.rows[place].count += 1
                        flight.callers[place].append(next)
                    } else {
                        left.append(next)
                    }
                } else if flight.rows.count < rowsMax {
                    places[key] = flight.rows.count
                    flight.rows.append(Row(job: next.job, count: 1))
                    flight.callers.append([next])
                } else {
                    left.append(next)
                    break
                }
            }
            left.append(contentsOf: state.waiting)
            state.waiting = left
            state.aboard = flight.callers
            state.isFlying = !flight.rows.isEmpty
            return flight.rows.isEmpty ? nil : flight
        }
    }

    private func settle(_ flight: Flight) async {
        do {
            let answers = try await repeating(until: flight.deadline) { try await self.fly(flight.rows) }
            guard answers.count == flight.rows.count else {
                throw PostgresError(.unexpectedResult, "A folded statement did not answer for every row.")
            }
            for (answer, callers) in zip(answers, flight.callers) {
                for (place, caller) in callers.enumerated() {
                    caller.answer(
                        .success(Share(answer: answer, leaders: place, followers: callers.count - 1 - place)))
                }
            }
        } catch let error as PostgresError where error.isRefusal && flight.rows.count > 1 {
            for (row, callers) in zip(flight.rows, flight.callers) {
                let alone = Flight(rows: [row], callers: [callers])
                if !alone.isForlorn { await settle(alone) }
            }
        } catch {
            for caller in flight.callers.joined() { caller.answer(.failure(error)) }
        }
    }
}

/// The results of several jobs, handed over when the last one is there.
private final class Collected<Value: Sendable>: Sendable {
    private let values: Mutex<(values: [Value?], missing: Int)>
    private let done: @Sendable ([Value]) -> Void

    init(_ count: Int, done: @escaping @Sendable ([Value]) -> Void) {
        values = Mutex(([Value?](repeating: nil, count: count), count))
        self.done = done
    }

    func put(_ value: Value, at place: Int) {
        let all: [Value]? = values.withLock { state in
            state.values[place] = value
            state.missing -= 1
            return state.missing == 0 ? state.values.compactMap { $0 } : nil
        }
        if let all { done(all) }
    }
}

/// How often a transaction is tried that others spoil each time.
let attemptsMax = 5

/// Runs `body` again where the server rolled it back for its neighbours' sake (a deadlock or a serialization failure) or
/// it was lost with its connection before it could have an effect; not where the database is out of reach or overloaded,
/// and not after `deadline`.
func repeating<Value: Sendable>(
    until deadline: ContinuousClock.Instant, _ body: () async throws -> Value
) async throws -> Value {
    for _ in 1..<attemptsMax {
        do {
            return try await body()
        } catch let error as PostgresError where error.isWorthRepeating && .now < deadline {
            try await Task.sleep(for: .microseconds(Int64.random(in: 500...10_000)))
        }
    }
    return try await body()
}

extension PostgresError {
    /// Whether it happened to this attempt alone.
    fileprivate var isWorthRepeating: Bool {
        (isRetriable && [.server, .connectionLost].contains(code)) || isErasedUser
    }

    /// Whether a session's user was erased after it was registered: done again, it is registered anew.
    private var isErasedUser: Bool { sqlState == "23503" && constraint == "session_master_user_id_fkey" }

    /// Whether the server refused what it was sent for what it said, and changed nothing.
    var isRefusal: Bool {
        guard outcome == .nothingHappened else { return false }
        if code == .invalidArgument { return true }
        guard code == .server, let kind = sqlState?.prefix(2) else { return false }
        return kind == "22" || kind == "23" || kind == "P0"
    }
}
