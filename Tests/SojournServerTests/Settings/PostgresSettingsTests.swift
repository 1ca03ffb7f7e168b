// SPDX-License-Identifier: Apache-2.0
import Foundation
import Sojourn
import Testing

@testable import SojournServer

/// Variables that name a PostgreSQL database (C2): each way comes to the same kind of value.
@Suite("PostgreSQL settings") struct PostgresSettingsTests {
    /// The database that variables name.
    private func postgres(_ variables: [String: String]) throws -> PostgresSettings {
        guard case .postgres(let postgres) = try Settings(variables: variables).database else {
            throw SojournError(.invalidInput, "The variables name no PostgreSQL database.")
        }
        return postgres
    }

    @Test(
        "each way of naming a database",
        arguments: [
            (["DATABASE_URL": "postgres://u:p@h/d"], "postgresql://u@h:5432/d?sslmode=prefer", "p"),
            (["DATABASE_URL": "postgresql://u@h"], "postgresql://u@h:5432/u?sslmode=prefer", nil),
            (
                ["DATABASE_URL": "postgres://u@h/d", "DATABASE_PASSWORD": "@:/"],
                "postgresql://u@h:5432/d?sslmode=prefer", "@:/"
            ),
            (
                ["DATABASE_URL": "postgres://u:[YOUR-PASSWORD]@h/d", "DATABASE_PASSWORD": "p"],
                "postgresql://u@h:5432/d?sslmode=prefer", "p"
            ),
            (["DB_TYPE": "local", "POSTGRES_USER": "u"], "postgresql://u@127.0.0.1:5432/u?sslmode=prefer", nil),
            (
                [
                    "DB_TYPE": "LOCAL", "POSTGRES_USER": "u", "POSTGRES_PASSWORD": "none", "POSTGRES_DB": "d",
                    "POSTGRES_HOST": "[::1]", "POSTGRES_PORT": "6000",
                ], "postgresql://u@[::1]:6000/d?sslmode=prefer", "none"
            ),
            (
                ["DB_TYPE": "local", "POSTGRES_USER": "u", "POSTGRES_HOST": "/run/pg"],
                "postgresql://u@%2Frun%2Fpg:5432/u?sslmode=prefer", nil
            ),
            (
                [
                    "DB_TYPE": "supabase", "SUPABASE_PASSWORD": "a@b:c/d%",
                    "SUPABASE_DIRECT_URL": "postgresql://postgres:[YOUR-PASSWORD]@db.abc.supabase.co:5432/postgres",
                ], "postgresql://postgres@db.abc.supabase.co:5432/postgres?sslmode=require", "a@b:c/d%"
            ),
            (
                [
                    "DB_TYPE": "supabase", "SUPABASE_PASSWORD": "p",
                    "SUPABASE_DIRECT_URL": "postgres://postgres.abc:p@aws-0-eu-west-1.pooler.supabase.com/postgres",
                ], "postgresql://postgres.abc@aws-0-eu-west-1.pooler.supabase.com:5432/postgres?sslmode=require", "p"
            ),
            (
                [
                    "DB_TYPE": "rds", "RDS_HOST": "x.eu-west-1.rds.amazonaws.com", "RDS_USER": "u", "RDS_DB": "d",
                    "RDS_PASSWORD": "p", "RDS_CA_FILE": #filePath,
                ], "postgresql://u@x.eu-west-1.rds.amazonaws.com:5432/d?sslmode=verify-full", "p"
            ),
            (
                [
                    "DB_TYPE": "rds", "RDS_HOSTNAME": "x", "RDS_USERNAME": "u", "RDS_DB_NAME": "d", "RDS_PORT": "1",
                    "RDS_PASSWORD": "p", "RDS_CA_FILE": #filePath,
                ], "postgresql://u@x:1/d?sslmode=verify-full", "p"
            ),
        ] as [([String: String], String, String?)])
    func ways(variables: [String: String], place: String, password: String?) throws {
        let settings = try Settings(variables: variables)
        #expect(settings.database.place == place)
        let name = variables["DB_TYPE"] == nil ? "DATABASE_URL" : "DB_TYPE"
        #expect(settings.describe().first == .init(name: "database", value: place, source: .environment))
        #expect(settings.describe().first { $0.name == name }?.source == .environment)
        #expect(settings.describe().contains(.init(name: "SESSION_DB_TYPE", value: "postgres", source: .standard)))
        #expect(settings.warnings.isEmpty)
        let endpoint = try postgres(variables).endpoint
        #expect(endpoint.password == password.map { .fixed(Secret($0)) } ?? .none)
        // A name that is read is known to the warnings about names that nothing reads.
        #expect(settings.describe().allSatisfy { $0.name == "database" || Settings.isKnown($0.name.lowercased()) })
    }

    @Test("without a word, libpq's defaults and ours") func defaults() throws {
        let postgres = try postgres(["DATABASE_URL": "postgres://u@h/d"])
        #expect(postgres == PostgresSettings(endpoint: .init(hosts: [.init("h")], database: "d", user: "u")))
        #expect(postgres.directEndpoint == nil && postgres.pooling == .detect)
        #expect(postgres.connections == 2 && postgres.migratesAtStart)
    }

