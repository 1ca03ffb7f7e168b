// swift-tools-version: 6.2
// SPDX-License-Identifier: Apache-2.0
import PackageDescription

/// What every target of ours is compiled with: Swift 6 mode, imports that say who sees them, no warning let through.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
]

extension Target.Dependency {
    static let argumentParser: Self = .product(name: "ArgumentParser", package: "swift-argument-parser")
    static let collections: Self = .product(name: "Collections", package: "swift-collections")
    static let configuration: Self = .product(name: "Configuration", package: "swift-configuration")
    static let crypto: Self = .product(name: "Crypto", package: "swift-crypto")
    static let grdb: Self = .product(name: "GRDB", package: "GRDB.swift")
    static let grdbSQLite: Self = .product(name: "GRDBSQLite", package: "GRDB.swift")
    static let httpTypes: Self = .product(name: "HTTPTypes", package: "swift-http-types")
    static let hummingbird: Self = .product(name: "Hummingbird", package: "hummingbird")
    static let hummingbirdCore: Self = .product(name: "HummingbirdCore", package: "hummingbird")
    static let hummingbirdTesting: Self = .product(name: "HummingbirdTesting", package: "hummingbird")
    static let hummingbirdTLS: Self = .product(name: "HummingbirdTLS", package: "hummingbird")
    static let logging: Self = .product(name: "Logging", package: "swift-log")
    static let metrics: Self = .product(name: "Metrics", package: "swift-metrics")
    static let coreMetrics: Self = .product(name: "CoreMetrics", package: "swift-metrics")
    static let nioCore: Self = .product(name: "NIOCore", package: "swift-nio")
    static let nioPosix: Self = .product(name: "NIOPosix", package: "swift-nio")
    static let nioSSL: Self = .product(name: "NIOSSL", package: "swift-nio-ssl")
    static let serviceLifecycle: Self = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
    static let unixSignals: Self = .product(name: "UnixSignals", package: "swift-service-lifecycle")
    static let swiftCSV: Self = .product(name: "SwiftCSV", package: "SwiftCSV")
    static let tracing: Self = .product(name: "Tracing", package: "swift-distributed-tracing")
}

