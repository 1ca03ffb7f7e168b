// SPDX-License-Identifier: Apache-2.0

public import Logging
public import Sojourn

/// Everything that the HTTP face is told: it reads no file and no environment itself.
public struct HTTPConfiguration: Sendable {
    /// The largest request body, in bytes. Default 1 MiB.
    public var bodyBytesMax = 1 << 20
    /// Where visitors reach us, as an origin (`https://sessions.example.com`); nil (default) where nobody said.
    /// Cookies are `Secure` where it has `https`.
    public var publicOrigin: WebOrigin?
    /// Whether this process itself speaks TLS: decides about `Secure` where nobody gave an origin. Default false.
    public var servesTLS = false
    /// The proxies whose `Forwarded` and `X-Forwarded-For` are believed. Default none.
    public var trustedProxies: [AddressRange] = []
    /// The other origins whose pages may call us with a visitor's cookie (CORS). Default none.
    public var allowedOrigins: Set<WebOrigin> = []
    /// How many sessions one client may create a minute without a service key; 0 for no limit. Default 60.
    public var createsPerMinute = 60
    /// What visitors may write into their journal. Default their own words only.
    public var clientJournal: ClientJournal = .own
    /// The service keys in force, any of which opens everything. Default none: then nobody has one.
    public var serviceKeys: [ServiceKey] = []
    /// Which requests are logged at which level. Default `errors`.
    public var accessLog: AccessLog = .errors
    /// The metrics in Prometheus text format; nil (default) where none are kept, and then `/metrics` is not available.
    public var metricsText: (@Sendable () -> String)?
    /// Begins a sweep and returns at once; nil (default) where none runs in this process.
    public var sweepNow: (@Sendable () -> Void)?
    /// Looks how far the pipeline is; nil (default) where this process knows of none.
    public var pipelineStatus: (@Sendable () async throws -> PipelineStatus)?
    /// Where requests and failures are logged: not the framework's logger of a request, whose set-up every request would
    /// pay for.
    public var logger = Logger(label: "sojourn.http")
    /// The time of day, for the age of cookies.
    public var clock: any WallClock = SystemWallClock()
    /// The time that limits and durations are measured with.
    public var uptime: @Sendable () -> ContinuousClock.Instant = { .now }

    /// The defaults.
    public init() {}

    /// Whether cookies are `Secure` and carry the `__Host-` name.
    public var cookiesAreSecure: Bool { publicOrigin?.isSecure ?? servesTLS }
}

/// What visitors may write into their journal (`CLIENT_JOURNAL`).
public enum ClientJournal: String, Sendable, Hashable, CaseIterable {
    /// Their own turns' input, interactions and feedback.
    case own
    /// Responses and recommendations as well: for applications without a server of their own.
    case all
}

/// Which requests are logged at which level.
public enum AccessLog: String, Sendable, Hashable, CaseIterable {
    /// 5xx as errors, 4xx as info, others as debug.
    case errors
    /// 5xx as errors, all others as info.
    case all
    /// None. Failures of our own are logged all the same.
    case off
}
