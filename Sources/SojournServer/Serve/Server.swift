// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Hummingbird
internal import HummingbirdCore
internal import HummingbirdTLS
internal import Logging
internal import Metrics
internal import NIOCore
internal import NIOSSL
internal import ServiceLifecycle
internal import Sojourn
internal import SojournHTTP
internal import SojournSQLite
internal import UnixSignals

/// The server: the settings' store behind HTTP, with the sweep and the keeper of partitions beside it, until it is told to
/// stop.
public struct Server: Sendable {
    private let settings: Settings
    /// How long requests under way may take after the server is told to stop; then their connections are closed.
    private static let shutdownMax: Duration = .seconds(10)

    /// A server that has not begun.
    public init(_ settings: Settings) {
        self.settings = settings
    }

    /// Serves until SIGTERM or SIGINT, then finishes the requests under way, those that take ten seconds more at the
    /// most, and returns. Sets up the process's logs and metrics, so it can be called once in a process.
    ///
    /// - Throws: `SettingsError` where the store is shared and no service key is set; `SojournError` where another server
    ///   holds the database, the store does not open, the certificate cannot be read, or the port is taken.
    public func run() async throws {
        try settings.requireServiceKey()
        let metrics = PrometheusRegistry()
        MetricsSystem.bootstrap(metrics)
        let format = settings.beginLogging()
        let logger = Logger(label: "sojourn")
        for warning in settings.warnings { logger.warning("\(warning)") }

        let lock = try takeLock()
        let store = try await OpenStore(settings, for: .serving)
        let keys = try serviceKeys(logger)
        let pipeline = try PipelineWatch(settings, over: store)
        var http = http(keys: keys, metrics: metrics, sweeper: store.sweeper)
        if let pipeline { http.pipelineStatus = { try await pipeline.status() } }
        let api = SojournAPI(sessions: store.sessions, configuration: http)
        let application = Application(
            router: api.makeRouter(), server: try channel(),
            configuration: .init(
                address: .hostname(settings.host, port: settings.port), serverName: nil, backlog: 1024),
            services: [store.tier, store.sweeper, store.partitions, store.cacheWorker, store.journalLog, pipeline]
                .compactMap(\.self),
            onServerRunning: { [settings] channel in
                logger.info(
                    "serving",
                    metadata: [
                        "address": "\(settings.tls == nil ? "http" : "https")://\(settings.host)",
                        "port": "\(channel.localAddress?.port ?? settings.port)",
                        "database": "\(store.place)", "pid": "\(ProcessInfo.processInfo.processIdentifier)",
                    ])
            },
            logger: Logger(label: "sojourn.framework") { [level = settings.logLevel] label in
                FrameworkLogHandler(LineLogHandler(label: label, level: level, format: format))
            })
        do {
            var group = ServiceGroupConfiguration(
                services: [.init(service: application)], gracefulShutdownSignals: [.sigterm, .sigint],
                logger: Logger(label: "sojourn.http"))
            group.maximumGracefulShutdownDuration = Self.shutdownMax
            try await ServiceGroup(configuration: group).run()
        } catch let error as IOError {
            let reason =
                error.errnoCode == EADDRINUSE
                ? "another program has that port: choose another PORT, or 0 for a free one"
                : String(cString: strerror(error.errnoCode))
            throw SojournError(
                .storeUnavailable, "Cannot listen on \(settings.host):\(settings.port): \(reason).", underlying: error)
        }
        await pipeline?.close()
        try await store.close()
        withExtendedLifetime(lock) {}
        logger.info("stopped")
    }

    private func takeLock() throws -> ServerLock? {
        switch settings.database {
        case .sqlite(let path):
            let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
            do {
                try FileManager.default.createDirectory(
                    atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            } catch {
                throw SojournError(.storeFull, "The data folder \(folder) cannot be made.", underlying: error)
            }
            return try ServerLock(for: path)
        case .postgres, .redis:
            return nil
        }
    }

    private func serviceKeys(_ logger: Logger) throws -> [ServiceKey] {
        guard settings.serviceKeys.isEmpty else { return settings.serviceKeys }
        let file = ServiceKeyFile(dataFolder: settings.dataFolder)
        if try file.read() == nil { logger.info("a service key is made", metadata: ["file": "\(file.path)"]) }
        return [try file.readOrMake()]
    }

    private func http(keys: [ServiceKey], metrics: PrometheusRegistry, sweeper: Sweeper) -> HTTPConfiguration {
        var http = HTTPConfiguration()
        http.bodyBytesMax = settings.bodyBytesMax
        http.publicOrigin = settings.publicURL
        http.servesTLS = settings.tls != nil
        http.trustedProxies = settings.trustedProxies
        http.allowedOrigins = Set(settings.corsOrigins)
        http.createsPerMinute = settings.createLimitPerMinute
        http.clientJournal = settings.clientJournal
        http.serviceKeys = keys
        http.accessLog = settings.accessLog
        http.metricsText = { metrics.render() }
        http.sweepNow = { sweeper.trigger() }
        return http
    }

    /// Whether requests are answered on the event loop of their connection: where it is Redis that answers most of them, which
    /// is asked and heard on loops as well. Databases answer from threads of their own, for whom a loop is dearer to wake.
    private var answersOnLoops: Bool {
        if case .redis = settings.database { return true }
        return settings.cache != nil && settings.tiering.phase == .first && settings.tiering.touchFlush > .zero
    }

    private func channel() throws -> HTTPServerBuilder {
        let plain = HTTPServerBuilder { [answersOnLoops] responder in
            let http1 = HTTP1Channel(
                responder: responder,
                configuration: .init(
                    additionalChannelHandlers: [SilentConnectionHandler()], idleTimeout: .seconds(75),
                    httpDecoderConfiguration: .init(maxHeaderFieldSize: 16 * 1024, maxHeaderListSize: 64 * 1024)))
            return if answersOnLoops { LoopChannel(base: http1) } else { http1 }
        }
        guard let files = settings.tls else { return plain }
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(files.certificate).map(NIOSSLCertificateSource.certificate)
            let key = try NIOSSLPrivateKey(file: files.key, format: .pem)
            var tls = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: .privateKey(key))
            tls.minimumTLSVersion = .tlsv12
            return try .tls(plain, tlsConfiguration: tls)
        } catch {
            throw SojournError(
                .invalidInput,
                "TLS_CERT and TLS_KEY must be PEM files that belong together: \(files.certificate) and \(files.key) "
                    + "cannot be used.", field: "TLS_CERT", underlying: error)
        }
    }
}

extension Settings {
    /// Sets up the process's logs, once in a process; how lines look.
    @discardableResult
    func beginLogging() -> LogFormat {
        let format = logFormat ?? .automatic
        LoggingSystem.bootstrap { [logLevel] label in LineLogHandler(label: label, level: logLevel, format: format) }
        return format
    }
}
