// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import SojournServer

/// Which of the databases that are named holds the sessions, and what is said where that cannot be known.
@Suite("Choice of the database") struct DatabaseChoiceTests {
    /// A PostgreSQL database by its pieces.
    private static let local = ["DB_TYPE": "local", "POSTGRES_USER": "u"]
    /// A PostgreSQL database by its URL.
    private static let url = ["DATABASE_URL": "postgres://u@h/d"]
    /// The two places.
    private static let localPlace = "postgresql://u@127.0.0.1:5432/u?sslmode=prefer"
    private static let urlPlace = "postgresql://u@h:5432/d?sslmode=prefer"

    /// Two sets of variables as one.
    private static func both(_ first: [String: String], _ second: [String: String]) -> [String: String] {
        first.merging(second) { $1 }
    }

    @Test(
        "SESSION_DB_TYPE follows what was named, and goes back to the file",
        arguments: [
            ([:], [:], "sqlite:./data/sojourn.db", .standard),
            (["DATA_DIR": "/a"], [:], "sqlite:/a/sojourn.db", .environment),
            (["DATABASE_URL": "sqlite:b.db", "DATA_DIR": "/a"], [:], "sqlite:b.db", .environment),
            (both(url, ["SESSION_DB_TYPE": "sqlite"]), [:], "sqlite:./data/sojourn.db", .environment),
            (both(local, ["SESSION_DB_TYPE": "sqlite"]), [:], "sqlite:./data/sojourn.db", .environment),
            (["DB_TYPE": "rds", "SESSION_DB_TYPE": "sqlite"], [:], "sqlite:./data/sojourn.db", .environment),
            (both(url, ["SESSION_DB_TYPE": "Postgres"]), [:], urlPlace, .environment),
            (
                both(local, ["DATABASE_URL": "sqlite:b.db", "SESSION_DB_TYPE": "sqlite"]), [:], "sqlite:b.db",
                .environment
            ),
            (
                both(local, ["DATABASE_URL": "sqlite:b.db", "SESSION_DB_TYPE": "postgres"]), [:], localPlace,
                .environment
            ),
            (local, ["DATABASE_URL": "sqlite:b.db"], "sqlite:b.db", .flag),
            (local, url, urlPlace, .flag),
            (both(url, ["SESSION_DB_TYPE": "postgres"]), ["DATABASE_URL": "sqlite:b.db"], "sqlite:b.db", .flag),
            (["SESSION_DB_TYPE": "sqlite"], url, urlPlace, .flag),
            (both(url, local), ["DB_TYPE": ""], urlPlace, .environment),
        ] as [([String: String], [String: String], String, Settings.Source)])
    func choices(
        variables: [String: String], flags: [String: String], place: String, source: Settings.Source
    ) throws {
        let settings = try Settings(variables: variables, flags: flags)
        #expect(settings.database.place == place)
        #expect(settings.describe().first == .init(name: "database", value: place, source: source))
    }

