// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import RedisDriver
import Sojourn
import SojournPostgres
import SojournRedis
import Testing

/// Readers of users and products by Redis, and by PostgreSQL where Redis has nothing to say (C4).
@Suite(
    "Readers of cached rows", .onPostgres, .enabled(if: agingRedisURL != nil, "needs Redis as well"),
    .timeLimit(.minutes(20)))
struct RedisReaderTests {
    private func user(_ id: String, version: Int) -> RetailUser {
        RetailUser(
            id: UserID(stored: id), name: "v\(version)", gender: .male, age: nil, ageGroup: nil, region: nil,
            joinDate: CalendarDate(stored: "2026-01-02"), lastCachedAt: nil, createdAt: Timestamp(seconds: 5),
            version: version)
    }

    @Test("random rows come from the rotation, as many as were asked for, though the tables are empty by then")
    func random() async throws {
        try await AgingBench.run(users: 300, products: 20) { bench in
            try await bench.cycle(try bench.worker())
            try await bench.database.run("DELETE FROM sojourn.users")
            try await bench.database.run("DELETE FROM sojourn.products")
            let rows = try await bench.reader.sample(users: 400, products: 150)
            #expect(rows.users.count == 400 && rows.products.count == 150)
            #expect(Set(rows.users.map(\.id)).count > 100 && Set(rows.products.map(\.id)).count > 10)
            let rotation = try await bench.rotation()
            #expect(rows.users.allSatisfy { rotation[$0.id.text] == $0.json })
            #expect(try await bench.reader.randomUser() != nil)
            #expect(try await bench.reader.randomProduct() != nil)
            #expect(await bench.reader.isCacheUp())
        }
    }

