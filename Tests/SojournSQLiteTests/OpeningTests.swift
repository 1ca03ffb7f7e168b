// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDB
import Sojourn
import Testing

@testable import SojournSQLite

@Suite struct OpeningTests {
    @Test func `A commit is synced, foreign keys are on and the log is written ahead`() async throws {
        try await withStore { store in
            let writer = try await store.pool.writeWithoutTransaction { db in try pragmas(db) }
            #expect(writer == ["2", "1", "wal", "5000"])
            let reader = try await store.read { db in try pragmas(db) }
            #expect(reader[1] == "1")
        }
    }

    private func pragmas(_ db: Database) throws -> [String] {
        try ["synchronous", "foreign_keys", "journal_mode", "busy_timeout"].map { name in
            try db.first("PRAGMA \(name)") { $0.text(0) } ?? ""
        }
    }

    @Test func `The file is its owner's alone, and so is a folder that was made for it`() async throws {
        try await withStore { store in
            _ = try await store.begin()
            let folder = URL(fileURLWithPath: store.path).deletingLastPathComponent().path
            #expect(try mode(folder) == 0o700)
            for suffix in ["", "-wal", "-shm"] { #expect(try mode(store.path + suffix) == 0o600) }
        }
    }

    private func mode(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    }

    @Test func `Opening again finds what was stored and migrates nothing`() async throws {
        try await withScratch { path in
            let first = try SQLiteStore(path: path)
            let access = try await first.begin()
            try await first.close()
            let second = try SQLiteStore(path: path)
            #expect(try await second.validate(access)?.requestCount == 1)
            try await second.close()
        }
    }

    @Test func `Two processes that open a new file at once both find it ready`() async throws {
        try await withScratch { path in
            try await withThrowingTaskGroup { group in
                for _ in 0..<4 {
                    group.addTask {
                        let store = try SQLiteStore(path: path)
                        _ = try await store.begin()
                        try await store.close()
                    }
                }
                try await group.waitForAll()
            }
            let store = try SQLiteStore(path: path)
            #expect(try await store.statistics().active == 4)
            try await store.close()
        }
    }

    @Test func `A file that a newer version migrated is refused, and says so`() async throws {
        try await withScratch { path in
            let store = try SQLiteStore(path: path)
            _ = try await store.write { db in try db.run("INSERT INTO grdb_migrations VALUES ('V999 future')") }
            try await store.close()
            let error = #expect(throws: SojournError.self) { try SQLiteStore(path: path) }
            #expect(error?.code == .storeDamaged)
            #expect(error?.message.contains("newer version") == true)
        }
    }

    @Test func `Somebody else's database is refused and left as it was`() async throws {
        try await withScratch { path in
            let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let other = try DatabaseQueue(path: path)
            try await other.write { db in try db.execute(sql: "CREATE TABLE theirs (a)") }
            try other.close()
            let error = #expect(throws: SojournError.self) { try SQLiteStore(path: path) }
            #expect(error?.message.contains("not made by Sojourn") == true)
            let again = try DatabaseQueue(path: path)
            #expect(try await again.read { db in try db.tableExists("users") } == false)
        }
    }

    @Test func `A closed store says that it is closed`() async throws {
        try await withScratch { path in
            let store = try SQLiteStore(path: path)
            try await store.close()
            #expect(await code { try await store.ping() } == .storeUnavailable)
            #expect(await code { try await store.find([fresh()]) } == .storeUnavailable)
        }
    }
}
