// SPDX-License-Identifier: Apache-2.0

import Foundation
import PostgresDriver
import Sojourn
import SojournPostgres
import Synchronization
import Testing

/// Two nodes on one database under appends, ends, deletions, erasures and the making and retiring of months: every second
/// nothing is orphaned, and at the end every acknowledged turn that nobody has erased since is there once.
///
/// 10 seconds by default; `script/soak journal` asks for 300 by `JOURNAL_SECONDS` and holds latencies to their limit as well.
@Suite("The journal under load", .onPostgres, .timeLimit(.minutes(15)))
struct JournalLoadTests {
    private static let asked = ProcessInfo.processInfo.environment["JOURNAL_SECONDS"].flatMap { Int($0) }
    /// What the 99th percentile of appends and of validations stays under in a soak.
    private static let latencyMax = Duration.milliseconds(50)

    @Test("no orphan, no turn lost or doubled, no month missing")
    func load() async throws {
        let database = try await ScratchDatabase()
        let stores = [try database.store(), try database.store()]
        defer { for store in stores { store.close() } }
        let nodes = [try await RemoteStore(stores[0]), try await RemoteStore(database.worker())]
        let ledger = JournalLedger()
        // On a busy machine it takes longer until everything has happened.
        let end = ContinuousClock.now + .seconds(Self.asked ?? 10)
        let goesOn: @Sendable () -> Bool = {
            ContinuousClock.now < (ledger.hasSeenEverything ? end : end + .seconds(120))
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<24 {
                group.addTask {
                    var caller = JournalCaller(number: number, nodes: nodes, ledger: ledger)
                    while goesOn() { await caller.visit() }
                }
            }
            for store in stores {
                group.addTask { try await Self.turnMonths(store, ledger, while: goesOn) }
            }
            group.addTask { try await Self.watch(database, ledger, while: goesOn) }
            try await group.waitForAll()
        }
        let report = ledger.report()
        print("journal: \(report.text)")
        #expect(report.errors.isEmpty, "\(report.errors)")
        #expect(ledger.hasSeenEverything, "\(report.text)")
        try await audit(database, ledger)
        #expect(try await stores[0].integrity().findings.filter { !$0.isGood && $0.check.contains("orphans") } == [])
        if Self.asked != nil {
            #expect(report.appendP99 < Self.latencyMax && report.validateP99 < Self.latencyMax, "\(report.text)")
        }
    }

    /// Makes and retires months, by the keeper that servers run.
    private static func turnMonths(
        _ store: PostgresStore, _ ledger: JournalLedger, while goesOn: @Sendable () -> Bool
    ) async throws {
        let keeper = try #require(PartitionKeeper(sessions: Sessions(store: store)))
        while goesOn() {
            let month = PartitionMonth(of: JournalCaller.archived())
            let status = try await store.partitions()
            // Nothing to retire where nobody has written to that month yet.
            if let plan = try? PartitionPlan(retiring: month, as: Bool.random() ? .drop : .keep, in: status) {
                try await keeper.apply(plan) { step, result in
                    switch result {
                    case .success(.done): ledger.noteMonth()
                    case .success: break
                    // Both nodes are at it; a lock that was not to be had is the next run's.
                    case .failure(let error) where error.code == .storeUnavailable: break
                    case .failure(let error): ledger.note("\(step): \(error)")
                    }
                }
            }
            try await keeper.tend()
            try await Task.sleep(for: .seconds(1))
        }
    }

    /// Looks for orphans every second.
    private static func watch(
        _ database: ScratchDatabase, _ ledger: JournalLedger, while goesOn: @Sendable () -> Bool
    ) async throws {
        let tables = ["conversations", "user_interactions", "recommendations_log", "user_feedback", "idempotency_keys"]
        let counts = tables.map {
            """
            SELECT count(*) FROM sojourn.\($0) AS c
            WHERE NOT EXISTS (SELECT 1 FROM sojourn.session_master AS s WHERE s.session_id = c.session_id)
            """
        }
        while goesOn() {
            let rows = try await database.run("SELECT (\(counts.joined(separator: ") + ("))) AS orphans")
            let orphans = try #require(rows.first).int(0)
            ledger.noteCheck()
            if orphans > 0 { ledger.note("\(orphans) orphans") }
            try await Task.sleep(for: .seconds(1))
        }
    }

