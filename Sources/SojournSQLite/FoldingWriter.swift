// SPDX-License-Identifier: Apache-2.0

internal import GRDB
internal import Sojourn
internal import Synchronization

/// The one writer of a store: it runs as one transaction whatever callers queued while the last one was under way.
///
/// A commit at `synchronous=FULL` waits for the disk, so its cost is shared by all who waited for it, and nobody waits
/// for a timer: a lone caller's transaction begins at once. The queue is idle, or one drain is scheduled on GRDB's
/// writer connection; a drain takes what waits, commits it, and schedules the next where more came meanwhile, so that
/// a backup or a migration finds its turn in between.
///
/// - A caller is answered after the commit, never before. Where the commit fails, everyone in it fails, also those who
///   would have been told "no": they may have read what is no longer there.
/// - Jobs do not see each other's failures: one that throws leaves no trace.
/// - A caller that is cancelled while it waits is answered like any other: its write may be done already.
final class FoldingWriter: Sendable {
    /// How a job is kept apart from its neighbours in the transaction.
    enum Isolation {
        /// By a savepoint: the job may write several rows before it fails.
        case savepoint
        /// By itself: the job writes with one statement, and decides everything before that.
        case singleStatement
    }

    /// Most callers that may wait; the next one is told that the store is unavailable.
    static let waitingMax = 10_000
    /// Most jobs in one transaction, so that its callers' wait stays bounded.
    static let foldMax = 1000

    /// A caller's work, its value's type hidden.
    private struct Job: Sendable {
        /// Does the work inside the transaction.
        let run: @Sendable (Database) -> Outcome
        /// Answers a caller whose work was never begun.
        let refuse: @Sendable (any Error) -> Void
    }

    /// What came of a job, told to its caller only once it is known whether the transaction was committed.
    private struct Outcome {
        /// Why the job failed; nil where it did not.
        let failure: (any Error)?
        /// Answers the caller: nil after the commit, else what prevented it.
        let answer: ((any Error)?) -> Void
    }

    private struct State {
        var waiting: [Job] = []
        var isDraining = false
    }

    private let pool: DatabasePool
    private let beforeCommit: @Sendable (Database) throws -> Void
    private let state = Mutex(State())

    /// A writer on `pool`'s one writer connection.
    ///
    /// - Parameter beforeCommit: Does once for all in a transaction what each of them leaves to be done. Where it throws,
    ///   everyone in it fails.
    init(_ pool: DatabasePool, beforeCommit: @escaping @Sendable (Database) throws -> Void) {
        self.pool = pool
        self.beforeCommit = beforeCommit
    }

    /// How many callers wait for the next transaction.
    var waitingCount: Int { state.withLock { $0.waiting.count } }

    /// Runs `body` in a transaction, shared with whoever waits as well, and returns once that is committed.
    func write<Value: Sendable>(
        _ isolation: Isolation, _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            let job = Job { db in
                let result = Result { isolation == .savepoint ? try db.isolated { try body(db) } : try body(db) }
                return Outcome(failure: result.failure) { failure in
                    if let failure { continuation.resume(throwing: failure) } else { continuation.resume(with: result) }
                }
            } refuse: {
                continuation.resume(throwing: $0)
            }
            enqueue(job)
        }
    }

    private func enqueue(_ job: Job) {
        let (isAccepted, isFirst) = state.withLock { state in
            guard state.waiting.count < Self.waitingMax else { return (false, false) }
            state.waiting.append(job)
            defer { state.isDraining = true }
            return (true, !state.isDraining)
        }
        if !isAccepted {
            job.refuse(
                SojournError(.storeUnavailable, "Too many writes are waiting for the disk. Try again in a moment."))
        }
        if isFirst { pool.asyncWriteWithoutTransaction { db in self.drain(db) } }
    }

    /// One transaction over whatever waits.
    private func drain(_ db: Database) {
        let jobs = state.withLock { state in
            let taken = Array(state.waiting.prefix(Self.foldMax))
            state.waiting.removeFirst(taken.count)
            return taken
        }
        var outcomes: [Outcome] = []
        outcomes.reserveCapacity(jobs.count)
        var failure: (any Error)?
        do {
            try db.run("BEGIN IMMEDIATE")
            for job in jobs {
                let outcome = job.run(db)
                outcomes.append(outcome)
                // A full disk may make SQLite give the whole transaction up: what follows must not run outside one.
                if let failure = outcome.failure, !db.isInsideTransaction { throw failure }
            }
            try beforeCommit(db)
            try db.run("COMMIT")
        } catch {
            failure = error
            // Where this fails there is nothing left to roll back.
            if db.isInsideTransaction { _ = try? db.run("ROLLBACK") }
        }
        for outcome in outcomes { outcome.answer(failure) }
        if let failure { for job in jobs.dropFirst(outcomes.count) { job.refuse(failure) } }
        let hasMore = state.withLock { state in
            state.isDraining = !state.waiting.isEmpty
            return state.isDraining
        }
        if hasMore { pool.asyncWriteWithoutTransaction { db in self.drain(db) } }
    }
}

extension Database {
    /// Runs `body` so that it leaves no trace where it throws.
    func isolated<Value>(_ body: () throws -> Value) throws -> Value {
        try run("SAVEPOINT job")
        do {
            let value = try body()
            try run("RELEASE job")
            return value
        } catch {
            // Gone already where SQLite gave the whole transaction up.
            if isInsideTransaction {
                try run("ROLLBACK TO job")
                try run("RELEASE job")
            }
            throw error
        }
    }
}

extension Result {
    /// The failure, if it is one.
    fileprivate var failure: Failure? {
        if case .failure(let failure) = self { failure } else { nil }
    }
}
