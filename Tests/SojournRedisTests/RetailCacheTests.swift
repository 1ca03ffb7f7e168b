// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import RedisDriver
import Sojourn
import SojournRedis
import Testing

/// Users and products in one server and in a cluster, where keys that are renamed have to share a slot.
@Suite("The cache of users and products", .timeLimit(.minutes(10)))
struct RetailCacheTests {
    @Test(
        "rows are published, drawn, copied, forgotten and dropped",
        arguments: ["", "_CLUSTER"])
    func lives(on kind: String) async throws {
        let prefix = "test:\(UUID())"
        let cache = RedisRetailCache(
            try RedisUnderTest.configuration(kind), prefix: prefix, answerMax: .seconds(60),
            logger: Logger(label: "test"))
        defer { cache.close() }
        let seed = RetailSeed(3, locale: .en)
        let at = Timestamp(seconds: 1_700_000_000)
        let rows = AgingRows(
            users: (0..<1200).map { number in
                let draft = seed.user(number)
                return RetailUser(
                    id: draft.id, name: draft.name, gender: draft.gender, age: draft.age, ageGroup: draft.ageGroup(.ko),
                    region: draft.derivedRegion, joinDate: CalendarDate(at), lastCachedAt: at, createdAt: at, version: 4
                )
            },
            products: (0..<7).map { number in
                let draft = seed.product(number)
                return RetailProduct(
                    id: draft.id, name: draft.name, category: draft.category, brand: draft.brand, price: draft.price,
                    orgPrice: number == 0 ? nil : draft.orgPrice, discountRate: 5, stock: 3, lastCachedAt: nil,
                    createdAt: at, version: 1)
            })
        #expect(try await cache.sample(users: 3, products: 3) == AgingRows())
        let ticket = try await cache.prepare(rows, life: .seconds(60))
        #expect(try await cache.sample(users: 3, products: 3) == AgingRows())
        try await cache.publish(ticket)
        await #expect(throws: SojournError.self) { try await cache.publish(ticket) }
        let drawn = try await cache.sample(users: 500, products: 500)
        #expect(drawn.users.count == 500 && drawn.products.count == 500)
        // As they were, to the last field.
        #expect(Set(drawn.users).isSubset(of: rows.users) && Set(drawn.products).isSubset(of: rows.products))
        try await cache.keep(rows.users, age: .zero)
        #expect(try await cache.copy(RetailUser.self, of: rows.users[1100].key) == rows.users[1100])
        try await cache.forget(.users, rows.users.map(\.key))
        #expect(try await cache.copy(RetailUser.self, of: rows.users[1100].key) == nil)
        try await cache.drop()
        #expect(try await cache.sample(users: 3, products: 3) == AgingRows())
    }
}
