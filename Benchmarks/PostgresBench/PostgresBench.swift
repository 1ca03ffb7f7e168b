// SPDX-License-Identifier: Apache-2.0

// The PostgreSQL store under concurrent callers, keys uniform. Benchmarks/postgres runs it beside pgbench.
//
//     PostgresBench fill URL SESSIONS             makes the tables, a catalogue of 10,000 items and that many sessions
//     PostgresBench validate URL SECONDS [CALLERS]
//     PostgresBench create URL SECONDS [CALLERS]
//     PostgresBench add URL SECONDS [CALLERS]     adds 20 items to a session
//     PostgresBench list URL SECONDS [CALLERS]    lists 20 items with their names
//     PostgresBench append URL SECONDS [CALLERS]  appends a turn to the caller's own session
//     PostgresBench last URL SECONDS [CALLERS]    reads the last 50 turns of the caller's own session
//     PostgresBench floor URL SECONDS [CALLERS]   SELECT 1: what one round trip takes
//     PostgresBench wait URL SECONDS [CALLERS]    locks the table for so long, and prints the memory that callers take who
//                                                 wait to validate: MB before, MB while they wait
//
// Between `fill` and `wait`, all print calls a second, p99 in ms and peak memory in MB. SESSIONS is how many `fill` made, by
// default 100,000; CONNECTIONS is the number of lanes.
internal import BenchLoad
internal import Foundation
internal import Logging
internal import PostgresDriver
internal import Sojourn
internal import SojournPostgres

@main
struct PostgresBench {
    static func main() async throws {
        let arguments = CommandLine.arguments
        guard arguments.count >= 4, let number = Int(arguments[3]) else {
            print(
                "usage: PostgresBench fill URL SESSIONS | validate|create|add|list|append|last|floor URL SECONDS [CALLERS]"
            )
            exit(2)
        }
        var configuration = try PostgresConfiguration(url: arguments[2])
        if let connections = ProcessInfo.processInfo.environment["CONNECTIONS"].flatMap({ Int($0) }) {
            configuration.connections = connections
        }
        let store = PostgresStore(configuration)
        if arguments[1] == "fill" {
            try await store.migrate()
            for start in stride(from: 1, to: 10_000, by: 1000) {
                _ = try await store.put(
                    (start..<start + 1000).map { Item(id: Int64($0), name: "item \($0)", category: "things") })
            }
            try await fill(store, sessions: number) { draft(id($0)) }
        } else {
            let callers = arguments.count > 4 ? Int(arguments[4]) ?? 64 : 64
            guard arguments[1] != "wait" else {
                return try await wait(store, configuration, for: .seconds(number), callers: callers)
            }
            guard let call = try await call(arguments[1], store, configuration) else { exit(2) }
            try await measure(for: .seconds(number), callers: callers, call)
        }
        store.close()
    }

    /// What one caller does, by name; nil for a name that is none.
    static func call(
        _ name: String, _ store: PostgresStore, _ configuration: PostgresConfiguration
    ) async throws -> (@Sendable (_ caller: Int, inout SplitMix) async throws -> Void)? {
        let sessions = UInt64(ProcessInfo.processInfo.environment["SESSIONS"].flatMap { Int($0) } ?? 100_000)
        switch name {
        case "validate":
            return { _, random in
                let session = try await store.validate(.digest(id(Int(random.next() % sessions)), digest))
                precondition(session != nil, "Every session of the database is live.")
            }
        case "create":
            return { _, random in
                let id = SessionID(UUIDBytes(high: random.next(), low: random.next()))
                let made = try await store.create([draft(id)])
                _ = try made[0].get()
            }
        case "add":
            return { _, random in
                let items = (0..<20).map { _ in Int64(random.next() % 10_000) + 1 }
                _ = try await store.add(
                    items, to: .digest(id(Int(random.next() % sessions)), digest), holdMax: 1_000_000)
            }
        case "list":
            let ids = (0..<1000).map { id($0) }
            for id in ids {
                _ = try await store.remove(nil, from: .trusted(id, as: .cli))
                _ = try await store.add(Array(1...20), to: .digest(id, digest), holdMax: 1000)
            }
            return { _, random in
                let held = try await store.held(by: .digest(ids[Int(random.next() % 1000)], digest))
                precondition(held.count == 20, "Every session listed holds 20 items.")
            }
        case "append":
            return { caller, _ in
                let turn = NewEntry(
                    id: EntryID(UUIDBytes(version7At: SystemWallClock().now, random: .system)), at: nil,
                    body: .conversation(input: Turn.input, response: Turn.response, extra: .empty))
                _ = try await store.append(
                    [turn], to: .digest(id(caller), digest), expectedTurns: nil, idempotency: nil)
            }
        case "last":
            return { caller, _ in
                let page = try await store.history(
                    .conversations, of: .session(.digest(id(caller), digest)), HistoryQuery(),
                    page: PageRequest(limit: 50))
                precondition(page.items.count == 50, "Every session read has 50 turns.")
            }
        case "floor":
            let client = PostgresClient(configuration, logger: .init(label: "bench"))
            let call = PostgresCall(PostgresStatement("SELECT 1"))
            return { _, _ in _ = try await client.query(call) }
        default: return nil
        }
    }

    /// What every turn says, here and in Benchmarks/journal.
    enum Turn {
        static let input =
            "What can I cook tonight with kimchi, tofu and two eggs? It should not take longer than half an hour."
        static let response =
            "You could make kimchi jjigae: fry the kimchi, add water and tofu, let it simmer for fifteen minutes."
    }

    /// Lets `callers` wait for a locked table, and sees that all are answered afterwards.
    static func wait(
        _ store: PostgresStore, _ configuration: PostgresConfiguration, for duration: Duration, callers: Int
    ) async throws {
        let sessions = 1000
        let before = residentMegabytes()
        let client = PostgresClient(configuration, logger: .init(label: "bench"))
        let answered = try await withThrowingTaskGroup(of: Bool.self) { group in
            let waiting = try await client.withTransaction { transaction in
                _ = try await transaction.run(PostgresCall(once: "LOCK TABLE sojourn.session_master"))
                for n in 0..<callers {
                    group.addTask { try await store.validate(.digest(id(n % sessions), digest)) != nil }
                }
                try await Task.sleep(for: duration)
                return residentMegabytes()
            }
            print(before, waiting)
            return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        precondition(answered == callers, "Every caller is answered once the lock is gone.")
        client.close()
        store.close()
    }

    /// The digest of every session's secret, as pgbench writes it.
    static let digest = SecretDigest(bytes: [UInt8](repeating: 7, count: 32))

    /// Session `n`'s id: the number, as pgbench makes it.
    static func id(_ n: Int) -> SessionID { SessionID(UUIDBytes(high: 0, low: UInt64(n))) }

    static func draft(_ id: SessionID) -> NewSession {
        NewSession(
            id: id, digest: digest, metadata: Visitor.metadata, ipAddress: "203.0.113.7", userAgent: Visitor.agent)
    }
}
