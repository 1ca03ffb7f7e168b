// SPDX-License-Identifier: Apache-2.0

import Sojourn
import Testing

/// What is derived of users, products and orders, and how their rows are read from JSON.
@Suite("The rules of retail") struct RetailRulesTests {
    @Test(
        "an age belongs to its decade, in the words of the locale",
        arguments: [
            (RetailLocale.ko, 0, "10세 미만"), (.ko, 9, "10세 미만"), (.ko, 10, "10대"), (.ko, 29, "20대"), (.ko, 99, "90대"),
            (.ko, 100, "100세 이상"), (.en, 9, "under 10"), (.en, 20, "20s"), (.en, 150, "100 and over"),
        ])
    func ageGroups(locale: RetailLocale, age: Int, group: String) {
        #expect(locale.ageGroup(of: age) == group)
    }

    @Test("of every age there is one group, which is its neighbour's but at a decade", arguments: RetailLocale.allCases)
    func ageGroupsAreDecades(locale: RetailLocale) {
        for age in 1...150 {
            let isSame = locale.ageGroup(of: age) == locale.ageGroup(of: age - 1)
            #expect(isSame == (!age.isMultiple(of: 10) || age > 100), "\(age)")
        }
        #expect(Set((0...150).map(locale.ageGroup)).count == 11)
    }

    @Test(
        "a region is the first administrative unit of an address",
        arguments: [
            ("서울특별시 강남구 테헤란로 152", "서울특별시"), ("06236 서울특별시 강남구", "서울특별시"), ("(06236) 서울 강남구", "서울"),
            ("대한민국 제주특별자치도 제주시", "제주특별자치도"), ("경기도", "경기도"),
            ("12 Main Street, Springfield, IL 62701, USA", "IL"), ("10 Downing Street, London SW1A 2AA, UK", "London"),
            ("Gangnam-gu, Seoul 06236", "Seoul"), ("1 Rue X, New South Wales, Australia", "Australia"),
            ("Seoul", "Seoul"),
            ("12 Main Street", nil), ("   ", nil), ("62701, 12345", nil), ("South Korea", nil),
        ])
    func regions(address: String, region: String?) {
        #expect(Region.of(address: address) == region)
    }

    @Test("whatever the address, a region is one that could be given instead of it")
    func regionsAreValid() {
        let pieces = [
            "서울특별시", "강남구", "12", "Main", ",", " ", "USA", "IL", "é", String(repeating: "가", count: 80), "한국", "👩‍👩‍👧", "-",
        ]
        var random = SeededRandom(seed: 7)
        for _ in 0..<5000 {
            let address = (0...random.below(8)).map { _ in random.pick(pieces) }.joined(
                separator: random.pick(["", " "]))
            guard let region = Region.of(address: address) else { continue }
            #expect(Limits.isName(region, lengthMax: Region.lengthMax), "\(address)")
            #expect(address.contains { !$0.isNumber }, "\(address)")
        }
    }

    @Test(
        "a discount follows from the prices where it is not given",
        arguments: [(800, 1000, 20), (999, 1000, 0), (1200, 1000, 0), (0, 1000, 100)])
    func discounts(price: Int, orgPrice: Int, rate: Int) {
        var draft = RetailProductDraft(name: "x", price: price)
        #expect(draft.derivedDiscountRate == nil)
        draft.orgPrice = orgPrice
        #expect(draft.derivedDiscountRate == rate)
        draft.discountRate = 7
        #expect(draft.derivedDiscountRate == 7)
    }

    @Test(
        "what is wrong with a row is named",
        arguments: [
            (#"{}"#, "name"), (#"{"name":1}"#, "name"), (#"{"name":""}"#, "name"), (#"{"name":"a\u0007"}"#, "name"),
            (#"{"name":"a","age":151}"#, "age"), (#"{"name":"a","age":1.5}"#, "age"),
            (#"{"name":"a","gender":"X"}"#, "gender"),
            (#"{"name":"a","address":"서울","region":"서울"}"#, "region"),
            (#"{"name":"a","join_date":"2026-02-30"}"#, "join_date"),
            (#"{"name":"a","user_id":""}"#, "user_id"), (#"{"name":"a","nick":"b"}"#, "nick"),
            (#"{"name":"a","created_at":"yesterday"}"#, "created_at"),
        ])
    func faults(json: String, field: String) throws {
        let error = #expect(throws: SojournError.self) {
            try RetailUserDraft(json: try members(json), place: "[2].").check(place: "[2].")
        }
        #expect(error?.code == .invalidInput && error?.field == "[2].\(field)")
    }

    @Test(
        "an order's numbers are held to their bounds",
        arguments: [
            ("quantity", 0), ("quantity", 1_000_001), ("total_amount", -1), ("shipping_cost", 1_000_000_000_001),
            ("discount_amount", -1),
        ])
    func orderFaults(field: String, number: Int64) throws {
        let json: [String: JSONValue] = ["user_id": .string("u"), "product_id": .string("p"), field: .integer(number)]
        let error = #expect(throws: SojournError.self) { try RetailOrderDraft(json: json).check() }
        #expect(error?.field == field)
    }

    @Test("a patch leaves what is absent, clears what is null, and derives what follows")
    func patches() throws {
        let patch = try RetailUserPatch(json: try members(#"{"age":31,"address":null,"gender":null}"#))
        #expect(patch.name == .keep && patch.gender == .set(nil) && patch.age == .set(31))
        #expect(patch.ageGroup(.ko) == .set("30대") && patch.derivedRegion == .set(nil) && patch.joinDate == .keep)
        #expect(throws: SojournError.self) { _ = try RetailUserPatch(json: ["name": .null]) }
        #expect(throws: SojournError.self) {
            try RetailUserPatch(json: ["address": .null, "region": .null]).check()
        }
        #expect(try RetailProductPatch(json: [:]) == RetailProductPatch())
    }

    @Test("what a row shows can be read again")
    func rowsAreRead() throws {
        let user = RetailUser(
            id: UserID(stored: "u"), name: "Mina", gender: .female, age: 27, ageGroup: "20대", region: "서울특별시",
            joinDate: CalendarDate(stored: "2024-02-29"), lastCachedAt: nil, createdAt: Timestamp(seconds: 1),
            version: 3)
        var members = try members(user.json.text)
        for derived in ["age_group", "last_cached_at", "version"] { members[derived] = nil }
        let draft = try RetailUserDraft(json: members)
        #expect(draft.id == user.id && draft.name == user.name && draft.gender == user.gender && draft.age == user.age)
        #expect(draft.region == user.region && draft.joinDate == user.joinDate && draft.createdAt == user.createdAt)
    }

    private func members(_ json: String) throws -> [String: JSONValue] {
        guard case .object(let members) = try JSONValue(parsing: json.utf8) else { return [:] }
        return members
    }
}
