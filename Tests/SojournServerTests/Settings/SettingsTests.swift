// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import Sojourn
import SojournHTTP
import Testing

@testable import SojournServer

/// Settings mean what is written, wherever it is written, and whatever is wrong is said at once and without secrets.
@Suite("Settings") struct SettingsTests {
    @Test("with nothing set, everything has its default") func defaults() throws {
        let settings = try Settings(variables: [:])
        #expect(settings.host == "127.0.0.1")
        #expect(settings.port == 8080)
        #expect(settings.database == .sqlite(path: "./data/sojourn.db"))
        #expect(settings.policies == SessionPolicies())
        #expect(settings.limits == Limits())
        #expect(settings.sweepInterval == .seconds(60))
        #expect(settings.partitions == PartitionPolicy())
        #expect(settings.retailLocale == .ko)
        #expect(settings.createLimitPerMinute == 60)
        #expect(settings.accessLog == .errors)
        #expect(settings.logFormat == nil)
        #expect(settings.tls == nil)
        #expect(!settings.isSecure)
        #expect(settings.describe().allSatisfy { $0.source == .standard })
        #expect(settings.describe().contains(.init(name: "SESSION_LIFE", value: "1d", source: .standard)))
    }

    @Test("every kind of setting is read") func everyKind() throws {
        let settings = try Settings(variables: [
            "HOST": "::", "PORT": "0", "DATA_DIR": "/var/lib/sojourn", "PUBLIC_URL": "https://Example.com/",
            "CORS_ORIGINS": "https://a.example, http://localhost:3000", "CREATE_LIMIT": "0", "CLIENT_JOURNAL": "ALL",
            "TRUSTED_PROXIES": "10.0.0.0/8,::1", "LOG_LEVEL": "Debug", "LOG_FORMAT": "json", "ACCESS_LOG": "off",
            "SESSION_LIFE": "90", "SESSION_ABSOLUTE_LIFE": "30d", "SESSION_RENEWAL": "onaccess",
            "SESSIONS_PER_USER": "5", "SESSION_ROTATION_GRACE": "0s", "RETENTION_DAYS": "never",
            "SWEEP_INTERVAL": "15m", "BODY_MAX": "2MiB", "PAGE_MAX": "100", "PARTITION_MONTHS_AHEAD": "1",
            "PARTITION_KEEP_MONTHS": "12", "PARTITION_RETIRE": "drop",
            "RETAIL_LOCALE": "EN",
        ])
        #expect(settings.port == 0)
        #expect(settings.database == .sqlite(path: "/var/lib/sojourn/sojourn.db"))
        #expect(settings.isSecure)
        #expect(settings.publicURL?.description == "https://example.com")
        #expect(settings.corsOrigins.map(\.description) == ["https://a.example", "http://localhost:3000"])
        #expect(settings.clientJournal == .all)
        #expect(settings.trustedProxies.map(\.description) == ["10.0.0.0/8", "::1"])
        #expect(settings.logLevel == .debug)
        #expect(settings.logFormat == .json)
        #expect(settings.policies.standard.life == .seconds(90))
        #expect(settings.policies.standard.absoluteLife == .days(30))
        #expect(settings.policies.standard.renewal == .onAccess)
        #expect(settings.policies.sessionsPerUserMax == 5)
        #expect(settings.policies.rotationGrace == .zero)
        #expect(settings.policies.standard.retention == .never)
        #expect(settings.sweepInterval == .seconds(900))
        #expect(settings.bodyBytesMax == 2_097_152)
        #expect(settings.limits.pageMax == 100)
        #expect(settings.partitions.monthsAhead == 1)
        #expect(settings.partitions.keepMonths == 12)
        #expect(settings.partitions.retirement == .drop)
        #expect(settings.retailLocale == .en)
    }

    @Test("what is set to nothing has its default, and hides the layers below") func emptyValue() throws {
        let settings = try Settings([
            (.flag, .layer(["PORT": "", "CORS_ORIGINS": ""])),
            (.environment, .layer(["PORT": "1", "CORS_ORIGINS": "https://a.example"])),
        ])
        #expect(settings.port == 8080)
        #expect(settings.corsOrigins.isEmpty)
    }