let package = Package(
    name: "sojourn",
    products: [
        .executable(name: "sojourn", targets: ["SojournCLI"]),
        .library(name: "Sojourn", targets: ["Sojourn"]),
        .library(name: "SojournSQLite", targets: ["SojournSQLite"]),
        .library(name: "PostgresDriver", targets: ["PostgresDriver"]),
        .library(name: "RedisDriver", targets: ["RedisDriver"]),
        .library(name: "KafkaDriver", targets: ["KafkaDriver"]),
        .library(name: "SojournPostgres", targets: ["SojournPostgres"]),
        .library(name: "SojournRedis", targets: ["SojournRedis"]),
        .library(name: "SojournKafka", targets: ["SojournKafka"]),
        .library(name: "SojournHTTP", targets: ["SojournHTTP"]),
        .library(name: "SojournServer", targets: ["SojournServer"]),
        .library(name: "SojournTesting", targets: ["SojournTesting"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(
            url: "https://github.com/apple/swift-configuration", from: "1.4.0",
            traits: [.defaults, "YAML", "CommandLineArguments"]),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-distributed-tracing", from: "1.7.3"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/swiftcsv/SwiftCSV", from: "0.10.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CPostgres", path: "Sources/CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
        .systemLibrary(
            name: "CKafka", path: "Sources/CKafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"])]),
        .systemLibrary(name: "CPipe", path: "Sources/CPipe"),
        .target(name: "DriverSupport", dependencies: ["CPipe"], swiftSettings: strict),
        .target(
            name: "PostgresDriver",
            dependencies: ["CPostgres", "DriverSupport", .collections, .logging, .metrics, .serviceLifecycle],
            swiftSettings: strict),
        .target(
            name: "RedisDriver",
            dependencies: [
                "DriverSupport", .collections, .crypto, .logging, .metrics, .nioCore, .nioPosix, .nioSSL,
                .serviceLifecycle,
            ],
            swiftSettings: strict),
        .target(
            name: "KafkaDriver",
            dependencies: ["CKafka", "DriverSupport", .collections, .logging, .metrics, .serviceLifecycle],
            swiftSettings: strict),
        .target(
            name: "Sojourn",
            dependencies: [.collections, .crypto, .logging, .metrics, .serviceLifecycle, .tracing],
            swiftSettings: strict),
        .target(
            name: "SojournTesting",
            dependencies: ["Sojourn", .collections],
            swiftSettings: strict),
        .target(
            name: "SojournSQLite",
            dependencies: ["Sojourn", .grdb, .grdbSQLite, .logging, .metrics],
            swiftSettings: strict),
        .target(
            name: "SojournPostgres",
            dependencies: ["Sojourn", "PostgresDriver", .collections, .logging, .metrics],
            resources: [.embedInCode("Migrations")],
            swiftSettings: strict),
        .target(
            name: "SojournRedis",
            dependencies: ["Sojourn", "RedisDriver", .logging],
            resources: [.embedInCode("Scripts")],
            swiftSettings: strict),
        .target(
            name: "SojournKafka", dependencies: ["KafkaDriver", "Sojourn", .logging, .serviceLifecycle],
            swiftSettings: strict),
        .target(
            name: "SojournHTTP",
            dependencies: [
                "Sojourn", .crypto, .httpTypes, .hummingbird, .hummingbirdCore, .logging, .metrics, .nioCore, .tracing,
            ],
            swiftSettings: strict),
        .target(
            name: "SojournServer",
            dependencies: [
                "KafkaDriver", "PostgresDriver", "RedisDriver", "Sojourn", "SojournHTTP", "SojournKafka",
                "SojournPostgres", "SojournRedis", "SojournSQLite", .configuration,
                .coreMetrics, .hummingbird, .hummingbirdCore,
                .hummingbirdTLS, .logging, .metrics, .nioCore, .nioPosix, .nioSSL, .serviceLifecycle, .swiftCSV,
                .unixSignals,
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "SojournCLI",
            dependencies: ["Sojourn", "SojournServer", .argumentParser],
            swiftSettings: strict),
        .executableTarget(
            name: "BareServer", dependencies: [.hummingbird, .logging], path: "Benchmarks/BareServer",
            swiftSettings: strict),
        .target(name: "BenchLoad", dependencies: ["Sojourn"], path: "Benchmarks/Load", swiftSettings: strict),
        .executableTarget(
            name: "SQLiteBench", dependencies: ["BenchLoad", "Sojourn", "SojournSQLite"],
            path: "Benchmarks/SQLiteBench", swiftSettings: strict),
        .executableTarget(
            name: "PostgresBench",
            dependencies: ["BenchLoad", "PostgresDriver", "Sojourn", "SojournPostgres", .logging],
            path: "Benchmarks/PostgresBench", swiftSettings: strict),
        .executableTarget(
            name: "RedisBench",
            dependencies: [
                "BenchLoad", "PostgresDriver", "RedisDriver", "Sojourn", "SojournPostgres", "SojournRedis",
                "SojournSQLite", .logging,
            ],
            path: "Benchmarks/RedisBench", swiftSettings: strict),
        .testTarget(
            name: "SojournTests", dependencies: ["Sojourn", "SojournTesting", .logging], swiftSettings: strict),
        .testTarget(
            name: "SojournSQLiteTests", dependencies: ["Sojourn", "SojournSQLite", "SojournTesting", .grdb],
            swiftSettings: strict),
        .testTarget(
            name: "SojournPostgresTests",
            dependencies: [
                "HelperProcess", "KafkaDriver", "KafkaTestSupport", "PostgresDriver", "PostgresTestSupport",
                "RedisDriver", "Sojourn", "SojournKafka", "SojournPostgres", "SojournRedis", "SojournTesting",
                "StoreWorker", "TierTestSupport",
                .logging, .serviceLifecycle,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SojournRedisTests",
            dependencies: [
                "RedisDriver", "RedisTestSupport", "Sojourn", "SojournRedis", "SojournSQLite", "SojournTesting",
                "TierTestSupport", .logging,
            ],
            swiftSettings: strict),
        .target(
            name: "TierTestSupport",
            dependencies: [
                "PostgresTestSupport", "RedisDriver", "RedisTestSupport", "Sojourn", "SojournRedis", "SojournTesting",
                .logging,
            ],
            path: "Tests/TierTestSupport", swiftSettings: strict),
        .executableTarget(
            name: "StoreWorker", dependencies: ["PostgresDriver", "Sojourn", "SojournPostgres", .logging],
            path: "Tests/StoreWorker", swiftSettings: strict),
        .testTarget(
            name: "SojournHTTPTests",
            dependencies: [
                "Sojourn", "SojournHTTP", "SojournTesting", .coreMetrics, .hummingbirdTesting, .hummingbird, .httpTypes,
                .logging, .metrics, .nioCore,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SojournServerTests", dependencies: ["SojournServer", .configuration, .nioCore, .nioPosix],
            swiftSettings: strict),
        .testTarget(
            name: "PostgresDriverTests",
            dependencies: ["DriverSupport", "PostgresDriver", "PostgresTestSupport", .logging, .serviceLifecycle],
            swiftSettings: strict),
        .testTarget(
            name: "RedisDriverTests",
            dependencies: [
                "PostgresTestSupport", "RedisDriver", "RedisTestSupport", .logging, .nioCore, .nioPosix,
                .serviceLifecycle,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "KafkaDriverTests",
            dependencies: [
                "CKafka", "KafkaDriver", "KafkaTestSupport", .logging, .metrics, .coreMetrics, .serviceLifecycle,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SojournKafkaTests",
            dependencies: ["KafkaDriver", "KafkaTestSupport", "Sojourn", "SojournKafka", .logging],
            swiftSettings: strict),
        .executableTarget(
            name: "MockKafka", dependencies: ["CKafka"], path: "Tests/MockKafka", swiftSettings: strict),
        .target(
            name: "KafkaTestSupport", dependencies: ["HelperProcess", "MockKafka"], path: "Tests/KafkaTestSupport",
            swiftSettings: strict),
        .target(name: "HelperProcess", path: "Tests/HelperProcess", swiftSettings: strict),
        .target(name: "PostgresTestSupport", path: "Tests/PostgresTestSupport", swiftSettings: strict),
        .target(name: "RedisTestSupport", path: "Tests/RedisTestSupport", swiftSettings: strict),
        .testTarget(name: "TidyTests", swiftSettings: strict),
    ]
)
