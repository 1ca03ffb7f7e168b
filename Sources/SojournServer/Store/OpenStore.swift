// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Logging
internal import ServiceLifecycle
public import Sojourn
internal import SojournKafka
internal import SojournPostgres
internal import SojournRedis
internal import SojournSQLite

/// The store that the settings name, opened, with the façade and what runs beside it.
public struct OpenStore: Sendable {
    /// What the store is opened for: what is done about a database that is not there or older than this version.
    public enum Purpose: Sendable, Hashable {
        /// To be made or brought up to date: `sojourn init`.
        case making
        /// To be served: as for `making`, unless the settings leave that to `sojourn init`.
        case serving
        /// To be used as it is, by a command beside the server.
        case using
    }

    /// The store itself.
    private enum Base {
        case sqlite(SQLiteStore)
        case postgres(PostgresStore)
        case redis(RedisStore)
    }

    /// Every feature, for the server and for the commands beside it.
    public let sessions: Sessions
    /// The sweep, which runs where somebody runs it.
    public let sweeper: Sweeper
    /// The keeper of the journal's months, which runs where somebody runs it; nil where the store has none.
    public let partitions: PartitionKeeper?
    /// What lets users and products take turns in the cache, which runs where somebody runs it; nil where they are not
    /// cached, or the settings turn it off.
    let cacheWorker: CacheWorker?
    /// Where the store is, for people: the path of its file, or its URL without the password.
    public let place: String
    /// What keeps the cache before the store true, which runs where the store is served; nil where there is none.
    let tier: (any Service)?
    private let base: Base
    private let cache: RedisCache?
    private let retailCache: RedisRetailCache?
    /// Where entries of the journal wait in Kafka, which runs where the store is served; nil where they are written at once.
    let journalLog: KafkaJournalLog?

    /// Opens the store.
    ///
    /// - Throws: `SojournError` with code `storeUnavailable` where there is none and none is to be made, and what the
    ///   store throws on opening.
    public init(_ settings: Settings, for purpose: Purpose) async throws {
        let store: any SessionStore
        cache = try settings.cache?.openCache()
        retailCache = try settings.retailCache?.openRetailCache()
        switch settings.database {
        case .sqlite(let path):
            guard purpose != .using || FileManager.default.fileExists(atPath: path) else {
                throw SojournError(
                    .storeUnavailable,
                    "There is no database at \(path): `sojourn init` makes one, and so does `sojourn serve`.")
            }
            let sqlite = try SQLiteStore(path: path)
            (store, tier) = Self.tiered(sqlite, cache, settings)
            base = .sqlite(sqlite)
        case .postgres(let database):
            let postgres = try await database.open(for: purpose)
            (store, tier) = Self.tiered(postgres, cache, settings)
            base = .postgres(postgres)
        case .redis(let settings):
            let redis = try await settings.open()
            (store, tier, base) = (redis, nil, .redis(redis))
        }
        journalLog =
            purpose == .serving && settings.kafka.journalMode == .kafka
            ? KafkaJournalLog(settings.kafka.topics, logger: Logger(label: "sojourn.journal")) : nil
        place = settings.database.place
        sessions = Sessions(
            store: store, policies: settings.policies, limits: settings.limits, retailLocale: settings.retailLocale,
            retailCache: retailCache, journalQueue: journalLog.map { JournalQueue($0) })
        var pace = Sweeper.Pace()
        pace.interval = settings.sweepInterval
        sweeper = Sweeper(sessions: sessions, pace: pace)
        partitions = PartitionKeeper(sessions: sessions, policy: settings.partitions)
        cacheWorker =
            retailCache != nil && settings.runsAging
            ? try CacheWorker(sessions: sessions, pace: settings.agingPace) : nil
    }

    /// The store, behind the cache where there is one.
    private static func tiered<Truth: TruthStore>(
        _ store: Truth, _ cache: RedisCache?, _ settings: Settings
    ) -> (store: any SessionStore, tier: (any Service)?) {
        guard let cache else { return (store, nil) }
        let tiered = TieredStore(store, cache: cache, tiering: settings.tiering)
        return (tiered, tiered)
    }

    /// The store, where it is PostgreSQL.
    var postgres: PostgresStore? {
        if case .postgres(let store) = base { store } else { nil }
    }

    /// Lets SQL in this database name the tables without their schema: `SELECT start_session()`. Holds for connections
    /// made afterwards.
    ///
    /// - Throws: `SojournError` with code `notAvailable` but on PostgreSQL; what the store throws.
    public func setSearchPath() async throws {
        guard let store = postgres else {
            throw SojournError(.notAvailable, "There is no search path here: --search-path is for PostgreSQL.")
        }
        try await store.setSearchPath()
    }

    /// The store by which tables of the same database are adopted (J9).
    ///
    /// - Throws: `SojournError` with code `notAvailable` but on PostgreSQL; what the store throws on opening.
    public static func adopting(_ settings: Settings) async throws -> any AdoptionStore {
        guard case .postgres(let database) = settings.database else {
            throw SojournError(
                .notAvailable, "Tables are adopted where they are: `sojourn adopt` is for PostgreSQL (DATABASE_URL).")
        }
        return try await database.openDirectly()
    }

    /// Copies the store as of one moment to a new file, checked, while it is in use.
    ///
    /// - Parameter progress: told the share that is done, 0 to 1.
    /// - Throws: `SojournError` with code `invalidInput` where the file exists, `notAvailable` but on SQLite; what the
    ///   store throws.
    public func backup(to path: String, progress: @escaping @Sendable (Double) -> Void) async throws {
        guard case .sqlite(let store) = base else {
            throw SojournError(
                .notAvailable,
                "Back up PostgreSQL and Redis by their own means: pg_dump, the append-only file, the provider's copies."
            )
        }
        try await store.backup(to: path, progress: progress)
    }

    /// Closes the store: what is under way is finished, and later calls throw `storeUnavailable`.
    public func close() async throws {
        await journalLog?.shutdown()
        cache?.close()
        retailCache?.close()
        switch base {
        case .sqlite(let store): try await store.close()
        case .postgres(let store): store.close()
        case .redis(let store): store.close()
        }
    }
}
