// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
@testable import SojournPostgres
import Testing

/// Retail as SQL and the planner see it.
@Suite("Retail in SQL", .onPostgres)
struct RetailSQLTests {
    /// 20,000 analysed users, 2,000 products and 50,000 orders of 50 users.
    private static let database = Task {
        let database = try await ScratchDatabase()
        try await database.run(
            """
            INSERT INTO sojourn.users (user_id, name, region, gender, age_group, last_cached_at)
            SELECT 'user-' || n, CASE WHEN n % 4 > 0 THEN 'Mina' END, 'Seoul', 'F', '20s',
                CASE WHEN n % 2 = 0 THEN now() - n * interval '1 second' END
            FROM generate_series(1, 20000) AS n
            """)
        try await database.run(
            """
            INSERT INTO sojourn.products (product_id, name, category, price, last_cached_at)
            SELECT 'product-' || n, 'Tofu', 'protein', n, CASE WHEN n % 2 = 0 THEN now() - n * interval '1 second' END
            FROM generate_series(1, 2000) AS n
            """)
        try await database.run(
            """
            INSERT INTO sojourn.orders (user_id, product_id, total_amount, created_at)
            SELECT 'user-' || n % 50 + 1, 'product-' || n % 2000 + 1, n, now() - n * interval '1 second'
            FROM generate_series(1, 50000) AS n
            """)
        for table in ["users", "products", "orders"] { try await database.run("ANALYZE sojourn.\(table)") }
        return database
    }

    /// The plan of a statement, as the store's connections make it, a line each.
    private func plan(_ sql: String, _ literals: [String] = []) async throws -> String {
        var sql = sql
        for (index, literal) in literals.enumerated().reversed() {
            sql = sql.replacing("$\(index + 1)", with: literal)
        }
        return try await Self.database.value.client.withTransaction { transaction in
            transaction.enqueue(PostgresCall(once: "SET LOCAL enable_seqscan = off"))
            return try await transaction.run(PostgresCall(once: "EXPLAIN \(sql)")).map { try $0.text(0) }
                .joined(separator: "\n")
        }
    }

    @Test(
        "rows to be cached are found by their index, in its order",
        arguments: [("users", RetailUser.aging), ("products", RetailProduct.aging)])
    func cached(table: String, statements: AgingStatements) async throws {
        for statement in [statements.neverCached, statements.cached] {
            let plan = try await plan(statement.sql, ["now()", "500"])
            #expect(plan.contains("\(table)_to_cache") && !plan.contains("Sort"), "\(plan)")
        }
    }

    @Test(
        "random rows are drawn by their places, without reading the table",
        arguments: [("users", RetailUser.aging), ("products", RetailProduct.aging)])
    func drawn(table: String, statements: AgingStatements) async throws {
        let plan = try await plan(statements.drawing.sql, ["3"])
        #expect(plan.contains("\(table)_by_arrival") && !plan.contains("Sort") && !plan.contains("Seq"), "\(plan)")
    }

    @Test("listings go by their keys, without sorting")
    func listings() async throws {
        for (sql, literals, index) in [
            (RetailUser.listing.sql, ["'user-5'", "51"], "users_pkey"),
            (RetailProduct.listing.sql, ["'product-5'", "51"], "products_pkey"),
            (RetailOrder.listing(ofUser: false, later: true).sql, ["51", "gen_random_uuid()"], "orders_pkey"),
            (RetailOrder.listing(ofUser: true, later: false).sql, ["51", "'user-7'"], "orders_by_user"),
            (
                RetailOrder.listing(ofUser: true, later: true).sql, ["51", "'user-7'", "now()", "gen_random_uuid()"],
                "orders_by_user"
            ),
        ] {
            let plan = try await plan(sql, literals)
            #expect(plan.contains(index) && !plan.contains("Sort"), "\(plan)")
        }
    }

    @Test("however many orders come, each looks its user and product up by key, and none is compared with all others")
    func insertion() async throws {
        let database = try await Self.database.value
        // The generic plan, which is what a prepared statement with any number of orders gets.
        let plan = try await database.client.withTransaction { transaction in
            for sql in [
                "SET LOCAL enable_seqscan = off", "SET LOCAL plan_cache_mode = force_generic_plan",
                """
                PREPARE place_orders (uuid[], text[], text[], int[], bigint[], bigint[], bigint[], text[], text[], timestamptz[])
                AS \(OrderInsertion.statement.sql)
                """,
            ] { _ = try await transaction.run(PostgresCall(once: sql)) }
            return try await transaction.run(
                PostgresCall(
                    once: "EXPLAIN EXECUTE place_orders ('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')")
            )
            .map { try $0.text(0) }.joined(separator: "\n")
        }
        for part in ["users_pkey", "products_pkey", "orders_pkey", "hashed SubPlan"] {
            #expect(plan.contains(part), "\(plan)")
        }
        #expect(!plan.contains("Seq Scan"), "\(plan)")
        // A condition that is checked for each pair would be a join filter.
        #expect(!plan.contains("Join Filter") && !plan.contains("Semi Join"), "\(plan)")
    }

