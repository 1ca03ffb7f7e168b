// SPDX-License-Identifier: Apache-2.0
internal import Configuration
internal import Logging
internal import Sojourn
internal import SojournHTTP

extension Settings {
    /// Reads every setting from layers of sources, the strongest first.
    ///
    /// - Throws: `SettingsError` with everything that is wrong.
    init(_ layers: [SettingsReader.Layer]) throws(SettingsError) {
        var reader = SettingsReader(layers)
        read(&reader)
        // What a type takes over from the standard policy is shown there.
        rows += reader.rows.filter { !$0.name.hasPrefix("types.") || $0.source != .standard }
        warnings = reader.warnings
        if !reader.problems.isEmpty { throw SettingsError(problems: reader.problems) }
    }

    /// Every setting, in the order in which they are shown.
    private mutating func read(_ reader: inout SettingsReader) {
        readServer(&reader)
        readStore(&reader)
        readAccess(&reader)
        readLogs(&reader)
        readSessions(&reader)
        readPartitions(&reader)
        retailLocale = reader.read("RETAIL_LOCALE", .word, default: retailLocale)
        readAging(&reader)
        kafka.read(&reader, beside: database)
        readLimits(&reader)
    }

    /// Where the server listens, and how browsers reach it.
    private mutating func readServer(_ reader: inout SettingsReader) {
        host = reader.read("HOST", .text, default: host)
        port = reader.read("PORT", .number(0...65_535), default: port)
        let certificate = reader.readIfSet("TLS_CERT", .readableFile)
        let key = reader.readIfSet("TLS_KEY", .readableFile)
        if let certificate, let key { tls = TLSFiles(certificate: certificate, key: key) }
        if reader.isSet("TLS_CERT") != reader.isSet("TLS_KEY") {
            let missing = reader.isSet("TLS_CERT") ? "TLS_KEY" : "TLS_CERT"
            reader.complain(missing, expected: "a file too: TLS needs both TLS_CERT and TLS_KEY, or neither")
        }
        publicURL = reader.readIfSet("PUBLIC_URL", .origin)
    }

    /// Who may do what.
    private mutating func readAccess(_ reader: inout SettingsReader) {
        serviceKeys = reader.readList("SOJOURN_SERVICE_KEY", .serviceKey)
        trustedProxies = reader.readList("TRUSTED_PROXIES", .addressRange)
        corsOrigins = reader.readList("CORS_ORIGINS", .origin)
        createLimitPerMinute = reader.read("CREATE_LIMIT", .number(0...1_000_000), default: createLimitPerMinute)
        clientJournal = reader.read("CLIENT_JOURNAL", .word, default: clientJournal)
    }

    /// What is logged.
    private mutating func readLogs(_ reader: inout SettingsReader) {
        logLevel = reader.read("LOG_LEVEL", .word, default: logLevel)
        logFormat = reader.read("LOG_FORMAT", Grammar<LogFormat>.word.or("auto"), default: nil)
        accessLog = reader.read("ACCESS_LOG", .word, default: accessLog)
    }

    /// The rules of sessions: those of every type, then those that a type has of its own.
    private mutating func readSessions(_ reader: inout SettingsReader) {
        policies.standard = Self.policy(.standard, &reader, base: policies.standard)
        for type in SessionType.allCases {
            let names = PolicyNames.own(of: type)
            guard names.all.contains(where: reader.isSet) else { continue }
            policies.byType[type] = Self.policy(names, &reader, base: policies.standard)
        }
        policies.sessionsPerUserMax = reader.read(
            "SESSIONS_PER_USER", Grammar<Int>.number(1...1_000_000).or("none"), default: policies.sessionsPerUserMax)
        policies.rotationGrace = reader.read(
            "SESSION_ROTATION_GRACE", .duration(from: .zero, to: SessionPolicies.rotationGraceMax),
            default: policies.rotationGrace)
        sweepInterval = reader.read("SWEEP_INTERVAL", .duration(), default: sweepInterval)
    }

    /// One policy; what is not set is as in `base`.
    private static func policy(
        _ names: PolicyNames, _ reader: inout SettingsReader, base: SessionPolicy
    ) -> SessionPolicy {
        var policy = base
        policy.life = reader.read(names.life, .duration(), default: base.life)
        policy.absoluteLife = reader.read(
            names.absoluteLife, Grammar<Duration>.duration().or("none"), default: base.absoluteLife)
        policy.renewal = reader.read(names.renewal, .word, default: base.renewal)
        policy.retention = reader.read(names.retention, .retention, default: base.retention)
        return policy
    }

