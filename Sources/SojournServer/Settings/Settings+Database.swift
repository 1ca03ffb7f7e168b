// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

// Three settings say where sessions are kept. `DATABASE_URL` and `DB_TYPE` name databases; `SESSION_DB_TYPE` says which of
// them holds the sessions, and by default follows the one that was named, so that nobody has to set it, and that somebody
// who moved to PostgreSQL goes back to the file by this one setting (M2).
//
// - `DATABASE_URL` and `DB_TYPE` both naming a PostgreSQL database is refused, wherever they stand: neither is a part of
//   the other, and which one was forgotten cannot be known. `DB_TYPE=` with nothing hides one in a weaker source.
// - `DATABASE_URL` naming a file beside a `DB_TYPE` is two databases, and `SESSION_DB_TYPE` must say which.
// - A `--database-url` on the command line is that one command's, and decides alone.
//
// Neither `redis` nor `tiered` is ever the default, though `REDIS_URL` be set: Redis alone may lose what was just written,
// and a cache is somebody's decision. `tiered` keeps the sessions in the database that is named, by default the file.
//
// Only the variables of the database in use are read: roll-back must not hang on those of the other.

/// What `DATABASE_URL` names.
enum DatabaseAddress: Sendable {
    /// A file.
    case sqlite(path: String)
    /// A PostgreSQL database.
    case postgres(WrittenURL)
}

/// A PostgreSQL URL as somebody wrote it.
struct WrittenURL: Sendable {
    /// Its scheme without a driver.
    var scheme: String
    /// What it says, or what is wrong with it.
    var content: Result<PostgresURL, PostgresURL.Flaw>
}

/// What keeps the sessions (`SESSION_DB_TYPE`).
enum StoreKind: String, Sendable {
    /// A file.
    case sqlite
    /// A PostgreSQL database.
    case postgres
    /// Redis alone.
    case redis
    /// The file or the PostgreSQL database that is named, with Redis before it.
    case tiered
}

/// The variables that name a PostgreSQL database piece by piece (`DB_TYPE`).
enum DatabaseVariables: String, Sendable, CaseIterable {
    /// `POSTGRES_*`.
    case local
    /// `SUPABASE_*`.
    case supabase
    /// `RDS_*`.
    case rds
}

extension Settings {
    /// Where sessions are kept.
    mutating func readStore(_ reader: inout SettingsReader) {
        dataFolder = reader.read("DATA_DIR", .text, default: dataFolder)
        let address = reader.readIfSet("DATABASE_URL", .database)
        let isFlag = address != nil && reader.source(of: "DATABASE_URL") == .flag
        let variables = reader.readIfSet("DB_TYPE", Grammar<DatabaseVariables>.word)
        let named: StoreKind =
            switch address {
            case .sqlite: .sqlite
            case .postgres: .postgres
            case nil: variables == nil ? .sqlite : .postgres
            }
        let chosen = reader.read("SESSION_DB_TYPE", .storeKind, default: named)
        if !isFlag { refuseTwo(address, variables, &reader) }
        if chosen == .tiered {
            cache = Self.redis(&reader)
            tiering.phase = reader.read("TIER_PHASE", .word, default: tiering.phase)
            tiering.trustLease = reader.read(
                "TRUST_LEASE", .duration(from: .milliseconds(100), to: .seconds(30)), default: tiering.trustLease)
            tiering.touchFlush = reader.read(
                "TOUCH_FLUSH", .duration(from: .zero, to: .seconds(60)), default: tiering.touchFlush)
            tiering.nearSessionsMax = reader.read(
                "NEAR_CACHE", .number(0...10_000_000), default: tiering.nearSessionsMax)
        } else if reader.isSet("NEAR_CACHE") {
            reader.warn("NEAR_CACHE", "not used, because SESSION_DB_TYPE is not tiered")
        }
        // The setting that says where the database is.
        let place: String
        switch isFlag || chosen == .tiered ? named : chosen {
        case .sqlite:
            if case .sqlite(let path) = address {
                database = .sqlite(path: path)
                place = "DATABASE_URL"
            } else {
                database = .sqlite(path: "\(dataFolder)/sojourn.db")
                place = reader.isSet("DATA_DIR") ? "DATA_DIR" : "SESSION_DB_TYPE"
            }
            if address == nil, variables == nil, !reader.isSet("SESSION_DB_TYPE") { warnOfUnused(&reader) }
        case .postgres:
            var postgres: PostgresSettings?
            if case .postgres(let url) = address {
                postgres = Self.postgres(url, &reader)
                place = "DATABASE_URL"
            } else {
                postgres = variables.flatMap { Self.postgres($0, &reader) }
                place = "DB_TYPE"
            }
            if variables == nil, place == "DB_TYPE", !reader.isWrong("DATABASE_URL"), !reader.isWrong("DB_TYPE") {
                reader.complain(
                    "DATABASE_URL",
                    expected:
                        "a URL as in \(PostgresURL.form), or DB_TYPE and its variables: SESSION_DB_TYPE is postgres")
            }
            if let postgres { database = .postgres(postgres) }
        case .redis, .tiered:
            if let redis = Self.redis(&reader) { database = .redis(redis) }
            place = "REDIS_URL"
        }
        rows.append(Row(name: "database", value: database.place, source: reader.source(of: place)))
        if let cache { rows.append(Row(name: "cache", value: cache.place, source: reader.source(of: "REDIS_URL"))) }
    }

    /// Complains where two databases are named and nothing says which one is meant.
    private func refuseTwo(
        _ address: DatabaseAddress?, _ variables: DatabaseVariables?, _ reader: inout SettingsReader
    ) {
        guard let address, let variables else { return }
        switch address {
        case .postgres:
            reader.complain(
                "DB_TYPE", found: variables.rawValue,
                expected: "one of DATABASE_URL and DB_TYPE, not both: unset one (DB_TYPE= with nothing does)")
        case .sqlite where !reader.isSet("SESSION_DB_TYPE"):
            reader.complain(
                "SESSION_DB_TYPE",
                expected: "sqlite or postgres: DATABASE_URL names a file and DB_TYPE a PostgreSQL database")
        case .sqlite:
            return
        }
    }

    /// Warns of variables that would name a database if `DB_TYPE` said so: a file in their place would be a surprise.
    private func warnOfUnused(_ reader: inout SettingsReader) {
        let names = [
            ("POSTGRES_HOST", "local"), ("SUPABASE_DIRECT_URL", "supabase"), ("RDS_HOST", "rds"),
            ("RDS_HOSTNAME", "rds"),
        ]
        if reader.isSet("REDIS_URL") {
            reader.warn("REDIS_URL", "not used, because SESSION_DB_TYPE is neither tiered nor redis")
        }
        for (name, type) in names where reader.isSet(name) {
            reader.warn(name, "not used, because DB_TYPE is not \(type): sessions are kept in a file")
        }
    }
}
