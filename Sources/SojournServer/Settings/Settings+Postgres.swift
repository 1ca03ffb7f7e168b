// SPDX-License-Identifier: Apache-2.0
internal import Foundation

extension Settings {
    /// The database that `DATABASE_URL` names; nil where something is wrong.
    static func postgres(_ url: WrittenURL, _ reader: inout SettingsReader) -> PostgresSettings? {
        let password = reader.readPassword("DATABASE")
        let rules = EndpointRules(name: "DATABASE_URL", passwordName: "DATABASE_PASSWORD")
        return usage(of: reader.endpoint(url, rules, password), rules, &reader)
    }

    /// The database that the variables of a `DB_TYPE` name; nil where something is wrong.
    static func postgres(_ variables: DatabaseVariables, _ reader: inout SettingsReader) -> PostgresSettings? {
        switch variables {
        case .local:
            let host = reader.read("POSTGRES_HOST", .databaseHost, default: "127.0.0.1")
            let port = reader.read("POSTGRES_PORT", .number(1...65_535), default: PostgresSettings.Host.portDefault)
            let database = reader.readIfSet("POSTGRES_DB", .text)
            let user = reader.readIfSet("POSTGRES_USER", .text)
            let password = reader.readPassword("POSTGRES")
            let rules = EndpointRules(name: "POSTGRES_HOST", passwordName: "POSTGRES_PASSWORD")
            guard let user else {
                reader.complainIfNotWrong("POSTGRES_USER", expected: "the name of a database user")
                return usage(of: nil, rules, &reader)
            }
            var endpoint = PostgresSettings.Endpoint(
                hosts: [.init(host, port: port)], database: database ?? user, user: user)
            endpoint.password = password ?? .none
            return usage(of: endpoint, rules, &reader)
        case .supabase:
            let url = reader.readIfSet("SUPABASE_DIRECT_URL", .postgresURL)
            let password = reader.readPassword("SUPABASE")
            let rules = EndpointRules(
                name: "SUPABASE_DIRECT_URL", passwordName: "SUPABASE_PASSWORD", tlsLeast: .require,
                needsPassword: true)
            if url == nil {
                reader.complainIfNotWrong(
                    "SUPABASE_DIRECT_URL",
                    expected: "a URL as in postgresql://postgres:[YOUR-PASSWORD]@db.REF.supabase.co:5432/postgres")
            }
            return usage(of: url.flatMap { reader.endpoint($0, rules, password) }, rules, &reader)
        case .rds:
            return rds(&reader)
        }
    }

    /// The database that `RDS_*` names, by our names or by those that Elastic Beanstalk sets.
    private static func rds(_ reader: inout SettingsReader) -> PostgresSettings? {
        let host = reader.readEither("RDS_HOST", "RDS_HOSTNAME", .databaseHost)
        let port = reader.read("RDS_PORT", .number(1...65_535), default: PostgresSettings.Host.portDefault)
        let database = reader.readEither("RDS_DB", "RDS_DB_NAME", .text)
        let user = reader.readEither("RDS_USER", "RDS_USERNAME", .text)
        let password = reader.readPassword("RDS")
        let system = PostgresSettings.systemAuthorities
        let caFile = reader.read(
            "RDS_CA_FILE", Grammar<String>.readableFile.or("none"),
            default: FileManager.default.isReadableFile(atPath: system) ? system : nil)
        let rules = EndpointRules(
            name: "RDS_HOST", passwordName: "RDS_PASSWORD", tlsLeast: .verifyFull, caFile: caFile, needsPassword: true)
        if host == nil { reader.complainIfNotWrong("RDS_HOST", expected: "the host of the database's endpoint") }
        if user == nil { reader.complainIfNotWrong("RDS_USER", expected: "the name of a database user") }
        if password == PostgresSettings.PasswordSource.none { reader.complainOfNoPassword(rules) }
        if caFile == nil {
            reader.complainIfNotWrong(
                "RDS_CA_FILE", expected: "the path of Amazon's certificates, from \(PostgresSettings.amazonAuthorities)"
            )
        }
        guard let host, let user, let password else { return usage(of: nil, rules, &reader) }
        var endpoint = PostgresSettings.Endpoint(
            hosts: [.init(host, port: port)], database: database ?? user, user: user)
        endpoint.password = password
        endpoint.tlsMode = .verifyFull
        endpoint.caFile = caFile
        return usage(of: endpoint, rules, &reader)
    }

    /// How the database is used; nil where there is none. What the direct way does not say itself is as `rules` have it.
    private static func usage(
        of endpoint: PostgresSettings.Endpoint?, _ rules: EndpointRules, _ reader: inout SettingsReader
    ) -> PostgresSettings? {
        let direct = reader.readIfSet("SOJOURN_PG_DIRECT_URL", .postgresURL)
        let pooling = reader.read("SOJOURN_PG_POOLING", .word, default: PostgresSettings.Pooling.detect)
        let connections = reader.read("SOJOURN_PG_CONNECTIONS", .number(1...64), default: 2)
        let migratesAtStart = reader.read("SOJOURN_PG_MIGRATE", .onOrOff, default: true)
        var directRules = rules
        directRules.name = "SOJOURN_PG_DIRECT_URL"
        // Where the first endpoint is wrong, whether there is a password for both is not known.
        if endpoint == nil { directRules.needsPassword = false }
        let directEndpoint = direct.flatMap { reader.endpoint($0, directRules, endpoint?.password, sharing: true) }
        guard let endpoint else { return nil }
        if directEndpoint == nil, let pooler = pooling.pooler(before: endpoint) {
            reader.warn(rules.name, "\(pooler): migrations, LISTEN and partitions need SOJOURN_PG_DIRECT_URL")
        }
        var postgres = PostgresSettings(endpoint: endpoint)
        postgres.directEndpoint = directEndpoint
        postgres.pooling = pooling
        postgres.connections = connections
        postgres.migratesAtStart = migratesAtStart
        return postgres
    }
}
