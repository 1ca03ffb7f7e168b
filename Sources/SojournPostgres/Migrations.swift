// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
internal import Sojourn

/// The tables' history: named scripts, run once each, in order, forward only.
enum Migration {
    /// Every script, the oldest first.
    static let all: [(name: String, script: [UInt8])] = [
        ("V001_sessions", PackageResources.V001_sessions_sql),
        ("V002_rules", PackageResources.V002_rules_sql),
        ("V003_sweep", PackageResources.V003_sweep_sql),
        ("V004_sql_api", PackageResources.V004_sql_api_sql),
        ("V005_journal", PackageResources.V005_journal_sql),
        ("V006_partitions", PackageResources.V006_partitions_sql),
        ("V007_adoptions", PackageResources.V007_adoptions_sql),
        ("V008_tiering", PackageResources.V008_tiering_sql),
        ("V009_retail", PackageResources.V009_retail_sql),
        ("V010_aging", PackageResources.V010_aging_sql),
        ("V011_pipeline", PackageResources.V011_pipeline_sql),
    ]
}

extension PostgresStore {
    /// Makes or updates the tables: every migration that this database lacks, in one transaction, under a lock that lets
    /// one node do it while the others wait.
    ///
    /// - Returns: The names of those that were run.
    /// - Throws: `storeDamaged` where a newer version wrote the tables; what the store throws.
    @discardableResult
    public func migrate() async throws -> [String] {
        try await answering {
            try await client.withTransaction(patience: .seconds(600)) { transaction in
                // The two statements after the lock read what the holder before us committed.
                _ = try await transaction.run([PostgresCall(Self.lock), PostgresCall(Self.history)])
                let done = Set(try await transaction.run(PostgresCall(Self.done)).map { try $0.text(0) })
                try Self.refuseNewer(done)
                let missing = Migration.all.filter { !done.contains($0.name) }
                for migration in missing {
                    try await transaction.runScript(String(decoding: migration.script, as: UTF8.self))
                    var name = PostgresArguments()
                    name.append(text: migration.name)
                    transaction.enqueue(PostgresCall(Self.record, name))
                }
                return missing.map(\.name)
            }
        }
    }

    /// Whether the tables are there and of this version.
    ///
    /// - Throws: `storeUnavailable` where they are missing or older, `storeDamaged` where they are newer.
    public func checkTables() async throws {
        try await answering {
            let done = Set(try await read(PostgresCall(Self.done)).map { try $0.text(0) })
            try Self.refuseNewer(done)
            guard Migration.all.allSatisfy({ done.contains($0.name) }) else {
                throw SojournError(
                    .storeUnavailable, "The database's tables are of an older version: `sojourn init` updates them.")
            }
        }
    }

    /// Puts the schema `sojourn` behind `public` in the database's search path. Holds for connections made afterwards.
    public func setSearchPath() async throws {
        try await answering { _ = try await client.query(PostgresCall(Self.searchPath)) }
    }

    private static let searchPath = PostgresStatement(
        """
        DO $$
        BEGIN
            EXECUTE format('ALTER DATABASE %I SET search_path = "$user", public, sojourn', current_database());
        END $$
        """)

    private static func refuseNewer(_ done: Set<String>) throws {
        guard done.subtracting(Migration.all.map(\.name)).isEmpty else { throw SojournError.newerDatabase() }
    }

    private static let lock = PostgresStatement(
        "SELECT pg_advisory_xact_lock(hashtext('sojourn'), hashtext('migrate'))")
    private static let history = PostgresStatement(
        """
        DO $$
        BEGIN
            CREATE SCHEMA IF NOT EXISTS sojourn;
            CREATE TABLE IF NOT EXISTS sojourn.schema_migrations (
                name       text        NOT NULL PRIMARY KEY,
                applied_at timestamptz NOT NULL DEFAULT now());
        END $$
        """)
    private static let done = PostgresStatement("SELECT name FROM sojourn.schema_migrations")
    private static let record = PostgresStatement(
        "INSERT INTO sojourn.schema_migrations (name) VALUES ($1)", [.text])
}
