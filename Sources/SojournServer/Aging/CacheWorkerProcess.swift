// SPDX-License-Identifier: Apache-2.0

internal import Logging
internal import ServiceLifecycle
public import Sojourn
internal import UnixSignals

/// The worker that lets users and products take turns in the cache, by itself: `sojourn cache-worker`.
public struct CacheWorkerProcess: Sendable {
    private let settings: Settings
    private let store: OpenStore
    /// The worker.
    public let worker: CacheWorker

    /// Opens the store. `CACHE_INTERVAL=off` is for servers, and is the default interval here.
    ///
    /// - Throws: `SojournError`: `notAvailable` where the settings name no PostgreSQL or no Redis; what the store throws.
    public init(_ settings: Settings) async throws {
        self.settings = settings
        guard case .postgres = settings.database else {
            throw SojournError(
                .notAvailable, "Users and products are kept, and cached, where the store is PostgreSQL (DATABASE_URL).")
        }
        store = try await OpenStore(settings, for: .using)
        worker = try CacheWorker(sessions: store.sessions, pace: settings.agingPace)
    }

    /// Runs cycles until SIGTERM or SIGINT. Sets up the process's logs, so it can be called once in a process.
    public func run() async throws {
        settings.beginLogging()
        let logger = Logger(label: "sojourn")
        for warning in settings.warnings { logger.warning("\(warning)") }
        logger.info(
            "caching", metadata: ["database": "\(store.place)", "redis": "\(settings.retailCache?.place ?? "")"])
        try await ServiceGroup(
            services: [worker], gracefulShutdownSignals: [.sigterm, .sigint], logger: Logger(label: "sojourn.cache")
        ).run()
        try await close()
        logger.info("stopped")
    }

    /// Closes the store.
    public func close() async throws {
        try await store.close()
    }
}
