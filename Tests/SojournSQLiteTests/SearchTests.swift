// SPDX-License-Identifier: Apache-2.0

import Foundation
import GRDB
import Sojourn
import Testing

@testable import SojournSQLite

/// How the index of the search is kept; the conformance suite has what it finds.
@Suite struct SearchTests {
    @Test func `The turns of an older file are indexed when it is opened`() async throws {
        try await withScratch { path in
            let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            // As it was before there was a search.
            let old = try DatabaseQueue(path: path)
            try Schema.migrator.migrate(old, upTo: "V004 graces")
            let session = fresh().id
            try await old.write { db in
                try db.insertSession(session)
                for number in 0..<250 { try db.insertTurn("turn \(number)", at: Int64(number), of: session) }
            }
            try old.close()
            let store = try SQLiteStore(path: path)
            #expect(try await store.search("TURN ", limit: 300).count == 250)
            #expect(try await store.search("turn 249") == ["turn 249"])
            #expect(try await store.integrity().isGood)
            try await store.close()
        }
    }

    @Test func `What was written by hand is indexed with the store's next commit`() async throws {
        try await withStore { store in
            let session = fresh().id
            try await store.pool.write { db in
                try db.insertSession(session)
                for text in ["kimchi", "tofu", "rice"] { try db.insertTurn(text, at: 1, of: session) }
            }
            #expect(try await store.search("kimchi") == [])
            #expect(try await !store.integrity().isGood)
            try await store.ping()
            #expect(try await store.search("kimchi") == ["kimchi"])
            try await store.pool.write { db in
                try db.run("UPDATE conversations SET response_text = 'Suppe' WHERE input_text = 'kimchi'")
                try db.run("UPDATE conversations SET input_text = 'natto' WHERE input_text = 'tofu'")
                try db.run("DELETE FROM conversations WHERE input_text = 'rice'")
            }
            try await store.ping()
            #expect(try await store.search("suppe") == ["kimchi"])
            #expect(try await store.search("natto") == ["natto"])
            for gone in ["tofu", "rice"] { #expect(try await store.search(gone) == []) }
            #expect(try await store.integrity().isGood)
        }
    }

    @Test func `A file that was packed anew is searched as before`() async throws {
        try await withStore { store in
            let (first, second) = (try await store.begin(), try await store.begin())
            for number in 0..<20 {
                _ = try await store.say("kimchi \(number)", to: number.isMultiple(of: 2) ? first : second)
            }
            _ = try await store.delete(first.id)
            try await store.pool.writeWithoutTransaction { db in try db.execute(sql: "VACUUM") }
            #expect(try await store.search("kimchi").count == 10)
            #expect(try await store.search("kimchi 17") == ["kimchi 17"])
            _ = try await store.delete(second.id)
            #expect(try await store.search("kimchi") == [])
            #expect(try await store.integrity().isGood)
        }
    }

    @Test func `What a job deleted before it failed is found again`() async throws {
        try await withStore { store in
            let session = try await store.begin()
            _ = try await store.say("kimchi", to: session)
            let failure = await code {
                try await store.write { db in
                    try db.run("DELETE FROM session_master")
                    throw SojournError.noSession()
                }
            }
            #expect(failure == .noSession)
            #expect(try await store.search("kimchi") == ["kimchi"])
            #expect(try await store.integrity().isGood)
        }
    }

    @Test func `Many turns of a quarter of an hour come in their order, page by page`() async throws {
        try await withStore { store in
            let session = try await store.begin()
            let quarter = Timestamp(seconds: 1_800_000_000)
            for number in (0..<60).shuffled() {
                _ = try await store.say(
                    "kimchi \(number)", to: session, at: quarter + .seconds(number / 7) + .microseconds(number))
            }
            var found: [String] = []
            var next: PageCursor?
            repeat {
                let page = try await store.history(
                    .conversations, of: .everybody, HistoryQuery(text: "kimchi"),
                    page: PageRequest(limit: 2, after: next))
                found += page.items.map(\.input)
                next = page.next
            } while next != nil && found.count < 100
            #expect(found == (0..<60).reversed().map { "kimchi \($0)" })
        }
    }

    @Test func `The integrity check sees what the search cannot find`() async throws {
        try await withStore { store in
            _ = try await store.say("kimchi", to: try await store.begin())
            _ = try await store.write { db in try db.run("UPDATE conversation_search SET rowid = 7") }
            let finding = try #require(try await store.integrity().findings.first { $0.check == "search" })
            #expect(!finding.isGood)
            #expect(finding.detail == "1 turns not indexed, 1 rows too many")
        }
    }
}

extension SQLiteStore {
    /// Appends a turn that says `text`.
    fileprivate func say(_ text: String, to session: SessionAccess, at time: Timestamp? = nil) async throws
        -> [JournalEntry]
    {
        let id = EntryID(UUIDBytes(version7At: time ?? clock.now, random: .system))
        let turn = NewEntry(id: id, at: time, body: .conversation(input: text, response: nil, extra: .empty))
        return try await append([turn], to: session, expectedTurns: nil, idempotency: nil)
    }

    /// What was said in everybody's turns in which a text stands.
    fileprivate func search(_ text: String, limit: Int = 100) async throws -> [String] {
        try await history(
            .conversations, of: .everybody, HistoryQuery(text: text), page: PageRequest(limit: limit)
        ).items.map(\.input)
    }
}

extension JournalEntry {
    /// What was said in a turn; empty for other kinds.
    fileprivate var input: String {
        guard case .conversation(let input, _, _) = body else { return "" }
        return input
    }
}

extension Database {
    /// A session as SQL would write it.
    fileprivate func insertSession(_ id: SessionID) throws {
        try run(
            """
            INSERT INTO session_master (
                session_id, last_activity, expires_at, session_start, session_type, renewal, ttl_seconds)
            VALUES (?, 0, 4000000000000000, 0, 'web', 'onWrite', 3600)
            """, [.id(id)])
    }

    /// A turn as SQL would write it.
    fileprivate func insertTurn(_ text: String, at second: Int64, of session: SessionID) throws {
        try run(
            """
            INSERT INTO conversations (id, session_id, conversation_time, seq, input_text)
            VALUES (randomblob(16), ?, ?, 1, ?)
            """, [.id(session), .integer(second * 1_000_000), .text(text)])
    }
}