    @Test(
        "what is missing or contradicts is named",
        arguments: [
            (
                ["SESSION_DB_TYPE": "postgres"],
                "DATABASE_URL: expected a URL as in postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or DB_TYPE and its "
                    + "variables: SESSION_DB_TYPE is postgres"
            ),
            (
                both(local, url),
                "DB_TYPE: found \"local\" (environment), expected one of DATABASE_URL and DB_TYPE, not both: unset one "
                    + "(DB_TYPE= with nothing does)"
            ),
            (
                both(local, ["DATABASE_URL": "sqlite:b.db"]),
                "SESSION_DB_TYPE: expected sqlite or postgres: DATABASE_URL names a file and DB_TYPE a PostgreSQL database"
            ),
            (
                ["DB_TYPE": "mysql"],
                "DB_TYPE: found \"mysql\" (environment), expected one of local, supabase, rds, or none"
            ),
            (
                ["SESSION_DB_TYPE": "tiered"],
                "REDIS_URL: expected a URL as in redis://USER:PASSWORD@HOST:PORT/DATABASE, also rediss://, "
                    + "redis+cluster:// and redis+sentinel://"
            ),
            (["DB_TYPE": "local"], "POSTGRES_USER: expected the name of a database user"),
            (
                both(local, ["POSTGRES_HOST": "h:5432"]),
                "POSTGRES_HOST: found \"h:5432\" (environment), expected a host's name or address without a port, or the "
                    + "folder of its socket"
            ),
            (
                both(local, ["POSTGRES_PASSWORD": "hush", "POSTGRES_PASSWORD_COMMAND": "echo"]),
                "POSTGRES_PASSWORD: expected one of POSTGRES_PASSWORD, POSTGRES_PASSWORD_FILE and "
                    + "POSTGRES_PASSWORD_COMMAND, not several"
            ),
            (
                ["DB_TYPE": "supabase"],
                "SUPABASE_DIRECT_URL: expected a URL as in "
                    + "postgresql://postgres:[YOUR-PASSWORD]@db.REF.supabase.co:5432/postgres"
            ),
            (
                ["DB_TYPE": "supabase", "SUPABASE_DIRECT_URL": "postgres://u:[your-password]@db.a.supabase.co/d"],
                "SUPABASE_PASSWORD: expected the password that takes the place of [YOUR-PASSWORD] in SUPABASE_DIRECT_URL"
            ),
            (
                ["DB_TYPE": "supabase", "SUPABASE_DIRECT_URL": "postgres://u@db.a.supabase.co/d"],
                "SUPABASE_PASSWORD: expected a password, or SUPABASE_PASSWORD_FILE or SUPABASE_PASSWORD_COMMAND"
            ),
            (
                [
                    "DB_TYPE": "supabase", "SUPABASE_PASSWORD": "hush",
                    "SUPABASE_DIRECT_URL": "postgres://u:other@db.a.supabase.co/d",
                ],
                "SUPABASE_PASSWORD: expected nothing, because SUPABASE_DIRECT_URL holds a password already"
            ),
            (
                ["DB_TYPE": "supabase", "SUPABASE_DIRECT_URL": "postgres://u:hush@h/d?sslmode=prefer"],
                "SUPABASE_DIRECT_URL: found \"postgresql://u@h:5432/d\" (environment), expected sslmode=require, or "
                    + "none, which means it"
            ),
            (
                ["DB_TYPE": "supabase", "SUPABASE_DIRECT_URL": "postgres://u:hush@a.pooler.supabase.com/d"],
                "SUPABASE_DIRECT_URL: found \"postgresql://u@a.pooler.supabase.com:5432/d\" (environment), expected the "
                    + "user postgres.REF: Supabase's pooler wants it"
            ),
            (
                ["DB_TYPE": "rds", "RDS_CA_FILE": "/nowhere"],
                "RDS_CA_FILE: found \"/nowhere\" (environment), expected the path of a file that can be read, or none\n"
                    + "RDS_HOST: expected the host of the database's endpoint\n"
                    + "RDS_USER: expected the name of a database user\n"
                    + "RDS_PASSWORD: expected a password, or RDS_PASSWORD_FILE or RDS_PASSWORD_COMMAND"
            ),
            (
                ["DB_TYPE": "rds", "RDS_HOST": "a", "RDS_HOSTNAME": "b", "RDS_USER": "u", "RDS_PASSWORD": "hush"],
                "RDS_HOSTNAME: expected the same as in RDS_HOST, or nothing"
            ),
            (
                both(url, ["DATABASE_PASSWORD_FILE": "/nowhere"]),
                "DATABASE_PASSWORD_FILE: found \"/nowhere\" (environment), expected the path of a file that can be read, "
                    + "or none"
            ),
            (
                ["DATABASE_URL": "postgres://u:hush@h/d", "DATABASE_PASSWORD_FILE": #filePath],
                "DATABASE_PASSWORD_FILE: expected nothing, because DATABASE_URL holds a password already"
            ),
            (
                ["DATABASE_URL": "postgres://u:[YOUR-PASSWORD]@h/d"],
                "DATABASE_PASSWORD: expected the password that takes the place of [YOUR-PASSWORD] in DATABASE_URL"
            ),
            (
                ["DATABASE_URL": "postgres://u:hush@hush@h/d"],
                "DATABASE_URL: found \"postgres:…\" (environment), expected a password whose @, / and % are written "
                    + "%40, %2F and %25"
            ),
            (
                ["DATABASE_URL": "password=hush host=::1"],
                "DATABASE_URL: found \"…\" (environment), expected sqlite:PATH with the path of a file, or a URL as in "
                    + "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or none"
            ),
            (
                ["DATABASE_URL": "postgres://h/d"],
                "DATABASE_URL: found \"postgresql://h:5432/d\" (environment), expected a user, as in "
                    + "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
            ),
            (
                both(url, ["SOJOURN_PG_DIRECT_URL": "sqlite:x", "SOJOURN_PG_CONNECTIONS": "0"]),
                "SOJOURN_PG_DIRECT_URL: found \"sqlite:…\" (environment), expected a URL as in "
                    + "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or none\n"
                    + "SOJOURN_PG_CONNECTIONS: found \"0\" (environment), expected a whole number from 1 to 64"
            ),
        ] as [([String: String], String)])
    func problems(variables: [String: String], message: String) throws {
        let error = try #require(throws: SettingsError.self) { try Settings(variables: variables) }
        let lines = "\(error)".split(separator: "\n").map(String.init)
        #expect(lines.sorted() == message.split(separator: "\n").map(String.init).sorted())
        #expect(!"\(error)".contains("hush"))
    }

    @Test("no password is shown, wherever it stood") func secrets() throws {
        let direct = "postgres://u:hush@h/d"
        let examples = [
            ["DATABASE_URL": direct, "SOJOURN_PG_DIRECT_URL": direct],
            Self.both(Self.url, ["DATABASE_PASSWORD": "hush"]),
            Self.both(Self.local, ["POSTGRES_PASSWORD": "hush", "SOJOURN_PG_DIRECT_URL": direct]),
            ["DB_TYPE": "supabase", "SUPABASE_PASSWORD": "hush", "SUPABASE_DIRECT_URL": "postgres://u@h/d"],
            [
                "DB_TYPE": "rds", "RDS_HOST": "h", "RDS_USER": "u", "RDS_PASSWORD": "hush", "RDS_CA_FILE": #filePath,
            ],
        ]
        for variables in examples {
            let settings = try Settings(variables: variables)
            var text = "\(settings) \(String(reflecting: settings)) \(settings.warnings)"
            dump(settings, to: &text)
            #expect(!text.contains("hush"), "\(variables)")
            guard case .postgres(let postgres) = settings.database else {
                Issue.record("\(variables)")
                continue
            }
            #expect(postgres.endpoint.password == .fixed(Secret("hush")))
        }
    }

    @Test("variables that would name a database are not passed over in silence") func unused() throws {
        let host = ["POSTGRES_HOST": "h"]
        #expect(
            try Settings(variables: host).warnings == [
                "POSTGRES_HOST (environment): not used, because DB_TYPE is not local: sessions are kept in a file"
            ])
        for variables in [["SESSION_DB_TYPE": "sqlite"], ["DATABASE_URL": "sqlite:a.db"], Self.url, Self.local] {
            #expect(try Settings(variables: Self.both(host, variables)).warnings.isEmpty)
        }
    }

    @Test("the variables of every kind of database are known, and may stand in YAML") func known() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sojourn-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let yaml = """
            db_type: local
            postgres_user: u
            postgres_password: 0123
            sojourn_pg_migrate: off
            supabase_direct_url: ''
            rds_password_command: x
            redis_prefix: s
            trust_lease: 2s
            near_cache: ''
            """
        try yaml.write(toFile: "\(folder)/sojourn.yaml", atomically: true, encoding: .utf8)
        let settings = try await Settings.load(
            environment: ["SOJOURN_PG_CONNECTIONS": "3", "SOJOURN_PG_CONNECTION": "3"], folder: folder)
        #expect(settings.warnings == ["SOJOURN_PG_CONNECTION (environment): nothing reads it"])
        guard case .postgres(let postgres) = settings.database else {
            Issue.record("\(settings.database)")
            return
        }
        #expect(postgres.endpoint.password == .fixed(Secret("0123")))
        #expect(!postgres.migratesAtStart && postgres.connections == 3)
    }
}
