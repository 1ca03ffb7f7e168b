// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// An open transaction on a borrowed connection, at READ COMMITTED. Valid within `withTransaction`'s body.
///
/// It runs one thing at a time. After a statement failed, PostgreSQL refuses everything up to the rollback, to a
/// savepoint or of the whole.
public final class PostgresTransaction: Sendable {
    private struct State {
        /// What waits for the next round trip.
        var enqueued: [PostgresCall] = []
        /// Whether BEGIN was sent.
        var hasBegun = false
        /// The connection on which it was.
        var connection: UInt64?
        var isBusy = false
        var isOver = false
    }

    private static let begin = PostgresCall(once: "BEGIN ISOLATION LEVEL READ COMMITTED")
    private static let commit = PostgresCall(once: "COMMIT")
    private static let rollback = PostgresCall(once: "ROLLBACK")

    private let lane: Lane
    private let patience: Duration
    /// When the caller stops waiting, whatever is under way; nil for never.
    private let end: ContinuousClock.Instant?
    /// What follows BEGIN.
    private let opening: [PostgresCall]
    private let state = Mutex(State())

    /// A transaction on `lane`, which begins with its first statement.
    ///
    /// - Parameter patience: Most time per round trip; also the most a statement may take on the server, where it is
    ///   said here rather than by the configuration.
    /// - Parameter end: When the caller stops waiting, whatever is under way; nil for never.
    init(_ lane: Lane, patience: Duration?, until end: ContinuousClock.Instant?) {
        self.lane = lane
        self.end = end
        self.patience = patience ?? lane.surroundings.configuration.answerTimeout
        let limit =
            patience
            ?? (lane.surroundings.pooling.isTransactionPooled ?? false
                ? lane.surroundings.configuration.statementTimeout : nil)
        opening = limit.map { [PostgresCall(once: "SET LOCAL statement_timeout = \($0.milliseconds)")] } ?? []
    }
}

extension PostgresTransaction {
    /// Runs `calls` in one round trip, after what was enqueued; one result per call.
    public func run(_ calls: [PostgresCall]) async throws(PostgresError) -> [PostgresRows] {
        for call in calls { if let refusal = call.refusal { throw refusal } }
        let begun = try start()
        defer { state.withLock { $0.isBusy = false } }
        return try await perform(.calls(begun.calls + calls), unwanted: begun.calls.count, on: begun.connection)
    }

    /// Runs `call` in one round trip, after what was enqueued.
    public func run(_ call: PostgresCall) async throws(PostgresError) -> PostgresRows {
        guard let rows = try await run([call]).first else {
            throw PostgresError(.unexpectedResult, "The database answered a statement without a result.")
        }
        return rows
    }

    /// Sends `call` with the next round trip, at the latest with the commit. Where it fails, that round trip does.
    public func enqueue(_ call: PostgresCall) {
        state.withLock { $0.enqueued.append(call) }
    }

    /// Runs a text of any number of statements without parameters, such as a migration. It must not end the
    /// transaction itself.
    public func runScript(_ sql: String) async throws(PostgresError) {
        if sql.utf8.contains(0) {
            throw PostgresError(.invalidArgument, "The script contains a NUL character.")
        }
        let begun = try start()
        defer { state.withLock { $0.isBusy = false } }
        var connection = begun.connection
        if !begun.calls.isEmpty {
            _ = try await perform(.calls(begun.calls), unwanted: begun.calls.count, on: connection)
            connection = state.withLock { $0.connection }
        }
        _ = try await perform(.script(sql), unwanted: 0, on: connection)
    }
}

extension PostgresTransaction {
    /// What has to be sent first, and where. From here on the transaction is busy.
    private func start() throws(PostgresError) -> (calls: [PostgresCall], connection: UInt64?) {
        let refusal: PostgresError? = state.withLock { state in
            if state.isOver { return PostgresError(.invalidArgument, "The transaction is over.") }
            if state.isBusy { return PostgresError(.invalidArgument, "A transaction runs one thing at a time.") }
            state.isBusy = true
            return nil
        }
        if let refusal { throw refusal }
        return takeEnqueued()
    }

    /// Until when the answer to what is sent now is waited for.
    private var deadline: ContinuousClock.Instant {
        let usual = ContinuousClock.now + patience
        return min(usual, end ?? usual)
    }

    private func takeEnqueued() -> (calls: [PostgresCall], connection: UInt64?) {
        state.withLock { state in
            let calls = (state.hasBegun ? [] : [Self.begin] + opening) + state.enqueued
            state.hasBegun = true
            state.enqueued = []
            return (calls, state.connection)
        }
    }

