// SPDX-License-Identifier: Apache-2.0

public import Logging
public import PostgresDriver
internal import Sojourn

/// Sessions, items and the journal in PostgreSQL 15 or newer, shared by any number of servers and by whoever speaks SQL.
///
/// What happens most (validations, creations, ends, items added) is folded: one statement for all who wait, decided by the
/// database on the rows it changes. The rest is a short transaction: the row is locked and read, `SessionRecord` decides,
/// the row is written. Nothing is cached, and time is the database's (`sojourn.clock()`). Locks are taken in one order,
/// users before sessions and each by id, so that nobody waits in a circle; where SQL written by others does, the loser is
/// repeated.
public final class PostgresStore: Sendable {
    let client: PostgresClient
    /// For partitions, by the direct way: gives up on a lock after 50 ms.
    let keeping: PostgresClient
    let validations: [Validations]
    let creations: [Creations]
    let ends: [Ends]
    let additions: [Additions]
    let appends: FoldsByKind<Appends>
    let readings: FoldsByKind<Readings>
    let copyings: [Copyings]
    let touches: [Touches]

    /// A store on the database that the configuration names. Connects when it is first used; `migrate()` makes or
    /// updates the tables.
    ///
    /// - Parameter direct: A way to the same database without a pooler between, for partitions; nil for the same way.
    public init(
        _ configuration: PostgresConfiguration, direct: PostgresConfiguration? = nil,
        logger: Logger = Logger(label: "sojourn.postgres")
    ) {
        var direct = direct ?? configuration
        direct.sessionSettings["lock_timeout"] = "50ms"
        direct.connections = 1
        direct.applicationName += "-partitions"
        keeping = PostgresClient(direct, logger: logger)
        var configuration = configuration
        // A plan made while a table was small must not be a scan of it: it is kept until the next ANALYZE. And one plan
        // for all: what a fold should do does not depend on how many rows it brings.
        configuration.sessionSettings["enable_seqscan"] = "off"
        configuration.sessionSettings["plan_cache_mode"] = "force_generic_plan"
        let client = PostgresClient(configuration, logger: logger)
        self.client = client
        let lanes = 0..<client.laneCount
        validations = lanes.map { client.validations(on: $0) }
        creations = lanes.map { client.creations(on: $0) }
        ends = lanes.map { client.ends(on: $0) }
        additions = lanes.map { client.additions(on: $0) }
        appends = FoldsByKind(lanes) { client.appends(of: $0, on: $1) }
        readings = FoldsByKind(lanes) { client.readings(of: $0, on: $1) }
        copyings = lanes.map { client.copyings(on: $0) }
        touches = lanes.map { client.touches(on: $0) }
    }

    /// Ends every connection: what is under way is finished, and later calls throw `storeUnavailable`.
    public func close() {
        client.close()
        keeping.close()
    }
}

extension PostgresStore {
    /// The lane of a session: always the same one, so that no two statements of ours wait for one row.
    func lane(of id: SessionID) -> Int { Int(id.uuid.low % UInt64(client.laneCount)) }

    /// Runs `body` with its failures in our terms.
    func answering<Value: Sendable>(_ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch { throw PostgresFailure.map(error) }
    }

    /// Reads: one statement, which may be sent again if its connection is lost.
    func read(_ call: PostgresCall) async throws -> PostgresRows {
        try await client.query(call, retry: .ifInterrupted)
    }

    /// Reads whole tables: the one case in which scanning them is right.
    func readWhole(_ call: PostgresCall) async throws -> PostgresRows {
        try await client.withTransaction(patience: .seconds(300)) { transaction in
            transaction.enqueue(PostgresCall(once: "SET LOCAL enable_seqscan = on"))
            return try await transaction.run(call)
        }
    }

    /// Runs `body` in a transaction, again where the server rolled it back for its neighbours' sake; all in all until
    /// `deadline`, or for as long as a caller waits for an answer. Where it finds a month of the journal missing, the months of
    /// these times are made first.
    func transaction<Value: Sendable>(
        until deadline: ContinuousClock.Instant? = nil, months times: [Timestamp] = [],
        _ body: @Sendable (PostgresTransaction) async throws -> Value
    ) async throws -> Value {
        let deadline = deadline ?? .now + client.answerTimeout
        return try await answering {
            try await repeating(until: deadline) {
                try await self.makingMonths(for: times) {
                    try await self.client.withTransaction(until: deadline) { try await body($0) }
                }
            }
        }
    }
}

extension PostgresTransaction {
    /// The database's time, now.
    static let clock = PostgresCall(PostgresStatement("SELECT sojourn.clock()"))

    /// Runs statements that lock rows and returns the last one's rows, with the time once it holds them.
    func lock(_ calls: PostgresCall...) async throws -> (rows: PostgresRows, now: Timestamp) {
        let results = try await run(calls + [Self.clock])
        guard results.count > 1, let now = try results.last?.first?.time(0) else {
            throw PostgresError(.unexpectedResult, "The database did not tell the time.")
        }
        return (results[results.count - 2], now)
    }
}
