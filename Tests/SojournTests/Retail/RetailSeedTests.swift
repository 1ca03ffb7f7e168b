// SPDX-License-Identifier: Apache-2.0

import Sojourn
import Testing

/// Made-up rows are the same wherever they are made, and within every limit.
@Suite("The seed of retail") struct RetailSeedTests {
    @Test("the same seed makes the same rows, another one others", arguments: RetailLocale.allCases)
    func deterministic(locale: RetailLocale) {
        let (one, same, other) = (
            RetailSeed(5, locale: locale), RetailSeed(5, locale: locale), RetailSeed(6, locale: locale)
        )
        for number in [0, 1, 999, 4999] {
            #expect(one.user(number) == same.user(number))
            #expect(one.product(number) == same.product(number))
            #expect(one.order(number, users: 10, products: 10) == same.order(number, users: 10, products: 10))
            #expect(one.user(number).id == other.user(number).id)
        }
        #expect((0..<50).map(one.user) != (0..<50).map(other.user))
    }

    /// Written down once: a change of the generator would make other rows of old seeds.
    @Test("a seed's rows stay what they are from version to version")
    func written() {
        let user = RetailSeed(1, locale: .ko).user(0)
        #expect(user.id.text == "user-000000")
        #expect("\(user.name) \(user.age ?? 0) \(user.joinDate?.text ?? "")" == "James Smith 67 2024-03-28")
    }

    @Test(
        "every row is within the limits, and an order never comes out below nothing", arguments: RetailLocale.allCases)
    func valid(locale: RetailLocale) throws {
        let seed = RetailSeed(42, locale: locale)
        var ids: Set<OrderID> = []
        var foreign = 0
        for number in 0..<3000 {
            let user = seed.user(number)
            try user.check()
            #expect(user.derivedRegion != nil)
            let isKorean = user.name.unicodeScalars.contains { (0xAC00...0xD7A3).contains($0.value) }
            if isKorean != (locale == .ko) { foreign += 1 }
            let product = seed.product(number)
            try product.check()
            let order = seed.order(number, users: 50, products: 20)
            try order.check()
            #expect(product.price >= 200 && order.discountAmount <= 200)
            #expect(ids.insert(order.id).inserted)
        }
        #expect((300...900).contains(foreign), "about a fifth has names of the other language")
    }
}
