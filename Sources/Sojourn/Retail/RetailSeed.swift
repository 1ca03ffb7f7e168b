// SPDX-License-Identifier: Apache-2.0

/// Made-up users, products and orders to try things with. Each row follows from the seed, its kind and its number alone, and
/// holds no time of the day it was made on: the same seed gives the same rows, byte for byte, in whatever batches.
public struct RetailSeed: Sendable {
    /// What all follows from.
    public let seed: UInt64
    /// The language of most names; every fifth user and product has the other one's.
    public let locale: RetailLocale

    /// The first moment after which nothing was made.
    private static let end = Timestamp(seconds: 1_767_225_600)  // 2026-01-01T00:00:00Z

    /// Data of a seed.
    public init(_ seed: UInt64, locale: RetailLocale) {
        self.seed = seed
        self.locale = locale
    }

    /// The user with this number, from 0.
    public func user(_ number: Int) -> RetailUserDraft {
        var random = random(kind: 1, number)
        let words = words(&random)
        let gender = random.pick([RetailGender.female, .male])
        let given = random.pick(gender == .female ? words.women : words.men)
        let family = random.pick(words.families)
        let joined = Self.end - .seconds(random.below(5 * 365 * 86_400))
        var user = RetailUserDraft(
            id: UserID(stored: "user-" + Self.digits(number)),
            name: words.locale == .ko ? family + given : "\(given) \(family)")
        user.gender = gender
        user.age = 14 + random.below(66)
        user.address = random.pick(words.addresses)
        user.joinDate = CalendarDate(joined)
        user.createdAt = joined
        return user
    }

    /// The product with this number, from 0.
    public func product(_ number: Int) -> RetailProductDraft {
        var random = random(kind: 2, number)
        let words = words(&random)
        let place = random.below(words.categories.count)
        let full = (1 + random.below(200)) * 500
        let discount = random.below(2) == 0 ? 0 : 5 * (1 + random.below(8))
        var product = RetailProductDraft(
            id: "product-" + Self.digits(number),
            name: "\(random.pick(words.manners)) \(random.pick(words.things[place])) \(1 + random.below(900))",
            price: full * (100 - discount) / 100)
        product.category = words.categories[place]
        product.brand = random.pick(words.brands)
        product.orgPrice = full
        product.discountRate = discount
        product.stock = random.below(1000)
        product.createdAt = Self.end - .seconds(random.below(3 * 365 * 86_400))
        return product
    }

    /// The order with this number, from 0, of one of so many users and products.
    public func order(_ number: Int, users: Int, products: Int) -> RetailOrderDraft {
        var random = random(kind: 3, number)
        let placed = Self.end - .seconds(random.below(365 * 86_400))
        let id = OrderID(UUIDBytes(version7At: placed, bits: (random.next(), random.next())))
        var order = RetailOrderDraft(
            id: id, userID: UserID(stored: "user-" + Self.digits(random.below(users))),
            productID: "product-" + Self.digits(random.below(products)))
        order.quantity = 1 + random.below(5)
        order.shippingCost = random.pick([0, 2500, 3000])
        // Below the lowest price that there is.
        order.discountAmount = random.pick([0, 0, 0, 100, 200])
        order.paymentMethod = random.pick(["card", "transfer", "mobile", "points"])
        order.status = random.pick(["pending", "paid", "shipped", "delivered", "cancelled"])
        order.createdAt = placed
        return order
    }

    private func random(kind: UInt64, _ number: Int) -> SeededRandom {
        var first = SeededRandom(seed: seed)
        var second = SeededRandom(seed: first.next() ^ kind &* 0xD6E8_FEB8_6659_FD93)
        return SeededRandom(seed: second.next() &+ UInt64(number) &* 0xA076_1D64_78BD_642F)
    }

    private func words(_ random: inout SeededRandom) -> Words {
        random.below(5) == 0 ? (locale == .ko ? .english : .korean) : (locale == .ko ? .korean : .english)
    }

    /// Six digits or more, so that names sort by their numbers.
    private static func digits(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    }
}

/// The words that made-up rows of one language are put together from.
private struct Words {
    let locale: RetailLocale
    let families, women, men, addresses: [String]
    let manners, brands, categories: [String]
    /// By category.
    let things: [[String]]

    static let korean = Words(
        locale: .ko, families: ["김", "이", "박", "최", "정", "강", "조", "윤", "장", "임", "한", "오", "서", "신", "권"],
        women: ["서연", "민지", "지우", "수빈", "하은", "예린", "유진", "채원", "다은", "소연", "미영", "은정"],
        men: ["민준", "서준", "도윤", "지호", "준서", "현우", "지훈", "건우", "성민", "동현", "영호", "상철"],
        addresses: [
            "서울특별시 강남구 테헤란로 152", "서울특별시 마포구 월드컵북로 396", "부산광역시 해운대구 센텀중앙로 79",
            "대구광역시 수성구 달구벌대로 2450", "인천광역시 연수구 송도과학로 32", "광주광역시 서구 상무중앙로 61",
            "대전광역시 유성구 대학로 99", "울산광역시 남구 삼산로 261", "경기도 성남시 분당구 판교역로 235",
            "강원특별자치도 춘천시 중앙로 1", "전라남도 여수시 시청로 1", "제주특별자치도 제주시 첨단로 242",
        ],
        manners: ["유기농", "국내산", "프리미엄", "매일", "신선한", "알뜰"],
        brands: ["한살림터", "오늘장", "푸른들", "바다네", "다온", "새봄"],
        categories: ["채소", "과일", "정육", "수산", "유제품", "음료", "과자", "주방용품"],
        things: [
            ["배추", "두부", "콩나물", "시금치"], ["사과", "배", "감귤", "딸기"], ["삼겹살", "한우", "닭가슴살"],
            ["고등어", "오징어", "김"], ["우유", "요거트", "치즈"], ["보리차", "식혜", "커피"], ["약과", "쌀과자", "초콜릿"],
            ["냄비", "도마", "수저"],
        ])

    static let english = Words(
        locale: .en,
        families: [
            "Smith", "Jones", "Brown", "Taylor", "Wilson", "Evans", "Walker", "White", "Clark", "Hall", "Moore",
        ],
        women: ["Olivia", "Emma", "Amelia", "Grace", "Sophie", "Hannah", "Ruth", "Alice", "Nora", "Clara"],
        men: ["Liam", "Noah", "Oliver", "James", "Henry", "Samuel", "Daniel", "Thomas", "Peter", "Simon"],
        addresses: [
            "12 Teheran-ro, Gangnam-gu, Seoul 06236, South Korea", "1 Haeundae-ro, Busan 48094, South Korea",
            "500 Howard Street, San Francisco, CA 94105, USA", "30 Rockefeller Plaza, New York, NY 10112, USA",
            "1 Congress Avenue, Austin, TX 78701, USA", "10 Downing Street, London SW1A 2AA, UK",
            "4 Princes Street, Edinburgh EH2 2AN, UK",
        ],
        manners: ["Organic", "Local", "Premium", "Daily", "Fresh", "Budget"],
        brands: ["Greenfield", "Daymart", "Harbour", "Northway", "Daon", "Springtide"],
        categories: ["vegetables", "fruit", "meat", "seafood", "dairy", "drinks", "snacks", "kitchen"],
        things: [
            ["cabbage", "tofu", "spinach"], ["apples", "pears", "strawberries"], ["beef", "pork belly", "chicken"],
            ["mackerel", "squid"], ["milk", "yoghurt", "cheese"], ["barley tea", "coffee"],
            ["rice cakes", "chocolate"],
            ["pot", "cutting board", "spoons"],
        ])
}