    @Test("every change of what a cache serves raises the version, whoever makes it; stamps and epochs do not")
    func versions() async throws {
        let database = try await ScratchDatabase()
        try await database.run("INSERT INTO sojourn.users (user_id) VALUES ('u')")
        try await database.run("INSERT INTO sojourn.products (product_id, name, price) VALUES ('p', 'Tofu', 5)")
        func version(_ table: String) async throws -> Int? {
            try await database.run("SELECT version FROM sojourn.\(table)").first?.int(0)
        }
        for (table, change, expected) in [
            ("users", "name = 'Mina'", 2), ("users", "age = 5, region = 'x'", 3), ("users", "age = 5", 3),
            ("users", "last_cached_at = now()", 3), ("users", "epoch = epoch + 1", 3),
            ("users", "join_date = '2020-01-01'", 4),
            ("products", "price = 6", 2), ("products", "price = 6", 2), ("products", "last_cached_at = now()", 2),
            ("products", "stock = stock + 1", 3), ("products", "brand = 'x'", 4),
        ] {
            try await database.run("UPDATE sojourn.\(table) SET \(change)")
            #expect(try await version(table) == expected, "\(change)")
        }
    }

    @Test("a plain insert of an order without an amount is filled; applications may place orders and change nothing")
    func plainInserts() async throws {
        let database = try await ScratchDatabase()
        try await database.run(
            "INSERT INTO sojourn.users (user_id, name, region, gender, age_group) VALUES ('u', 'Mina', 'Seoul', 'F', '20s')"
        )
        try await database.run(
            "INSERT INTO sojourn.products (product_id, name, category, price) VALUES ('p', 'Tofu', 'protein', 5)")
        func asApplication(_ sql: String) async throws -> PostgresRows {
            try await database.client.withTransaction { transaction in
                transaction.enqueue(PostgresCall(once: "SET LOCAL ROLE sojourn_app"))
                return try await transaction.run(PostgresCall(once: sql))
            }
        }
        let row = try await asApplication(
            """
            INSERT INTO sojourn.orders (user_id, product_id, quantity, shipping_cost) VALUES ('u', 'p', 3, 2)
            RETURNING total_amount, category, user_region, user_gender, user_age_group
            """
        ).first
        #expect(try row?.int(0) == 17 && row?.text(1) == "protein" && row?.text(2) == "Seoul")
        #expect(try row?.text(3) == "F" && row?.text(4) == "20s")
        #expect(try await asApplication("SELECT * FROM sojourn.products").count == 1)
        for forbidden in [
            "UPDATE sojourn.orders SET status = 'paid'", "DELETE FROM sojourn.orders", "DELETE FROM sojourn.products",
            "INSERT INTO sojourn.products (name, price) VALUES ('x', 1)", "UPDATE sojourn.users SET name = 'x'",
        ] {
            let error = await #expect(throws: PostgresError.self) { _ = try await asApplication(forbidden) }
            #expect(error?.sqlState == "42501", "\(forbidden)")
        }
    }

    @Test(
        "the tables refuse what the façade would",
        arguments: [
            "INSERT INTO sojourn.products (name, price) VALUES ('x', -1)",
            "INSERT INTO sojourn.products (name, price, discount_rate) VALUES ('x', 1, 101)",
            "INSERT INTO sojourn.products (product_id, name, price) VALUES (repeat('x', 51), 'x', 1)",
            "INSERT INTO sojourn.orders (total_amount, quantity) VALUES (1, 0)",
            "INSERT INTO sojourn.orders (total_amount, status) VALUES (1, repeat('x', 31))",
        ])
    func refusals(sql: String) async throws {
        let error = await #expect(throws: PostgresError.self) { try await Self.database.value.run(sql) }
        #expect(error?.sqlState == "23514")
    }

    @Test("the integrity check knows the new tables")
    func integrity() async throws {
        let database = try await ScratchDatabase()
        let store = try database.store()
        defer { store.close() }
        let report = try await store.integrity()
        #expect(report.isGood)
        for column in ["user_id", "product_id"] {
            #expect(report.findings.contains { $0.check == "orphans in sojourn.orders.\(column)" })
        }
    }
}
