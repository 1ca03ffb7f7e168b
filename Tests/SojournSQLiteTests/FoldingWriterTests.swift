// SPDX-License-Identifier: Apache-2.0

import Sojourn
import Testing

@testable import SojournSQLite

@Suite struct FoldingWriterTests {
    @Test func `Sixty-four callers of one session count exactly`() async throws {
        try await withStore { store in
            let access = try await store.begin()
            try await withThrowingTaskGroup { group in
                for _ in 0..<64 {
                    group.addTask { for _ in 0..<50 { _ = try await store.validate(access) } }
                }
                try await group.waitForAll()
            }
            #expect(try await store.find([access])[0]?.session.requestCount == 3200)
        }
    }

    @Test func `A job that throws leaves no trace and fails nobody else in its transaction`() async throws {
        try await withStore { store in
            struct Refused: Error {}
            let accesses = try await withThrowingTaskGroup { group in
                for n in 0..<200 {
                    group.addTask { () -> SessionAccess? in
                        guard n.isMultiple(of: 2) else { return try await store.begin() }
                        _ = try? await store.writer.write(.savepoint) { db in
                            try db.run(
                                "INSERT INTO items (item_id, name, search_key) VALUES (?, 'x', 'x')", [.integer(n + 1)])
                            throw Refused()
                        }
                        return nil
                    }
                }
                return try await group.reduce(into: []) { if let access = $1 { $0.append(access) } }
            }
            #expect(accesses.count == 100)
            #expect(try await store.statistics().active == 100)
            #expect(try await store.items(prefix: "", page: PageRequest()).items.isEmpty)
        }
    }

    @Test func `Callers that wait while a transaction runs share the next one, and are answered after its commit`()
        async throws
    {
        try await withStore { store in
            // Held until everyone has queued behind it.
            let gate = Gate()
            async let first: Void = store.write { _ in gate.wait() }
            await gate.reached()
            let answered = Tally()
            try await withThrowingTaskGroup { group in
                for n in 0..<100 {
                    group.addTask {
                        try await store.write { db in
                            // Nobody of this transaction has an answer while it is open.
                            #expect(answered.count == 0)
                            try db.run("INSERT INTO users (user_id, created_at) VALUES (?, 0)", [.text("u\(n)")])
                        }
                        answered.add()
                    }
                }
                await store.writer.waiting(100)
                gate.open()
                try await group.waitForAll()
            }
            try await first
            #expect(answered.count == 100)
        }
    }

    @Test func `A commit that fails fails everyone in it, and nothing of it is there`() async throws {
        try await withStore { store in
            let gate = Gate()
            async let first: Void = store.write { _ in gate.wait() }
            await gate.reached()
            let ended = await withTaskGroup { group in
                for n in 0..<10 {
                    group.addTask {
                        await code {
                            try await store.write { db in
                                // A violated deferred key is found by the commit alone.
                                try db.run("PRAGMA defer_foreign_keys = ON")
                                guard n == 5 else { return }
                                try db.run(
                                    "INSERT INTO session_items (session_id, item_id, added_at) VALUES (x'00', 1, 0)")
                            }
                        }
                    }
                }
                await store.writer.waiting(10)
                gate.open()
                return await group.reduce(into: []) { $0.append($1) }
            }
            try await first
            #expect(ended == Array(repeating: .storeDamaged, count: 10))
            #expect(try await store.statistics().items == 0)
            #expect(try await store.validate(try await store.begin()) != nil)
        }
    }

    @Test func `The queue has an end, and whoever comes past it is told at once`() async throws {
        try await withStore { store in
            let gate = Gate()
            async let first: Void = store.write { _ in gate.wait() }
            await gate.reached()
            await withTaskGroup(of: SojournError.Code?.self) { group in
                for _ in 0..<FoldingWriter.waitingMax { group.addTask { await code { try await store.ping() } } }
                await store.writer.waiting(FoldingWriter.waitingMax)
                let surplus = await code { try await store.ping() }
                #expect(surplus == .storeUnavailable)
                gate.open()
                for await code in group { #expect(code == nil) }
            }
            try await first
        }
    }

    @Test func `A cancelled caller is answered like any other`() async throws {
        try await withStore { store in
            let access = try await store.begin()
            let task = Task { try await store.validate(access)?.requestCount }
            task.cancel()
            #expect(try await task.value == 1)
        }
    }
}