    /// Compares what callers were told with what is stored.
    private func audit(_ database: ScratchDatabase, _ ledger: JournalLedger) async throws {
        let sessions = Set(
            try await database.run("SELECT session_id::text FROM sojourn.session_master").map { try $0.text(0) })
        var stored: [String: [String]] = [:]
        for row in try await database.run(
            """
            SELECT session_id::text, id::text FROM sojourn.conversations
            WHERE conversation_time > now() - interval '500 days'
            """)
        {
            stored[try row.text(0), default: []].append(try row.text(1))
        }
        for (id, account) in ledger.accounts {
            guard sessions.contains(id.description) else {
                #expect(account.mayBeGone, "\(id) is gone, and nobody deleted it")
                continue
            }
            let turns = stored[id.description] ?? []
            #expect(Set(turns).count == turns.count, "\(id) has a turn twice")
            let told = Set(account.turns.map(\.description))
            #expect(told.isSubset(of: turns), "\(id) has lost turns")
            let doubtful = Set(account.doubtful.map(\.description))
            #expect(Set(turns).subtracting(told).isSubset(of: doubtful), "\(id) has turns that nobody wrote")
        }
        let misnumbered = try await database.run(
            """
            SELECT count(*) FROM (
                SELECT session_id FROM sojourn.conversations GROUP BY session_id HAVING count(*) <> count(DISTINCT seq)
            ) AS doubled
            """)
        #expect(try misnumbered.first?.int(0) == 0)
    }
}

/// What callers of the load were told.
final class JournalLedger: Sendable {
    /// What is known of a session.
    struct Account {
        /// Acknowledged turns that stay.
        var turns: [EntryID] = []
        /// Turns whose writing was not answered.
        var doubtful: [EntryID] = []
        /// Whether somebody deletes it or erases its user.
        var mayBeGone = false
    }

    private struct State {
        var accounts: [SessionID: Account] = [:]
        var errors: [String] = []
        var checks = 0
        var months = 0
        var appends: [Duration] = []
        var validations: [Duration] = []
    }
    private let state = Mutex(State())

    /// Whether a turn was written, a month changed and a look taken for orphans.
    var hasSeenEverything: Bool {
        state.withLock { state in
            state.checks > 0 && state.months > 0 && state.accounts.values.contains { !$0.turns.isEmpty }
        }
    }

    /// Every session.
    var accounts: [SessionID: Account] { state.withLock { $0.accounts } }

    func change(_ id: SessionID, _ body: (inout Account) -> Void) {
        state.withLock { body(&$0.accounts[id, default: Account()]) }
    }
    func note(_ error: String) { state.withLock { $0.errors.append(error) } }
    func noteCheck() { state.withLock { $0.checks += 1 } }
    func noteMonth() { state.withLock { $0.months += 1 } }
    func noteAppend(_ duration: Duration) { state.withLock { $0.appends.append(duration) } }
    func noteValidation(_ duration: Duration) { state.withLock { $0.validations.append(duration) } }

    /// What happened, in figures.
    struct Report {
        let errors: [String]
        let appendP99: Duration
        let validateP99: Duration
        let text: String
    }

    func report() -> Report {
        state.withLock { state in
            func p99(_ durations: [Duration]) -> Duration {
                durations.isEmpty ? .zero : durations.sorted()[durations.count * 99 / 100]
            }
            let turns = state.accounts.values.reduce(0) { $0 + $1.turns.count }
            let (append, validate) = (p99(state.appends), p99(state.validations))
            return Report(
                errors: state.errors, appendP99: append, validateP99: validate,
                text: """
                    \(state.accounts.count) sessions, \(turns) turns acknowledged, \(state.months) months changed, \
                    \(state.checks) checks; p99 of \(state.appends.count) appends \(append), \
                    of \(state.validations.count) validations \(validate)
                    """)
        }
    }
}