    @Test("what is handed to libpq is explicit, and without the password") func keywords() throws {
        let postgres = try postgres(["DATABASE_URL": "postgres://u:p@h1,h2:2/d?connect_timeout=3&sslmode=disable"])
        #expect(
            postgres.endpoint.keywords == [
                "host": "h1,h2", "port": "5432,2", "dbname": "d", "user": "u", "sslmode": "disable",
                "connect_timeout": "3",
            ])
    }

    @Test("a password in a file or from a command is asked for later") func passwordSources() throws {
        let url = ["DATABASE_URL": "postgres://u@h/d"]
        let file = try postgres(url.merging(["DATABASE_PASSWORD_FILE": #filePath]) { $1 })
        #expect(file.endpoint.password == .file(path: #filePath))
        let rds = ["DB_TYPE": "rds", "RDS_HOST": "h", "RDS_USER": "u", "RDS_CA_FILE": #filePath]
        let command = try postgres(rds.merging(["RDS_PASSWORD_COMMAND": "aws rds generate-db-auth-token"]) { $1 })
        #expect(command.endpoint.password == .command("aws rds generate-db-auth-token"))
    }

    @Test("how it is used, with a direct way that shares the password") func usage() throws {
        let postgres = try postgres([
            "DATABASE_URL": "postgres://u:p@pooler:6432/d", "SOJOURN_PG_DIRECT_URL": "postgres://v@h/d",
            "SOJOURN_PG_POOLING": "transaction", "SOJOURN_PG_CONNECTIONS": "64", "SOJOURN_PG_MIGRATE": "off",
        ])
        #expect(postgres.directEndpoint?.description == "postgresql://v@h:5432/d?sslmode=prefer")
        #expect(postgres.directEndpoint?.password == .fixed(Secret("p")))
        #expect(postgres.pooling == .transaction && postgres.connections == 64 && !postgres.migratesAtStart)
    }

    @Test("the direct way is held to the rules of its kind, and may have its own password") func directRules() throws {
        let rds = [
            "DB_TYPE": "rds", "RDS_HOST": "h", "RDS_USER": "u", "RDS_CA_FILE": #filePath, "RDS_PASSWORD": "p",
        ]
        let direct = try postgres(rds.merging(["SOJOURN_PG_DIRECT_URL": "postgres://u:q@i/d"]) { $1 }).directEndpoint
        #expect(direct?.tlsMode == .verifyFull && direct?.caFile == #filePath)
        #expect(direct?.password == .fixed(Secret("q")))
        let error = try #require(throws: SettingsError.self) {
            try postgres(rds.merging(["SOJOURN_PG_DIRECT_URL": "postgres://u@i/d?sslmode=require"]) { $1 })
        }
        #expect(error.problems.map(\.name) == ["SOJOURN_PG_DIRECT_URL"])
    }

    @Test("RDS believes the system's authorities where none are named") func authorities() throws {
        let rds = ["DB_TYPE": "rds", "RDS_HOST": "x.rds.amazonaws.com", "RDS_USER": "u", "RDS_PASSWORD": "p"]
        let path = PostgresSettings.systemAuthorities
        guard FileManager.default.isReadableFile(atPath: path) else {
            let error = try #require(throws: SettingsError.self) { try postgres(rds) }
            #expect(error.problems.map(\.name) == ["RDS_CA_FILE"])
            return
        }
        #expect(try postgres(rds).endpoint.caFile == path)
        let error = try #require(throws: SettingsError.self) {
            try postgres(rds.merging(["RDS_CA_FILE": "none"]) { $1 })
        }
        #expect("\(error)".contains("global-bundle.pem"))
    }

    @Test(
        "what is known of a host is told where connecting fails",
        arguments: [
            ("postgres://u@db.abc.supabase.co/d", "IPv6"),
            ("postgres://u@db.abc.supabase.co:6543/d", nil),
            ("postgres://u.abc@aws-0-eu-west-1.pooler.supabase.com/d", nil),
            ("postgres://u@x.rds.amazonaws.com/d?sslmode=require", nil),
            ("postgres://u@h/d", nil),
        ]) func hints(url: String, word: String?) throws
    {
        let hint = try postgres(["DATABASE_URL": url]).endpoint.hint
        #expect(word.map { hint?.contains($0) == true } ?? (hint == nil))
    }

    @Test("an Amazon database is not signed by public authorities, its proxy is") func amazonHint() {
        var endpoint = PostgresSettings.Endpoint(hosts: [.init("x.rds.amazonaws.com")], database: "d", user: "u")
        endpoint.tlsMode = .verifyFull
        endpoint.caFile = PostgresSettings.systemAuthorities
        #expect(endpoint.hint?.contains("global-bundle.pem") == true)
        endpoint.hosts = [.init("x.proxy-abc.eu-west-1.rds.amazonaws.com")]
        #expect(endpoint.hint == nil)
    }

    @Test(
        "a pooler by transactions wants a direct way beside it",
        arguments: [
            (["DATABASE_URL": "postgres://u@h/d", "SOJOURN_PG_POOLING": "transaction"], true),
            (["DATABASE_URL": "postgres://u.r@a.pooler.supabase.com:6543/d"], true),
            (["DATABASE_URL": "postgres://u@db.r.supabase.co:6543/d"], true),
            (["DATABASE_URL": "postgres://u@db.r.supabase.co:6543/d", "SOJOURN_PG_POOLING": "none"], false),
            (["DATABASE_URL": "postgres://u.r@a.pooler.supabase.com:5432/d"], false),
            (["DATABASE_URL": "postgres://u@h:6543/d"], false),
        ]) func poolers(variables: [String: String], isWarned: Bool) throws
    {
        let warnings = try Settings(variables: variables).warnings
        #expect(warnings.contains { $0.contains("SOJOURN_PG_DIRECT_URL") } == isWarned)
        let direct = variables.merging(["SOJOURN_PG_DIRECT_URL": "postgres://u@i/d"]) { $1 }
        #expect(try Settings(variables: direct).warnings.isEmpty)
    }
}
