// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
import SojournPostgres
import Testing

/// Making the tables, and meeting tables of another version.
@Suite("The schema", .onPostgres)
struct SchemaTests {
    @Test("of many nodes that start at once, one makes the tables")
    func manyNodes() async throws {
        let database = try await ScratchDatabase(migrated: false)
        let made = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<8 {
                let store = try database.store()
                group.addTask {
                    defer { store.close() }
                    return try await store.migrate().count
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(made.count { $0 > 0 } == 1)
        let store = try database.store()
        defer { store.close() }
        try await store.checkTables()
        #expect(try await store.migrate() == [])
    }

    @Test("a database without tables is told apart from one that cannot be reached")
    func missing() async throws {
        let database = try await ScratchDatabase(migrated: false)
        let store = try database.store()
        defer { store.close() }
        let error = await #expect(throws: SojournError.self) { try await store.checkTables() }
        #expect(error?.code == .storeUnavailable)
        #expect(error?.message.contains("sojourn init") == true)
    }

    @Test("tables of a newer version are left alone")
    func newer() async throws {
        let database = try await ScratchDatabase()
        try await database.run("INSERT INTO sojourn.schema_migrations (name) VALUES ('V999_later')")
        let store = try database.store()
        defer { store.close() }
        let migrating = await #expect(throws: SojournError.self) { try await store.migrate() }
        #expect(migrating?.code == .storeDamaged)
        let checking = await #expect(throws: SojournError.self) { try await store.checkTables() }
        #expect(checking?.code == .storeDamaged)
    }

    @Test("tables of an older version are told to be updated")
    func older() async throws {
        let database = try await ScratchDatabase()
        try await database.run("DELETE FROM sojourn.schema_migrations WHERE name = 'V004_sql_api'")
        let store = try database.store()
        defer { store.close() }
        let error = await #expect(throws: SojournError.self) { try await store.checkTables() }
        #expect(error?.message.contains("older") == true)
    }

    @Test("with the search path set, SQL needs no schema's name")
    func searchPath() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        try await store.setSearchPath()
        let later = PostgresClient(try TestServer.configuration(database.name), logger: TestServer.logger)
        defer { later.close() }
        #expect(try await later.query(PostgresCall(once: "SELECT start_session()")).count == 1)
    }
}
