// SPDX-License-Identifier: Apache-2.0

/// What one module may import.
struct Imports {
    /// Our own modules, all of a lower layer.
    var ours: Set<String> = []
    /// Modules of other packages, beyond those that every layer may use.
    var outside: Set<String> = []
}

/// The architecture: every module under `Sources/` and what it may import. Imports point down only.
///
/// A module that is missing here may not exist; an import that is missing here may not be written.
let house: [String: Imports] = [
    "CKafka": Imports(),
    "CPipe": Imports(),
    "CPostgres": Imports(),
    "DriverSupport": Imports(ours: ["CPipe"]),
    "PostgresDriver": Imports(ours: ["CPostgres", "DriverSupport"], outside: ["ServiceLifecycle"]),
    "RedisDriver": Imports(
        ours: ["DriverSupport"], outside: ["Crypto", "NIOCore", "NIOPosix", "NIOSSL", "ServiceLifecycle"]),
    "KafkaDriver": Imports(ours: ["CKafka", "DriverSupport"], outside: ["ServiceLifecycle"]),
    "Sojourn": Imports(outside: ["Crypto", "ServiceLifecycle"]),
    "SojournTesting": Imports(ours: ["Sojourn"], outside: ["Testing"]),
    "SojournSQLite": Imports(ours: ["Sojourn"], outside: ["GRDB", "GRDBSQLite"]),
    "SojournPostgres": Imports(ours: ["Sojourn", "PostgresDriver"]),
    "SojournRedis": Imports(ours: ["Sojourn", "RedisDriver"]),
    "SojournKafka": Imports(ours: ["KafkaDriver", "Sojourn"], outside: ["ServiceLifecycle"]),
    "SojournHTTP": Imports(
        ours: ["Sojourn"],
        outside: [
            "Crypto", "HTTPTypes", "Hummingbird", "HummingbirdCore", "Mustache", "NIOCore", "NIOHTTP1",
            "NIOHTTPTypes", "NIOHTTPTypesHTTP1", "NIOWebSocket",
        ]),
    "SojournServer": Imports(
        ours: [
            "KafkaDriver", "PostgresDriver", "RedisDriver", "Sojourn", "SojournHTTP", "SojournKafka", "SojournPostgres",
            "SojournRedis", "SojournSQLite",
        ],
        outside: [
            "AsyncHTTPClient", "Configuration", "Hummingbird", "HummingbirdCore", "HummingbirdTLS", "NIOCore",
            "NIOPosix", "NIOSSL", "ServiceLifecycle", "SwiftCSV", "UnixSignals",
        ]),
    "SojournCLI": Imports(ours: ["Sojourn", "SojournServer"], outside: ["ArgumentParser"]),
]

/// What every layer may use: the toolchain's modules, and the packages for logs, metrics, traces and collections.
let everywhere: Set<String> = [
    "Swift", "Foundation", "FoundationEssentials", "Dispatch", "Synchronization", "Glibc", "Musl", "Darwin",
    "Logging", "CoreMetrics", "Metrics", "Instrumentation", "ServiceContextModule", "Tracing",
    "Collections", "DequeModule", "HeapModule", "OrderedCollections",
]