    /// Sends one unit, and remembers the connection that it went to.
    private func perform(
        _ content: Unit.Content, unwanted: Int, on connection: UInt64?, commits: Bool = false
    ) async throws(PostgresError) -> [PostgresRows] {
        if case .calls(let calls) = content { for call in calls { if let refusal = call.refusal { throw refusal } } }
        let waiter = Waiter(queued: lane.settings.queued)
        var unit = Unit(content: content, deadline: deadline, patience: patience, waiter: waiter)
        unit.unwanted = unwanted
        unit.commits = commits
        unit.connection = connection
        defer {
            if connection == nil, let sent = waiter.connection { state.withLock { $0.connection = sent } }
        }
        return commits ? try await lane.answerRegardless(to: unit) : try await lane.answer(to: unit)
    }

    /// Commits, together with what is enqueued. Where nothing was ever run, there is nothing to do.
    func finish() async throws(PostgresError) {
        let isEmpty = state.withLock { state in
            state.isOver = true
            return !state.hasBegun && state.enqueued.isEmpty
        }
        guard !isEmpty else { return }
        let begun = takeEnqueued()
        let results = try await perform(
            .calls(begun.calls + [Self.commit]), unwanted: begun.calls.count, on: begun.connection, commits: true)
        // A transaction in which a statement failed is rolled back by COMMIT, and that is no error to the server.
        guard results.first?.tag == "COMMIT" else {
            throw PostgresError(
                .server, "The transaction was rolled back, since one of its statements had failed before.")
        }
    }

    /// Rolls back whatever was begun, on whichever connection the lane has by now: on another than ours it does
    /// nothing. Where there is no time left for it, the connection is given up, which rolls back as well. `done` is
    /// called once the connection is fit for the next.
    func rollBack(_ done: @escaping @Sendable () -> Void) {
        let hasBegun = state.withLock { state in
            state.isOver = true
            return state.hasBegun
        }
        guard hasBegun else { return done() }
        let waiter = Waiter(queued: lane.settings.queued)
        var unit = Unit(content: .calls([Self.rollback]), deadline: deadline, patience: patience, waiter: waiter)
        unit.commits = false
        waiter.attach { [lane] outcome in
            if case .failure = outcome { lane.dropConnection() }
            done()
        }
        lane.enqueue(unit)
    }
}

extension PostgresClient {
    /// Runs `body` in a transaction on a connection of its own, and commits with what is enqueued when it returns.
    /// Where it throws, the transaction is rolled back and the error passed on.
    ///
    /// The connection comes from a pool of at most `leasesMax`; who finds all lent waits for at most `answerTimeout`.
    /// Do not ask for a second transaction within the first: with all connections lent to the like, nobody gets on.
    ///
    /// - Parameter patience: Most time per round trip, and the server's limit for each statement; nil for the
    ///   configuration's.
    /// - Parameter deadline: When the caller stops waiting for all of it, the connection and the commit included; nil
    ///   where only the patience with each round trip counts.
    /// - Throws: What `body` throws, or `PostgresError` where the commit fails. A serialization failure or deadlock is
    ///   the caller's to repeat: see `isRetriable`.
    public func withTransaction<Value: Sendable>(
        patience: Duration? = nil, until deadline: ContinuousClock.Instant? = nil,
        isolation: isolated (any Actor)? = #isolation,
        _ body: (PostgresTransaction) async throws -> Value
    ) async throws -> Value {
        if let mistake = configuration.mistake { throw mistake }
        if let deadline, deadline <= .now {
            throw PostgresError(.timedOut, "There was no time left to begin the transaction.")
        }
        let lease = try await leases.borrow(until: deadline)
        let transaction = PostgresTransaction(lease.lane, patience: patience, until: deadline)
        let value: Value
        do {
            value = try await body(transaction)
            try await transaction.finish()
        } catch {
            if Task.isCancelled {
                // The statement that was interrupted may go on for a while; who gave up does not wait for it.
                transaction.rollBack(lease.end)
            } else {
                await withCheckedContinuation { continuation in
                    transaction.rollBack {
                        lease.end()
                        continuation.resume()
                    }
                }
            }
            throw error
        }
        lease.end()
        return value
    }

    /// Runs `call` by itself on a borrowed connection: for what PostgreSQL refuses within a transaction, such as
    /// `VACUUM`, `CREATE INDEX CONCURRENTLY` and `DETACH PARTITION … CONCURRENTLY`.
    ///
    /// - Parameter patience: Most time to the answer; nil for `answerTimeout`.
    public func runAlone(_ call: PostgresCall, patience: Duration? = nil) async throws(PostgresError) -> PostgresRows {
        if let mistake = configuration.mistake { throw mistake }
        if let refusal = call.refusal { throw refusal }
        let lease = try await leases.borrow()
        defer { lease.end() }
        let patience = patience ?? configuration.answerTimeout
        let waiter = Waiter(queued: lease.lane.settings.queued)
        let unit = Unit(content: .calls([call]), deadline: .now + patience, patience: patience, waiter: waiter)
        guard let rows = try await lease.lane.answer(to: unit).first else {
            throw PostgresError(.unexpectedResult, "The database answered a statement without a result.")
        }
        return rows
    }
}
