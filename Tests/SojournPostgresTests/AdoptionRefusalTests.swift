// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournPostgres
import Synchronization
import Testing

/// What cannot be adopted as it is, and what is said about it.
@Suite("Adoption refused", .onPostgres)
struct AdoptionRefusalTests {
    /// What a survey of `chat.turns` says, once these statements have made it.
    private func refusal(_ statements: [String], of table: String = "chat.turns") async throws -> String {
        let database = try await ScratchDatabase()
        try await database.run("CREATE SCHEMA chat")
        for statement in statements { try await database.run(statement) }
        let store = try database.store()
        defer { store.close() }
        let error = await #expect(throws: SojournError.self) {
            try await store.survey(AdoptionOrder(.conversations, from: table, sessionType: .chat))
        }
        #expect(error?.code == .invalidInput)
        #expect(try await store.adoptions().isEmpty)
        return error?.message ?? ""
    }

    @Test(
        "a table that is none, or not ours to change, is named",
        arguments: [
            ("chat.turns", "no table chat.turns"), ("nowhere.turns", "no table nowhere.turns"),
            ("a.b.c.d", "schema.table"), ("", "schema.table"), ("chat.", "schema.table"),
            ("sojourn.session_items", "Sojourn's"), ("pg_catalog.pg_class", "PostgreSQL's own"),
            ("chat.seen", "views"), ("chat.family", "inherit"),
        ])
    func tables(_ table: String, _ told: String) async throws {
        let statements = [
            "CREATE VIEW chat.seen AS SELECT 1", "CREATE TABLE chat.family (session_id uuid)",
            "CREATE TABLE chat.child () INHERITS (chat.family)",
        ]
        let message = try await refusal(statements, of: table)
        #expect(message.contains(told), "\(message)")
    }

    @Test(
        "a column that is not there, or of another type, is named with what was expected",
        arguments: [
            ("id uuid", "a column session_id of type uuid was expected; there is none"),
            ("session_id bigint", "session_id of type uuid was expected; it is bigint"),
            ("session_id uuid, created_at timestamptz", "conversation_time of type timestamptz or timestamp"),
            ("session_id uuid, conversation_time date", "it is date"),
            ("session_id uuid, conversation_time timestamp, user_id jsonb", "user_id of type text, bigint or uuid"),
            (
                "session_id uuid REFERENCES sojourn.session_master, conversation_time timestamp",
                "turns_session_id_fkey to sojourn.session_master without ON DELETE CASCADE"
            ),
        ])
    func columns(_ columns: String, _ told: String) async throws {
        let message = try await refusal(["CREATE TABLE chat.turns (\(columns))"])
        #expect(message.contains(told), "\(message)")
        #expect(message.contains("chat.turns"))
    }

    @Test(
        "rows of which no session can be made are counted",
        arguments: [
            ("uuid", "(NULL, 'u', now()), (NULL, 'u', now())", "2 rows without a session_id"),
            ("text", "(NULL, 'u', now())", "1 row without a session_id"),
            ("uuid", "(gen_random_uuid(), 'u', NULL)", "1 row without a finite conversation_time"),
            ("uuid", "(gen_random_uuid(), 'u', '-infinity')", "1 row without a finite conversation_time"),
            ("uuid", "(gen_random_uuid(), repeat('u', 51), now())", "1 row whose user_id has more than 50"),
            ("uuid", "(gen_random_uuid(), E'u\\n', now())", "a control character"),
            (
                "text",
                "('b', 'u', now()), ('a', 'u', now()), ('a', 'u', now()), (gen_random_uuid()::text, 'u', now())",
                "3 rows whose session_id is no UUID, such as 'a', 'b'"
            ),
        ])
    func rows(_ type: String, _ values: String, _ told: String) async throws {
        let message = try await refusal([
            "CREATE TABLE chat.turns (session_id \(type), user_id text, conversation_time timestamptz)",
            "INSERT INTO chat.turns VALUES \(values)",
        ])
        #expect(message.contains(told), "\(message)")
    }

    @Test("text session ids that are UUIDs: the statement that converts them is told, and it does")
    func textual() async throws {
        let database = try await ScratchDatabase()
        try await database.run("CREATE TABLE turns (session_id varchar(40), conversation_time timestamptz)")
        try await database.run(
            """
            INSERT INTO turns VALUES (gen_random_uuid(), now()), (upper(gen_random_uuid()::text), now()),
                (replace(gen_random_uuid()::text, '-', ''), now())
            """)
        let store = try database.store()
        defer { store.close() }
        let order = AdoptionOrder(.conversations, from: "turns", sessionType: .chat)
        let error = await #expect(throws: SojournError.self) { try await store.survey(order) }
        let statement = try #require(error?.message.split(separator: "\n").last)
        #expect(statement == "ALTER TABLE public.turns ALTER COLUMN session_id TYPE uuid USING session_id::uuid;")
        try await database.run(String(statement))
        #expect(try await store.adopt(try await store.survey(order), batch: 1) { _ in }.made == 3)
        #expect(try await store.integrity().isGood)
    }

    @Test("a table of another role is refused before anything is done")
    func otherOwner() async throws {
        let database = try await ScratchDatabase()
        let role = "adopter_\(database.name)"
        try await database.run("CREATE ROLE \(role) LOGIN")
        try await database.run("CREATE TABLE turns (session_id uuid, conversation_time timestamptz)")
        try await database.run("GRANT USAGE ON SCHEMA sojourn TO \(role)")
        var configuration = try TestServer.configuration(database.name)
        configuration.user = role
        let store = PostgresStore(configuration, logger: TestServer.logger)
        defer { store.close() }
        let error = await #expect(throws: SojournError.self) {
            try await store.survey(AdoptionOrder(.conversations, from: "turns", sessionType: .chat))
        }
        #expect(error?.message == "public.turns belongs to another role: connect as its owner.")
    }
}

/// The steps that an adoption told of.
final class Steps: Sendable {
    private let told = Mutex<[AdoptionStep]>([])

    /// All so far.
    var all: [AdoptionStep] { told.withLock { $0 } }

    /// Adds one.
    func note(_ step: AdoptionStep) { told.withLock { $0.append(step) } }
}
