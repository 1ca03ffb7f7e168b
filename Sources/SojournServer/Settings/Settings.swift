// SPDX-License-Identifier: Apache-2.0
public import Logging
public import Sojourn
public import SojournHTTP

/// Everything an operator can decide, read once at the start. With nothing set at all, each property has the default
/// written here, and the server runs on one file below `./data`.
///
/// A setting `SESSION_LIFE` is that name in the environment and in `.env`, and `session_life` in `sojourn.yaml`; a few
/// have a flag. A flag wins over the environment, that over `.env`, that over `sojourn.yaml`, that over the default.
/// One that is set to nothing (`PORT=`) has its default, and hides what stands in the sources below.
public struct Settings: Sendable {
    /// The address to listen on (`HOST`).
    public var host = "127.0.0.1"
    /// The port to listen on (`PORT`); 0 takes any that is free.
    public var port = 8080
    /// The folder for what the server keeps on disk (`DATA_DIR`).
    public var dataFolder = "./data"
    /// The store of sessions (`DATABASE_URL`, `DB_TYPE`, `REDIS_URL`, `SESSION_DB_TYPE`): by default
    /// `sojourn.db` in the data folder.
    public var database = Database.sqlite(path: "./data/sojourn.db")
    /// The Redis before the store (`REDIS_URL`), where `SESSION_DB_TYPE` is `tiered`; nil for none.
    public var cache: RedisSettings?
    /// How it stands there (`TIER_PHASE`, `TRUST_LEASE`, `TOUCH_FLUSH`, `NEAR_CACHE`).
    public var tiering = Tiering()
    /// The certificate to serve TLS with (`TLS_CERT`, `TLS_KEY`); nil serves without.
    public var tls: TLSFiles?
    /// Where browsers find the server (`PUBLIC_URL`); nil where it is not behind a proxy that terminates TLS.
    public var publicURL: WebOrigin?
    /// The proxies whose `Forwarded` and `X-Forwarded-*` are believed (`TRUSTED_PROXIES`).
    public var trustedProxies: [AddressRange] = []
    /// The foreign origins whose pages may call with cookies (`CORS_ORIGINS`).
    public var corsOrigins: [WebOrigin] = []
    /// How many sessions one client may create in a minute (`CREATE_LIMIT`); 0 for any number.
    public var createLimitPerMinute = 60
    /// What of the journal a visitor's own token may write and read (`CLIENT_JOURNAL`).
    public var clientJournal = ClientJournal.own
    /// The keys of trusted services (`SOJOURN_SERVICE_KEY`); with none, the server makes one where the store is its own.
    public var serviceKeys: [ServiceKey] = []
    /// The least severe level that is logged (`LOG_LEVEL`).
    public var logLevel = Logger.Level.info
    /// How log lines look (`LOG_FORMAT`); nil, or `auto`, decides by whether the output is a terminal.
    public var logFormat: LogFormat?
    /// Which requests are logged (`ACCESS_LOG`).
    public var accessLog = AccessLog.errors
    /// The rules of each type of session (`SESSION_*`, `RETENTION_DAYS`, and `types` in `sojourn.yaml`).
    public var policies = SessionPolicies()
    /// How long the sweep rests between two runs (`SWEEP_INTERVAL`).
    public var sweepInterval = Duration.seconds(60)
    /// Which months of the journal there are (`PARTITION_MONTHS_AHEAD`, `PARTITION_KEEP_MONTHS`, `PARTITION_RETIRE`), where
    /// the store keeps one table a month.
    public var partitions = PartitionPolicy()
    /// The language of users' age groups (`RETAIL_LOCALE`).
    public var retailLocale = RetailLocale.ko
    /// The Redis in which users and products are cached (`REDIS_URL`), where the store is PostgreSQL; nil for none.
    public var retailCache: RedisSettings?
    /// How they take turns there (`CACHE_INTERVAL`, `CACHE_NEW`, `CACHE_OLD`).
    public var agingPace = CacheWorker.Pace()
    /// Whether a server sees to that; not where `CACHE_INTERVAL` is `off`.
    public var runsAging = true
    /// Where Kafka is, and what of it is ours (`KAFKA_*`).
    public var kafka = KafkaSettings()
    /// Bytes of a request's body (`BODY_MAX`).
    public var bodyBytesMax = 1_048_576
    /// How much one call may bring or take (`METADATA_MAX`, `BATCH_MAX`, `ITEMS_PER_SESSION_MAX`, `TURN_TEXT_MAX`,
    /// `PAGE_MAX`).
    public var limits = Limits()

    /// What each setting is and where it came from, in the order of reading, and first of all what several of them come
    /// to, `database`; empty where the settings were made by code.
    public internal(set) var rows: [Row] = []
    /// What looks like a mistake and is none for certain, such as a name that nothing reads.
    public internal(set) var warnings: [String] = []

    /// The defaults.
    public init() {}

    /// Whether browsers reach the server by TLS, so that cookies are `Secure` and named `__Host-session`.
    public var isSecure: Bool { publicURL?.isSecure ?? (tls != nil) }

    /// What each setting is and where it came from, secrets redacted: for `sojourn check`.
    public func describe() -> [Row] { rows }
}

extension Settings {
    /// A store of sessions.
    public enum Database: Sendable, Hashable {
        /// The file at that path.
        case sqlite(path: String)
        /// A PostgreSQL database.
        case postgres(PostgresSettings)
        /// Redis alone.
        case redis(RedisSettings)

        /// Whether other servers may be using it too, so that nothing it needs can be made on this machine alone.
        public var isShared: Bool {
            switch self {
            case .sqlite: false
            case .postgres, .redis: true
            }
        }

        /// Where it is, for people: `sqlite:PATH` or the URL without its password.
        public var place: String {
            switch self {
            case .sqlite(let path): "sqlite:\(path)"
            case .postgres(let postgres): "\(postgres.endpoint)"
            case .redis(let redis): redis.place
            }
        }
    }

    /// The two files that TLS needs, in PEM.
    public struct TLSFiles: Sendable, Hashable {
        /// The path of the certificate with its chain.
        public var certificate: String
        /// The path of its private key.
        public var key: String
    }

    /// One setting as it was read.
    public struct Row: Sendable, Hashable {
        /// The setting's name, as in `PORT` or `types.voice.life`.
        public var name: String
        /// Its value, redacted where it is a secret.
        public var value: String
        /// Where it stood.
        public var source: Source
    }

    /// Where a setting can stand; of two, the one declared first wins.
    public enum Source: String, Sendable, CaseIterable {
        /// The command line.
        case flag
        /// The process's environment.
        case environment
        /// The file `.env` in the folder the server was started in.
        case environmentFile = ".env"
        /// The file `sojourn.yaml` there.
        case file = "sojourn.yaml"
        /// Nowhere.
        case standard = "default"
    }
}