    @Test("without a rotation the database draws: no stubs, and across gaps")
    func drawn() async throws {
        try await AgingBench.run(users: 200, products: 5) { bench in
            try await bench.database.run(
                "INSERT INTO sojourn.users (user_id) SELECT 's-' || n FROM generate_series(1, 99) AS n")
            try await bench.database.run(
                "DELETE FROM sojourn.users WHERE user_id BETWEEN 'user-000020' AND 'user-000179'")
            let rows = try await bench.reader.sample(users: 1000, products: 7)
            #expect(rows.users.count == 1000 && rows.products.count == 7)
            // Forty are left; that ten of them are never drawn does not happen.
            #expect((31...40).contains(Set(rows.users.map(\.id)).count) && rows.users.allSatisfy { $0.name != nil })
            let refused = await #expect(throws: SojournError.self) {
                try await bench.reader.sample(users: 1001, products: 0)
            }
            #expect(refused?.code == .invalidInput && refused?.field == "users")
        }
    }

    @Test("where Redis is not there, the database answers everything, and changes are made")
    func withoutRedis() async throws {
        try await AgingBench.run(users: 3, products: 3) { bench in
            let nowhere = RedisRetailCache(
                RedisConfiguration(hosts: [RedisConfiguration.Host("127.0.0.1", port: 1)]), logger: TestServer.logger)
            defer { nowhere.close() }
            let sessions = Sessions(store: bench.store, retailCache: nowhere)
            let reader = try RetailReader(sessions: sessions, logger: TestServer.logger)
            #expect(await reader.isCacheUp() == false)
            for _ in 0..<5 {
                #expect(try await reader.sample(users: 4, products: 4).users.count == 4)
                #expect(try await reader.user(UserID(stored: "user-000001"))?.version == 1)
            }
            #expect(try await sessions.retail.deleteProduct("product-000001"))
            #expect(try await reader.product("product-000001") == nil)
            await #expect(throws: SojournError.self) { try await bench.worker(cache: nowhere).cycle() }
            #expect(try await bench.stamped() == 0)
            #expect(try await bench.number("SELECT cycle FROM sojourn.aging") == 0)
        }
    }

    @Test("a row by id is answered by its copy; a change through us is seen at once, one by SQL when the copy is over")
    func byID() async throws {
        try await AgingBench.run(users: 2, products: 2) { bench in
            let id = UserID(stored: "user-000001")
            let row = try #require(try await bench.reader.user(id))
            try await bench.database.run("UPDATE sojourn.users SET age = 77 WHERE user_id = '\(id.text)'")
            #expect(try await bench.reader.user(id)?.json == row.json)
            var patch = RetailUserPatch()
            patch.name = .set("Other")
            _ = try await bench.retail.updateUser(id, patch)
            let changed = try #require(try await bench.reader.user(id))
            #expect(changed.name == "Other" && changed.age == 77 && changed.version == 3)
            _ = try await bench.reader.product("product-000001")
            var put = RetailProductDraft(id: "product-000001", name: "Put", price: 7)
            put.stock = 3
            _ = try await bench.retail.putProducts([put])
            #expect(try await bench.reader.product("product-000001")?.stock == 3)
            _ = try await bench.reader.product("product-000000")
            #expect(try await bench.retail.deleteProduct("product-000000"))
            #expect(try await bench.reader.product("product-000000") == nil)
            _ = try await bench.sessions.erase(id)
            #expect(try await bench.reader.user(id) == nil)
        }
    }

    @Test("an item of the catalogue is copied by its id, until it is changed through us; a random one is drawn")
    func items() async throws {
        try await AgingBench.run { bench in
            #expect(try await bench.reader.item(1) == nil)
            #expect(try await bench.reader.randomItem() == nil)
            try await bench.database.run(
                "INSERT INTO sojourn.items (item_id, name, category) VALUES (1, 'Tofu', 'soy'), (2, '김치', NULL)")
            let kimchi = Item(id: 2, name: "김치", category: nil)
            #expect(try await bench.reader.item(2) == kimchi)
            let copy = try await bench.cache.copy(CachedItem.self, of: "2")
            #expect(copy == CachedItem(item: kimchi, version: 1))
            try await bench.database.run("UPDATE sojourn.items SET category = 'side' WHERE item_id = 2")
            #expect(try await bench.reader.item(2) == kimchi)
            let changed = Item(id: 2, name: "Kimchi", category: "side")
            _ = try await bench.sessions.put([changed])
            #expect(try await bench.reader.item(2) == changed)
            #expect(try await bench.number("SELECT version FROM sojourn.items WHERE item_id = 2") == 3)
            var drawn: Set<ItemID?> = []
            for _ in 0..<60 { drawn.insert(try await bench.reader.randomItem()?.id) }
            #expect(drawn == [1, 2])
        }
    }

    @Test("a stale copy loses: against a newer version, and against a change, whichever comes first")
    func staleFills() async throws {
        try await AgingBench.run { bench in
            let cache = bench.cache
            try await cache.keep([user("u", version: 2)], age: .zero)
            try await cache.keep([user("u", version: 1)], age: .zero)
            #expect(try await cache.copy(RetailUser.self, of: "u") == user("u", version: 2))
            try await cache.keep([user("u", version: 3)], age: .zero)
            #expect(try await cache.copy(RetailUser.self, of: "u")?.version == 3)
            try await cache.forget(.users, ["u"])
            #expect(try await cache.copy(RetailUser.self, of: "u") == nil)
            try await cache.keep([user("u", version: 3)], age: .zero)
            #expect(try await cache.copy(RetailUser.self, of: "u") == nil)
            #expect(try await cache.copy(RetailProduct.self, of: "u") == nil)
        }
    }

    @Test("copies are bounded in number and in time; stubs are not copied")
    func bounds() async throws {
        try await AgingBench.run(copiesMax: 10) { bench in
            try await bench.cache.keep((0..<30).map { user("u\($0)", version: 1) }, age: .zero)
            let keys = try await bench.keys()
            #expect(keys.count == 2)
            for key in keys {
                let size = RedisCommand(key.hasSuffix("until") ? "ZCARD" : "HLEN", key: key)
                #expect(try await bench.redis.send(size).int() == 10)
                let life = try await bench.redis.send(RedisCommand("PTTL", key: key)).int()
                #expect((1...60_000).contains(life))
            }
            try await bench.cache.drop()
            try await bench.cache.keep([user("late", version: 1)], age: RowCopies.life)
            #expect(try await bench.cache.copy(RetailUser.self, of: "late") == nil)
            try await bench.database.run("INSERT INTO sojourn.users (user_id) VALUES ('stub')")
            #expect(try await bench.reader.user(UserID(stored: "stub"))?.name == nil)
            #expect(try await bench.keys().isEmpty)
        }
    }
}
