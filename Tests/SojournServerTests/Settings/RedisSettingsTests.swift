// SPDX-License-Identifier: Apache-2.0
import Sojourn
import Testing

@testable import SojournServer

/// What `SESSION_DB_TYPE=redis` wants, and what is said where that is wrong.
@Suite("Settings of the Redis store") struct RedisSettingsTests {
    private static func settings(_ variables: [String: String]) throws -> Settings {
        try Settings(variables: variables.merging(["SESSION_DB_TYPE": "redis"]) { $1 })
    }

    @Test(
        "the place shows everything but the password",
        arguments: [
            ("redis://h", "redis://h:6379"),
            ("redis://:secret@h:1/2", "redis://h:1/2"),
            ("rediss://u:secret@h", "rediss://u@h:6379"),
            ("redis+cluster://a,b:7000", "redis+cluster://a:6379,b:7000"),
            ("rediss+sentinel://:secret@a,[::1]:7/0?master=m", "rediss+sentinel://a:26379,[::1]:7?master=m"),
        ])
    func places(url: String, place: String) throws {
        let settings = try Self.settings(["REDIS_URL": url])
        #expect(settings.database.place == place)
        #expect(settings.database.isShared)
        #expect(!"\(settings)".contains("secret"))
        #expect(!settings.describe().contains { $0.value.contains("secret") })
    }

    @Test("the password comes from the URL, or from a setting of its own")
    func passwords() throws {
        let secret = PostgresSettings.PasswordSource.fixed(Secret("p"))
        guard case .redis(let own) = try Self.settings(["REDIS_URL": "redis://h", "REDIS_PASSWORD": "p"]).database
        else {
            Issue.record("not Redis")
            return
        }
        #expect(own.password == secret)
        guard case .redis(let none) = try Self.settings(["REDIS_URL": "redis://:q@h"]).database else {
            Issue.record("not Redis")
            return
        }
        #expect(none.password == nil && none.prefix == "sojourn")
    }

    @Test(
        "what is wrong is named, without the password",
        arguments: [
            ([:], "REDIS_URL: expected a URL"), (["REDIS_URL": "http://h"], "REDIS_URL"),
            (["REDIS_URL": "redis://:secret@h:99999"], "port"), (["REDIS_URL": "redis+sentinel://h"], "?master=NAME"),
            (["REDIS_URL": "redis://h", "REDIS_PREFIX": "a{b"], "REDIS_PREFIX"),
            (["REDIS_URL": "redis://:secret@h/x"], "number of a database"),
        ] as [([String: String], String)])
    func complaints(variables: [String: String], expected: String) throws {
        let error = #expect(throws: SettingsError.self) { try Self.settings(variables) }
        let text = "\(try #require(error))"
        #expect(text.contains(expected), "\(text)")
        #expect(!text.contains("secret"))
    }

    @Test("beside PostgreSQL, REDIS_URL is where users and products are cached, also behind a tier; elsewhere nowhere")
    func retailCache() throws {
        let both = ["DATABASE_URL": "postgres://u@h/d", "REDIS_URL": "redis://r", "REDIS_PREFIX": "p"]
        let settings = try Settings(variables: both)
        #expect(settings.retailCache?.place == "redis://r:6379" && settings.retailCache?.prefix == "p")
        #expect(settings.cache == nil && settings.agingPace == CacheWorker.Pace())
        #expect(try Settings(variables: both.merging(["SESSION_DB_TYPE": "tiered"]) { $1 }).retailCache != nil)
        #expect(try Settings(variables: ["DATABASE_URL": "postgres://u@h/d"]).retailCache == nil)
        #expect(try Settings(variables: ["SESSION_DB_TYPE": "tiered", "REDIS_URL": "redis://r"]).retailCache == nil)
        let paced = ["CACHE_INTERVAL": "10s", "CACHE_NEW": "7", "CACHE_OLD": "9"]
        let pace = try Settings(variables: paced).agingPace
        #expect(pace.interval == .seconds(10) && pace.shares == AgingShares(new: 7, old: 9))
        let off = try Settings(variables: ["CACHE_INTERVAL": "off", "CACHE_NEW": "7"])
        #expect(off.runsAging == false && settings.runsAging && off.agingPace.shares.new == 7)
        let refused = #expect(throws: SettingsError.self) { try Settings(variables: ["CACHE_NEW": "0"]) }
        #expect(refused?.problems.map(\.name) == ["CACHE_NEW"])
    }

    @Test("REDIS_URL alone changes nothing, and is warned of")
    func warning() throws {
        let settings = try Settings(variables: ["REDIS_URL": "redis://h"])
        #expect(settings.database == .sqlite(path: "./data/sojourn.db"))
        #expect(settings.warnings.contains { $0.hasPrefix("REDIS_URL") })
    }

    @Test("copies are kept near where that is asked for, before a database alone")
    func nearCache() throws {
        let tiered = ["SESSION_DB_TYPE": "tiered", "REDIS_URL": "redis://h"]
        #expect(try Settings(variables: tiered).tiering.nearSessionsMax == 0)
        let near = ["NEAR_CACHE": "5000"]
        #expect(try Settings(variables: tiered.merging(near) { $1 }).tiering.nearSessionsMax == 5000)
        let error = try #require(throws: SettingsError.self) {
            try Settings(variables: tiered.merging(["NEAR_CACHE": "-1"]) { $1 })
        }
        #expect(
            error.problems == [
                .init(
                    name: "NEAR_CACHE", found: "-1", source: .environment,
                    expected: "a whole number from 0 to 10000000")
            ])
        #expect(
            try Self.settings(near.merging(["REDIS_URL": "redis://h"]) { $1 }).warnings == [
                "NEAR_CACHE (environment): not used, because SESSION_DB_TYPE is not tiered"
            ])
    }
}
