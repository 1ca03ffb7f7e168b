// SPDX-License-Identifier: Apache-2.0

internal import DequeModule
internal import DriverSupport
internal import Synchronization

/// Who may have which of the connections for transactions: decisions only.
struct LeaseBook {
    /// What becomes of a request.
    enum Grant: Equatable {
        /// This lane, by its number.
        case lane(Int)
        /// A turn in the queue.
        case turn(UInt64)
        /// Too many wait.
        case full
    }

    private var free: [Int] = []
    private var opened = 0
    private var waiting: Deque<UInt64> = []
    private var turns: UInt64 = 0
    private let lanesMax: Int
    private let waitingMax: Int

    /// Nothing is lent; at most `lanesMax` will be, and at most `waitingMax` wait.
    init(lanesMax: Int, waitingMax: Int) {
        self.lanesMax = lanesMax
        self.waitingMax = waitingMax
    }

    /// Somebody wants a lane. The one used last is lent first, so that idle ones can close.
    mutating func request() -> Grant {
        if let lane = free.popLast() { return .lane(lane) }
        if opened < lanesMax {
            opened += 1
            return .lane(opened - 1)
        }
        guard waiting.count < waitingMax else { return .full }
        turns += 1
        waiting.append(turns)
        return .turn(turns)
    }

    /// `lane` is given back; whose turn it is now, if anybody waits.
    mutating func giveBack(_ lane: Int) -> UInt64? {
        if let next = waiting.popFirst() { return next }
        free.append(lane)
        return nil
    }

    /// The holder of `turn` waits no more; false where it has its lane already.
    mutating func giveUp(_ turn: UInt64) -> Bool {
        guard let index = waiting.firstIndex(of: turn) else { return false }
        waiting.remove(at: index)
        return true
    }
}

/// The connections for transactions and for what runs alone, each lent to one at a time.
final class LeasePool: Sendable {
    private typealias Outcome = Result<Int, PostgresError>

    /// Somebody who waits.
    private enum Turn {
        /// On the way to being suspended.
        case coming
        /// Suspended.
        case waiting(CheckedContinuation<Outcome, Never>)
        /// Decided before being suspended.
        case decided(Outcome)
    }

    private struct State {
        var book: LeaseBook
        var turns: [UInt64: Turn] = [:]
        var lent: Set<Int> = []
        var isClosing = false
    }

    private let lanes: [Lane]
    private let answerTimeout: Duration
    private let state: Mutex<State>

    /// A pool in which nothing is open yet.
    init(_ surroundings: LaneSurroundings) {
        let configuration = surroundings.configuration
        let queued = Tally()
        lanes = (0..<max(1, configuration.leasesMax)).map { number in
            Lane(
                Lane.Settings(
                    name: "pg-lease-\(number)", window: 1, queueMax: nil, queued: queued,
                    idleTimeout: configuration.idleTimeout), surroundings)
        }
        answerTimeout = configuration.answerTimeout
        state = Mutex(State(book: LeaseBook(lanesMax: lanes.count, waitingMax: configuration.queueMax)))
    }

    /// Borrows a connection; waits for one for at most `answerTimeout`, and not after `deadline`.
    func borrow(until deadline: ContinuousClock.Instant? = nil) async throws(PostgresError) -> Lease {
        let usual = ContinuousClock.now + answerTimeout
        let grant: LeaseBook.Grant? = state.withLock { state in
            if state.isClosing { return nil }
            let grant = state.book.request()
            switch grant {
            case .lane(let number): state.lent.insert(number)
            case .turn(let turn): state.turns[turn] = .coming
            case .full: break
            }
            return grant
        }
        switch grant {
        case nil: throw .shutDown()
        case .full: throw PostgresError(.queueFull, "Too many transactions wait for a connection.")
        case .lane(let number): return lease(number)
        case .turn(let turn): return lease(try await wait(for: turn, until: min(usual, deadline ?? usual)))
        }
    }

    /// Lends no more; closes what is not lent now, and the rest as it comes back.
    func close() {
        let (idle, turns) = state.withLock { state in
            state.isClosing = true
            return (lanes.indices.filter { !state.lent.contains($0) }, Array(state.turns.keys))
        }
        for number in idle { lanes[number].close() }
        for turn in turns { giveUp(turn, .shutDown()) }
    }

    private func lease(_ number: Int) -> Lease {
        Lease(lane: lanes[number]) { [self] in giveBack(number) }
    }

    private func giveBack(_ number: Int) {
        let (next, closes): (UInt64?, Bool) = state.withLock { state in
            let next = state.isClosing ? nil : state.book.giveBack(number)
            if next == nil { state.lent.remove(number) }
            return (next, state.isClosing)
        }
        if closes { lanes[number].close() }
        if let next { settle(next, .success(number)) }
    }
}

// MARK: - Waiting

extension LeasePool {
    /// Waits for a turn. The clock runs in a child task, which lives only as long as the wait.
    private func wait(
        for turn: UInt64, until deadline: ContinuousClock.Instant
    ) async throws(PostgresError) -> Int {
        let outcome = await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                try? await Task.sleep(until: deadline, clock: .continuous)
                guard !Task.isCancelled else { return }
                giveUp(turn, PostgresError(.timedOut, "No connection for a transaction came free in time."))
            }
            defer { group.cancelAll() }
            return await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in suspend(turn, continuation) }
            } onCancel: {
                giveUp(turn, PostgresError(.cancelled, "The call was cancelled."))
            }
        }
        return try outcome.get()
    }

    private func suspend(_ turn: UInt64, _ continuation: CheckedContinuation<Outcome, Never>) {
        let decided: Outcome? = state.withLock { state in
            if case .decided(let outcome) = state.turns[turn] {
                state.turns[turn] = nil
                return outcome
            }
            state.turns[turn] = .waiting(continuation)
            return nil
        }
        if let decided { continuation.resume(returning: decided) }
    }

    /// Ends a wait in vain, unless the turn has its lane already.
    private func giveUp(_ turn: UInt64, _ failure: PostgresError) {
        let wasWaiting = state.withLock { $0.book.giveUp(turn) }
        if wasWaiting { settle(turn, .failure(failure)) }
    }

    private func settle(_ turn: UInt64, _ outcome: Outcome) {
        let continuation: CheckedContinuation<Outcome, Never>? = state.withLock { state in
            if case .waiting(let continuation) = state.turns.removeValue(forKey: turn) { return continuation }
            state.turns[turn] = .decided(outcome)
            return nil
        }
        continuation?.resume(returning: outcome)
    }
}

/// A borrowed connection.
struct Lease: Sendable {
    /// The connection, with nobody else on it.
    let lane: Lane
    /// Gives it back. To be called once.
    let end: @Sendable () -> Void
}