    /// Which months of the journal there are.
    private mutating func readPartitions(_ reader: inout SettingsReader) {
        let months = Grammar<Int>.number(1...1_200)
        partitions.monthsAhead = reader.read(
            "PARTITION_MONTHS_AHEAD", .number(1...120), default: partitions.monthsAhead)
        partitions.keepMonths = reader.read("PARTITION_KEEP_MONTHS", months.or("all"), default: partitions.keepMonths)
        partitions.retirement = reader.read("PARTITION_RETIRE", .word, default: partitions.retirement)
    }

    /// Where and how users and products are cached.
    private mutating func readAging(_ reader: inout SettingsReader) {
        if case .postgres = database {
            retailCache = cache ?? (reader.isSet("REDIS_URL") ? Self.redis(&reader) : nil)
        }
        let interval = reader.read(
            "CACHE_INTERVAL", Grammar<Duration>.duration(to: .seconds(86_400)).or("off"),
            default: agingPace.interval)
        runsAging = interval != nil
        if let interval { agingPace.interval = interval }
        let shares = Grammar<Int>.number(AgingShares.range)
        agingPace.shares.new = reader.read("CACHE_NEW", shares, default: agingPace.shares.new)
        agingPace.shares.old = reader.read("CACHE_OLD", shares, default: agingPace.shares.old)
    }

    /// How much one call may bring or take.
    private mutating func readLimits(_ reader: inout SettingsReader) {
        let bytes = Grammar<Int>.bytes(1_024...67_108_864)
        let counts = Grammar<Int>.number(1...100_000)
        bodyBytesMax = reader.read("BODY_MAX", bytes, default: bodyBytesMax)
        limits.documentBytesMax = reader.read("METADATA_MAX", bytes, default: limits.documentBytesMax)
        limits.batchMax = reader.read("BATCH_MAX", counts, default: limits.batchMax)
        limits.heldItemsMax = reader.read("ITEMS_PER_SESSION_MAX", counts, default: limits.heldItemsMax)
        limits.turnBytesMax = reader.read("TURN_TEXT_MAX", bytes, default: limits.turnBytesMax)
        // Not below what an export reads at a time, nor above what the HTTP contract lets anyone ask for.
        limits.pageMax = reader.read("PAGE_MAX", .number(100...500), default: limits.pageMax)
    }
}

extension Settings {
    /// The names of the settings that make up one policy.
    private struct PolicyNames {
        /// Its life, absolute life, renewal and retention.
        var life, absoluteLife, renewal, retention: String

        /// All of them.
        var all: [String] { [life, absoluteLife, renewal, retention] }

        /// Those of the policy that holds for every type.
        static let standard = PolicyNames(
            life: "SESSION_LIFE", absoluteLife: "SESSION_ABSOLUTE_LIFE", renewal: "SESSION_RENEWAL",
            retention: "RETENTION_DAYS")

        /// Those of one type.
        static func own(of type: SessionType) -> PolicyNames {
            let start = "types.\(type.rawValue)."
            return PolicyNames(
                life: start + "life", absoluteLife: start + "absolute_life", renewal: start + "renewal",
                retention: start + "retention_days")
        }
    }

    /// Whether a setting of that name, in lower case, is read.
    static func isKnown(_ name: String) -> Bool { known.contains(name) }

    /// The variables of types' own policies, in lower case.
    static let typeVariables = Set(
        SessionType.allCases.flatMap { PolicyNames.own(of: $0).all }.map { "session_" + $0.replacing(".", with: "_") })

    /// The names of all settings, in lower case, those of every kind of database among them.
    private static let known: Set<String> = {
        let kinds =
            DatabaseVariables.allCases.map { ["db_type": $0.rawValue] }
            + [["database_url": "postgres://u@h"], ["session_db_type": StoreKind.tiered.rawValue]]
        let names = kinds.flatMap { kind in
            let values = kind.map { (AbsoluteConfigKey([$0.key]), ConfigValue(.string($0.value), isSecret: false)) }
            let provider = InMemoryProvider(values: Dictionary(uniqueKeysWithValues: values))
            var reader = SettingsReader([(.standard, provider)])
            var settings = Settings()
            settings.read(&reader)
            return reader.rows.map { $0.name.lowercased() }
        }
        let own = SessionType.allCases.flatMap { PolicyNames.own(of: $0).all }
        return Set(names + own)
    }()
}