    @Test(
        "what is wrong is named with what was expected",
        arguments: [
            ("PORT", "70000", "a whole number from 0 to 65535"),
            (
                "DATABASE_URL", "sqlite:",
                "sqlite:PATH with the path of a file, or a URL as in \(PostgresURL.form), or none"
            ),
            ("SESSION_DB_TYPE", "oracle", "sqlite, postgres, redis or tiered"),
            ("SESSION_LIFE", "1w", "a duration as in 30s, 15m, 24h or 30d, from 1s to 3650d"),
            ("SESSION_LIFE", "99999999999999999999d", "a duration as in 30s, 15m, 24h or 30d, from 1s to 3650d"),
            ("SESSION_ROTATION_GRACE", "61s", "a duration as in 30s, 15m, 24h or 30d, from 0s to 1m"),
            ("PARTITION_MONTHS_AHEAD", "0", "a whole number from 1 to 120"),
            ("PARTITION_KEEP_MONTHS", "0", "a whole number from 1 to 1200, or all"),
            ("PARTITION_RETIRE", "archive", "one of keep, drop"),
            ("PAGE_MAX", "99", "a whole number from 100 to 500"),
            ("SESSION_RENEWAL", "always", "one of fixed, onWrite, onAccess"),
            ("RETENTION_DAYS", "-1", "a number of days from 0 to 36500, or never"),
            (
                "PUBLIC_URL", "ftp://a",
                "an origin without a path, as in https://a.example or http://localhost:3000, or none"
            ),
            ("LOG_FORMAT", "xml", "one of json, text, or auto"),
            ("TLS_CERT", "/nowhere.pem", "the path of a file that can be read, or none"),
            ("BODY_MAX", "1GiB", "bytes as in 65536, 64KiB or 1MiB, from 1024 to 67108864"),
        ])
    func problems(name: String, text: String, expected: String) throws {
        let error = try #require(throws: SettingsError.self) { try Settings(variables: [name: text]) }
        let found = name == "DATABASE_URL" ? "sqlite:…" : text
        #expect(error.problems.first == .init(name: name, found: found, source: .environment, expected: expected))
    }

    @Test("all problems are told at once, the faulty element of a list by name") func allProblems() throws {
        let error = try #require(throws: SettingsError.self) {
            try Settings(variables: [
                "PORT": "x", "TRUSTED_PROXIES": "10.0.0.0/8, 10.0.0.0/33, bad", "CORS_ORIGINS": "*",
            ])
        }
        #expect(error.problems.map(\.name) == ["PORT", "TRUSTED_PROXIES", "TRUSTED_PROXIES", "CORS_ORIGINS"])
        #expect(error.problems.map(\.found) == ["x", "10.0.0.0/33", "bad", "*"])
        #expect("\(error)".hasPrefix("PORT: found \"x\" (environment), expected a whole number"))
    }

    @Test("TLS needs both files") func halfOfTLS() throws {
        let error = try #require(throws: SettingsError.self) { try Settings(variables: ["TLS_CERT": #filePath]) }
        #expect(error.problems.map(\.name) == ["TLS_KEY"])
        let both = try Settings(variables: ["TLS_CERT": #filePath, "TLS_KEY": #filePath])
        #expect(both.isSecure)
        #expect(
            try !Settings(variables: ["TLS_CERT": #filePath, "TLS_KEY": #filePath, "PUBLIC_URL": "http://a"]).isSecure)
    }

    @Test("no secret is shown: not in an error, a row, a description or a dump") func secrets() throws {
        let key = "sjk_0123456789abcdef0123456789abcdef"
        let settings = try Settings(variables: ["SOJOURN_SERVICE_KEY": "\(key),\(key)2"])
        #expect(settings.serviceKeys.map(\.secret) == [key, key + "2"])
        var dumped = ""
        dump(settings, to: &dumped)
        let error = try #require(throws: SettingsError.self) {
            try Settings(variables: [
                "SOJOURN_SERVICE_KEY": "0123456789", "DATABASE_URL": "postgres://me:0123456789/@db/sojourn",
            ])
        }
        for text in [dumped, "\(settings)", String(reflecting: settings.serviceKeys), "\(error)", "\(error.problems)"] {
            #expect(!text.contains("0123456789"))
        }
        #expect(error.problems.map(\.found) == ["postgres:…", "<redacted>"])
        let row = settings.describe().first { $0.name == "SOJOURN_SERVICE_KEY" }
        #expect(row == .init(name: "SOJOURN_SERVICE_KEY", value: "<redacted>, <redacted>", source: .environment))
    }

    @Test("a type's own policy takes the rest from the standard one") func policyOfType() throws {
        let settings = try Settings([
            (.file, .layer(["SESSION_LIFE": "1h", "types.voice.life": "10m", "types.voice.retention_days": "0"]))
        ])
        #expect(settings.policies[.chat].life == .seconds(3_600))
        #expect(settings.policies[.voice].life == .seconds(600))
        #expect(settings.policies[.voice].retention == .after(.zero))
        #expect(settings.policies[.voice].renewal == .onWrite)
        #expect(settings.describe().map(\.name).filter { $0.hasPrefix("types.") }.count == 2)
        #expect(settings.policies.byType.keys.map(\.rawValue) == ["voice"])
    }
}
