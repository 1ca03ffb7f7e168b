// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDB
import Sojourn
import Testing

@testable import SojournSQLite

@Suite struct FailureTests {
    @Test func `A full disk is storeFull, loses nothing, and is over once there is room`() async throws {
        try await withStore { store in
            let access = try await store.begin()
            let pages = try await store.write { db in try db.first("PRAGMA page_count") { try $0.count(0) } ?? 0 }
            _ = try await store.write { db in try db.run("PRAGMA max_page_count = \(pages)") }
            var refused: SojournError.Code?
            for _ in 0..<500 where refused == nil { refused = await code { try await store.begin() } }
            #expect(refused == .storeFull)
            #expect(try await store.validate(access)?.requestCount == 1)
            #expect(try await store.integrity().isGood)
            _ = try await store.write { db in try db.run("PRAGMA max_page_count = 1000000") }
            _ = try await store.begin()
        }
    }

    @Test func `A disk that is really full fails a whole commit with storeFull and loses nothing`() async throws {
        guard getuid() == 0 else { return }
        try await withScratch { path in
            let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            guard shell("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder) == 0 else { return }
            defer { _ = shell("umount", "-l", folder) }
            let store = try SQLiteStore(path: path)
            var begun: [SessionAccess] = []
            var refused: SojournError.Code?
            for _ in 0..<5000 where refused == nil {
                refused = await code { begun.append(try await store.begin()) }
            }
            #expect(refused == .storeFull)
            let found = try await store.find(begun)
            #expect(found.count { $0?.status == .active } == begun.count)
            #expect(try await store.integrity().isGood)
            try await store.close()
        }
    }

    @Test func `A read-only file is storeFull for writes and still readable`() async throws {
        try await withStore { store in
            let access = try await store.begin()
            _ = try await store.pool.writeWithoutTransaction { db in try db.run("PRAGMA query_only = ON") }
            #expect(await code { try await store.validate(access) } == .storeFull)
            #expect(try await store.find([access])[0]?.status == .active)
            _ = try await store.pool.writeWithoutTransaction { db in try db.run("PRAGMA query_only = OFF") }
            #expect(try await store.validate(access)?.requestCount == 1)
        }
    }

    @Test func `A file that is no database is storeDamaged and left as it was`() async throws {
        try await withScratch { path in
            let store = try SQLiteStore(path: path)
            try await store.close()
            let bytes = Data(repeating: 0x5A, count: 8192)
            try bytes.write(to: URL(fileURLWithPath: path))
            let error = #expect(throws: SojournError.self) { try SQLiteStore(path: path) }
            #expect(error?.code == .storeDamaged)
            #expect(error?.message.contains("backup") == true)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes)
        }
    }

    @Test func `Pages overwritten in the middle are storeDamaged where they are met, and integrity says so`()
        async throws
    {
        try await withScratch { path in
            let store = try SQLiteStore(path: path)
            for _ in 0..<20 {
                _ = try await store.create((0..<100).map { _ in NewSession(id: fresh().id, digest: nil) })
            }
            try await store.pool.writeWithoutTransaction { db in _ = try db.checkpoint(.truncate) }
            try await store.close()
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: path))
            let size = try file.seekToEnd()
            for page in stride(from: size / 2 / 4096, to: size / 4096, by: 1) {
                try file.seek(toOffset: page * 4096)
                try file.write(contentsOf: Data(repeating: 0xFF, count: 4096))
            }
            try file.close()
            let damaged = try SQLiteStore(path: path)
            #expect(await code { try await damaged.statistics() } == .storeDamaged)
            let report = try? await damaged.integrity()
            #expect(report?.isGood != true)
            try await damaged.close()
        }
    }

    @Test func `A writer in another process that does not let go is storeUnavailable`() async throws {
        try await withStore { store in
            let access = try await store.begin()
            let other = try DatabaseQueue(path: store.path, configuration: .unfinished)
            try await other.writeWithoutTransaction { db in try db.execute(sql: "BEGIN IMMEDIATE") }
            _ = try await store.pool.writeWithoutTransaction { db in try db.run("PRAGMA busy_timeout = 10") }
            #expect(await code { try await store.validate(access) } == .storeUnavailable)
            try await other.writeWithoutTransaction { db in try db.execute(sql: "ROLLBACK") }
            #expect(try await store.validate(access)?.requestCount == 1)
        }
    }

    @Test(arguments: ["request_count", "turn_count", "version", "epoch"], [Int64.max, -1])
    func `A count that nobody can have counted is storeDamaged`(column: String, value: Int64) async throws {
        try await withStore { store in
            let access = try await store.begin()
            _ = try await store.write { db in
                try db.run("UPDATE session_master SET \(column) = ?", [.integer(value)])
            }
            #expect(await code { try await store.validate(access) } == .storeDamaged)
            #expect(await code { try await store.find([access]) } == .storeDamaged)
        }
    }

    @Test(arguments: ["last_activity", "expires_at", "session_start", "session_end"], [Int64.max, .min])
    func `A moment at the end of time stops nobody`(column: String, value: Int64) async throws {
        try await withStore { store in
            let access = try await store.begin(policy: SessionPolicy(renewal: .onAccess))
            _ = try await store.write { db in
                let reason = column == "session_end" ? "'ended'" : "NULL"
                try db.run("UPDATE session_master SET \(column) = ?, end_reason = \(reason)", [.integer(value)])
            }
            _ = try await store.validate(access)
            _ = try await store.sweep(SweepOrder(retention: [.web: .after(.zero)]))
            _ = try await store.statistics()
            _ = try await store.integrity()
        }
    }

    @Test func `What a failure says to a client and to a log names no statement and no value`() throws {
        let cause = DatabaseError(
            resultCode: .SQLITE_FULL, message: "disk full", sql: "SELECT secret FROM t", arguments: ["value"])
        let error = SQLiteFailure.map(cause)
        #expect(error.code == .storeFull)
        #expect(!error.debugDescription.contains("SELECT"))
        #expect(!error.debugDescription.contains("value"))
    }

    private func shell(_ command: String...) -> Int32 {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        guard (try? process.run()) != nil else { return -1 }
        process.waitUntilExit()
        return process.terminationStatus
    }
}
