// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournTesting
import Synchronization
import Testing

/// Two stores on one database, this process's and a worker's, whose `sojourn.clock()` tells a manual clock's time. Calls
/// go to one and the other in turn, so that every verb meets what another server left, or is doing at that moment.
final class TimedStore: ForwardingStore, ItemStore, JournalStore, TruthStore {
    private let database: ScratchDatabase
    private let stores: [RemoteStore]
    private let clock: Mutex<ManualClock>
    private let next = Atomic(0)
    private let told = Mutex<Timestamp?>(nil)

    var capabilities: StoreCapabilities { stores[0].capabilities }

    /// A store on a database of its own, and a worker of its own.
    init(pooled: Bool) async throws {
        database = try await ScratchDatabase()
        for statement in [
            "CREATE TABLE public.test_clock (at timestamptz NOT NULL)",
            "INSERT INTO public.test_clock VALUES (now())",
            """
            CREATE OR REPLACE FUNCTION sojourn.clock() RETURNS timestamptz LANGUAGE sql VOLATILE
            AS 'SELECT at FROM public.test_clock'
            """,
            // What a server's keeper would have made by the time at which examples begin.
            """
            SELECT sojourn.add_month(('\(ManualClock.start.text)'::date + make_interval(months => ahead))::date)
            FROM generate_series(0, 3) AS ahead
            """,
        ] { try await database.run(statement) }
        stores = [
            try await RemoteStore(database.store(pooled: pooled)),
            try await RemoteStore(database.worker(pooled: pooled)),
        ]
        try #require(stores[0].capabilities == stores[1].capabilities && stores[0].processID != stores[1].processID)
        clock = Mutex(ManualClock())
    }

    /// Empties the store and puts it on another clock.
    func begin(at clock: ManualClock) async throws {
        self.clock.withLock { $0 = clock }
        try await database.client.withTransaction { transaction in
            for table in ["session_master", "users", "items", "redis_pending"] {
                transaction.enqueue(PostgresCall(PostgresStatement("DELETE FROM sojourn.\(table)")))
            }
        }
    }

    var base: RemoteStore {
        get async throws {
            let now = clock.withLock { $0 }.now
            if told.withLock({ $0 }) != now {
                var arguments = PostgresArguments()
                arguments.append(microseconds: now.microseconds)
                _ = try await database.client.query(PostgresCall(Self.telling, arguments))
                // Only now: who comes meanwhile tells the same time once more.
                told.withLock { $0 = now }
            }
            return stores[next.wrappingAdd(1, ordering: .relaxed).oldValue % stores.count]
        }
    }

    private static let telling = PostgresStatement("UPDATE public.test_clock SET at = $1", [.timestamptz])
}

/// Stores for the suites, lent to one example at a time: a server has only so many connections.
actor TimedStores {
    private let pooled: Bool
    private let storesMax = 6
    private var made = 0
    private var free: [TimedStore] = []
    private var waiting: [CheckedContinuation<TimedStore, Never>] = []

    init(pooled: Bool) {
        self.pooled = pooled
    }

    /// An empty store on a clock.
    func take(_ clock: ManualClock) async throws -> TimedStore {
        let store = try await next()
        try await store.begin(at: clock)
        return store
    }

    /// Takes a store back.
    func give(_ store: TimedStore) {
        if waiting.isEmpty { free.append(store) } else { waiting.removeFirst().resume(returning: store) }
    }

    private func next() async throws -> TimedStore {
        if let store = free.popLast() { return store }
        if made < storesMax {
            made += 1
            return try await TimedStore(pooled: pooled)
        }
        return await withCheckedContinuation { waiting.append($0) }
    }
}
