// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
internal import Glibc
public import Sojourn

/// Sessions, items and the journal in one SQLite file.
///
/// Every decision is made on rows read in the transaction that writes its outcome, by the rules of `SessionRecord`, and
/// nothing is cached: another process's changes to the file count from its commit on. Writes go through one
/// `FoldingWriter`; reads beside it, each on the last commit.
public final class SQLiteStore: Sendable {
    /// The database file.
    public let path: String
    /// The one clock that this store's decisions go by.
    let clock: any WallClock
    let pool: DatabasePool
    let writer: FoldingWriter

    /// Opens the file at `path`, makes it (mode 0600, its folder 0700) where there is none, and brings its tables up to
    /// date. Blocks meanwhile.
    ///
    /// - Throws: `SojournError`: `storeDamaged` for a damaged or foreign file or one that a newer version wrote,
    ///   `storeFull` or `storeUnavailable` where the disk does not let us.
    public init(path: String, clock: any WallClock = SystemWallClock()) throws {
        self.path = path
        self.clock = clock
        do {
            try Self.makeFile(at: path)
            pool = try DatabasePool(path: path, configuration: Self.configuration)
            try Self.prepare(pool)
        } catch {
            throw SQLiteFailure.map(error)
        }
        writer = FoldingWriter(pool) { db in try db.indexTurns() }
    }

    /// Waits for what runs, then closes the file. Every later call throws `storeUnavailable`.
    public func close() async throws {
        do {
            try await withCheckedThrowingContinuation { closed in
                // On a thread of its own, since it blocks until the readers are done, and these may need the threads
                // that tasks run on.
                Thread.detachNewThread { [pool] in
                    // Readers first: only a connection that may write can put the log back into the file, and the pool
                    // itself would close the one that may before the others.
                    pool.releaseMemory()
                    closed.resume(with: Result { try pool.close() })
                }
            }
        } catch {
            throw SQLiteFailure.map(error)
        }
    }
}

extension SQLiteStore {
    /// Runs `body` in the folded transaction and returns after its commit.
    func write<Value: Sendable>(
        _ isolation: FoldingWriter.Isolation = .savepoint, _ body: @escaping @Sendable (Database) throws -> Value
    ) async throws -> Value {
        do { return try await writer.write(isolation, body) } catch { throw SQLiteFailure.map(error) }
    }

    /// Runs `body` on one state of the database, that of the last commit or a later one.
    func read<Value: Sendable>(_ body: @escaping @Sendable (Database) throws -> Value) async throws -> Value {
        do { return try await pool.read(body) } catch { throw SQLiteFailure.map(error) }
    }
}

// MARK: - Opening

extension SQLiteStore {
    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.foreignKeysEnabled = true
        configuration.busyMode = .timeout(5)
        configuration.maximumReaderCount = 4
        configuration.prepareDatabase { db in
            // For a new file. A fold changes about as many pages as sessions, each of which goes to the log whole: half
            // the usual size makes validations a sixth faster; a quarter of it is no better than half.
            try db.execute(sql: "PRAGMA page_size = 2048")
            // Kibibytes, a connection. The system's page cache does the rest; mapped memory would count as ours.
            try db.execute(sql: "PRAGMA cache_size = -16000")
            // The log goes back into the file every 64 MB, and keeps no more than 64 MB after a burst.
            try db.execute(sql: "PRAGMA wal_autocheckpoint = 32000")
            try db.execute(sql: "PRAGMA journal_size_limit = 67108864")
        }
        return configuration
    }

    /// Makes an empty file that only its owner can read; SQLite gives its log the same mode.
    private static func makeFile(at path: String) throws {
        let files = FileManager.default
        guard !files.fileExists(atPath: path) else { return }
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        do {
            if !files.fileExists(atPath: folder) {
                try files.createDirectory(
                    atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            }
        } catch {
            throw DatabaseError(resultCode: .SQLITE_CANTOPEN)
        }
        try makePrivateFile(at: path)
    }

    /// Makes an empty file that is its owner's alone from its first byte on; false, and nothing done, where there is
    /// one, since another process may have made it a moment ago.
    @discardableResult
    static func makePrivateFile(at path: String) throws -> Bool {
        let descriptor = Glibc.open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            if errno == EEXIST { return false }
            throw DatabaseError(resultCode: errno == ENOSPC ? .SQLITE_FULL : .SQLITE_CANTOPEN)
        }
        _ = Glibc.close(descriptor)
        return true
    }

    private static func prepare(_ pool: DatabasePool) throws {
        try refuseForeign(pool)
        do {
            try Schema.migrator.migrate(pool)
        } catch {
            // Another process may have opened the new file at the same moment and done it before us.
            guard try pool.read(Schema.migrator.hasCompletedMigrations) else { throw error }
        }
        try pool.writeWithoutTransaction { db in
            // Here and not in `prepareDatabase`: the pool sets NORMAL after that. FULL: what is committed survives a
            // power cut. It costs one sync a transaction, which folding shares.
            try db.execute(sql: "PRAGMA synchronous = FULL")
            guard try Int.fetchOne(db, sql: "PRAGMA synchronous") == 2 else {
                throw SojournError(.storeUnavailable, "The database cannot be made to sync its writes.")
            }
        }
    }

    private static func refuseForeign(_ pool: DatabasePool) throws {
        let (mark, tables, isNewer) = try pool.read { db in
            (
                try Int64.fetchOne(db, sql: "PRAGMA application_id") ?? 0,
                try Int.fetchOne(db, sql: "SELECT count(*) FROM sqlite_schema") ?? 0,
                try Schema.migrator.hasBeenSuperseded(db)
            )
        }
        guard tables == 0 || mark == Schema.applicationID else {
            throw SojournError(
                .storeDamaged, "This SQLite file was not made by Sojourn: name another path, or move it away.")
        }
        guard !isNewer else { throw SojournError.newerDatabase() }
    }
}
