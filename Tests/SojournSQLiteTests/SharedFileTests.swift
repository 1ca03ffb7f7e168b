// SPDX-License-Identifier: Apache-2.0

import Foundation
import Sojourn
import Testing

@testable import SojournSQLite

@Suite struct SharedFileTests {
    @Test func `Ends made through another connection count at once`() async throws {
        try await withStore { server in
            let access = try await server.begin()
            let command = try SQLiteStore(path: server.path)
            #expect(try await server.validate(access) != nil)
            #expect(try await command.end([.trusted(access.id, as: .cli)]) == [true])
            #expect(try await server.validate(access) == nil)
            #expect(try await server.facts(of: access.id)?.facts.first?.actor == .cli)
            try await command.close()
        }
    }

    @Test func `Two stores on one file count together`() async throws {
        try await withStore { first in
            let access = try await first.begin()
            let second = try SQLiteStore(path: first.path)
            try await withThrowingTaskGroup { group in
                for store in [first, second] {
                    for _ in 0..<8 {
                        group.addTask { for _ in 0..<20 { _ = try await store.validate(access) } }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await first.find([access])[0]?.session.requestCount == 320)
            try await second.close()
        }
    }

    @Test func `A backup is a sound file of its owner's alone, and overwrites nothing`() async throws {
        try await withStore { store in
            let access = try await store.begin()
            let copy = store.path + ".backup"
            try await store.backup(to: copy) { #expect((0...1).contains($0)) }
            _ = try await store.begin()
            let mode = try FileManager.default.attributesOfItem(atPath: copy)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            #expect(await code { try await store.backup(to: copy) } == .invalidInput)
            #expect(!FileManager.default.fileExists(atPath: copy + ".partial"))
            let restored = try SQLiteStore(path: copy)
            #expect(try await restored.statistics().active == 1)
            #expect(try await restored.validate(access)?.requestCount == 1)
            try await restored.close()
        }
    }

    @Test func `A database is served by one process; the second is told by which`() async throws {
        try await withStore { store in
            var lock: ServerLock? = try ServerLock(for: store.path)
            let error = #expect(throws: SojournError.self) { try ServerLock(for: store.path) }
            #expect(error?.message.contains("process \(getpid())") == true)
            #expect(error?.details["pid"] == .integer(Int64(getpid())))
            _ = lock
            lock = nil
            lock = try ServerLock(for: store.path)
            lock = nil
        }
    }

    @Test func `The lock file of a dead server is no obstacle`() async throws {
        try await withStore { store in
            try Data("999999\n".utf8).write(to: URL(fileURLWithPath: store.path + ".lock"))
            _ = try ServerLock(for: store.path)
            #expect(try String(contentsOfFile: store.path + ".lock", encoding: .utf8) == "\(getpid())\n")
        }
    }
}
