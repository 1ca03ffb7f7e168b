// SPDX-License-Identifier: Apache-2.0

import PostgresDriver
import Sojourn
@testable import SojournPostgres
import SojournTesting
import Testing

/// Users, products and orders in PostgreSQL (C1).
@Suite("Retail", .onPostgres)
struct RetailTests {
    /// A database of its own, its store, and retail over it.
    private func bench() async throws -> (database: ScratchDatabase, store: PostgresStore, retail: Retail) {
        let database = try await ScratchDatabase()
        let store = try database.store()
        return (database, store, try Sessions(store: store).retail)
    }

    private func user(_ id: String, age: Int? = 27, address: String? = "서울특별시 강남구") -> RetailUserDraft {
        var draft = RetailUserDraft(id: UserID(stored: id), name: "Mina")
        draft.gender = .female
        draft.age = age
        draft.address = address
        return draft
    }

    private func product(_ id: String, price: Int = 1000) -> RetailProductDraft {
        var draft = RetailProductDraft(id: id, name: "두부", price: price)
        draft.category = "채소"
        return draft
    }

    private func order(_ number: UInt64, _ user: String = "u", _ product: String = "p") -> RetailOrderDraft {
        RetailOrderDraft(
            id: OrderID(UUIDBytes(high: 9, low: number)), userID: UserID(stored: user), productID: product)
    }

    @Test("a user is created, read, changed and erased, and what is derived follows")
    func users() async throws {
        let (_, store, retail) = try await bench()
        defer { store.close() }
        let made = try await retail.createUser(user("u"))
        #expect(made.ageGroup == "20대" && made.region == "서울특별시" && made.version == 1 && made.lastCachedAt == nil)
        #expect(try await retail.user(made.id) == made)
        var patch = RetailUserPatch()
        patch.age = .set(31)
        patch.region = .set(nil)
        let changed = try #require(try await retail.updateUser(made.id, patch))
        #expect(changed.ageGroup == "30대" && changed.region == nil && changed.name == "Mina" && changed.version == 2)
        #expect(try await retail.updateUser(made.id, patch) == changed)
        #expect(try await retail.updateUser(UserID(stored: "nobody"), patch) == nil)
        let again = await #expect(throws: SojournError.self) { try await retail.createUser(user("u")) }
        #expect(again?.code == .alreadyExists && again?.field == "user_id")
        _ = try await store.erase(made.id)
        #expect(try await retail.user(made.id) == nil)
    }

    @Test("a stub is completed by create, once, and keeps its sessions")
    func stubs() async throws {
        let (_, store, retail) = try await bench()
        defer { store.close() }
        let sessions = Sessions(store: store)
        var draft = SessionDraft()
        draft.userID = UserID(stored: "u")
        let issued = try await sessions.create(draft)
        let stub = try #require(try await retail.user(UserID(stored: "u")))
        #expect(stub.name == nil && stub.version == 1)
        let results = try await retail.createUsers([user("u"), user("v"), user("u")])
        #expect(try results[0].get().joinDate == stub.joinDate && results[0].get().createdAt == stub.createdAt)
        #expect(try results[0].get().version == 2 && results[1].get().version == 1)
        #expect(throws: SojournError.self) { try results[2].get() }
        #expect(try await sessions.validate(issued.token) != nil)
    }

    @Test("putting rows adds and updates them, leaves what is left out, and changes nothing when repeated")
    func putting() async throws {
        let (_, store, retail) = try await bench()
        defer { store.close() }
        _ = try await retail.createUser(user("u"))
        _ = try await retail.createProduct(product("p"))
        var later = RetailUserDraft(id: UserID(stored: "u"), name: "Minji")
        later.joinDate = CalendarDate("2020-01-02")
        let users = [user("v"), later]
        #expect(try await retail.putUsers(users) == RetailPut(added: 1, updated: 1))
        #expect(try await retail.putUsers(users) == RetailPut(added: 0, updated: 0))
        let row = try #require(try await retail.user(later.id))
        #expect(row.name == "Minji" && row.age == 27 && row.region == "서울특별시" && row.joinDate.text == "2020-01-02")
        let products = [RetailProductDraft(id: "p", name: "Tofu", price: 900), product("q")]
        #expect(try await retail.putProducts(products) == RetailPut(added: 1, updated: 1))
        #expect(try await retail.putProducts(products) == RetailPut(added: 0, updated: 0))
        #expect(try await retail.product("p")?.category == "채소")
    }

    @Test("a product is created, changed and deleted; its orders stay without it")
    func products() async throws {
        let (_, store, retail) = try await bench()
        defer { store.close() }
        _ = try await retail.createUser(user("u"))
        var draft = product("p")
        draft.orgPrice = 1250
        let made = try await retail.createProduct(draft)
        #expect(made.discountRate == 20 && made.stock == 0 && made.version == 1)
        let results = try await retail.createProducts([product("q"), product("p"), product("q")])
        #expect(results.map { (try? $0.get()) != nil } == [true, false, false])
        var patch = RetailProductPatch()
        patch.orgPrice = .set(nil)
        patch.stock = .set(5)
        let changed = try #require(try await retail.updateProduct("p", patch))
        #expect(changed.orgPrice == nil && changed.stock == 5 && changed.price == 1000 && changed.version == 2)
        let placed = try await retail.createOrder(order(1))
        #expect(try await retail.deleteProduct("p"))
        #expect(try await retail.deleteProduct("p") == false)
        let left = try #require(try await retail.order(placed.order.id))
        #expect(left.productID == nil && left.category == "채소" && left.totalAmount == 1000)
    }

    @Test("an order is filled from its product and user, by one statement in one round trip")
    func filling() async throws {
        let (database, store, retail) = try await bench()
        defer { store.close() }
        _ = try await retail.createUsers([user("u"), user("v", age: nil, address: nil)])
        _ = try await retail.createProducts([product("p"), product("q", price: 250)])
        var first = order(1)
        first.quantity = 3
        first.discountAmount = 100
        first.shippingCost = 50
        first.createdAt = Timestamp(seconds: 1_700_000_000)
        var second = order(2, "v", "q")
        second.totalAmount = 7
        let drafts = [first, second]
        var statements: [PostgresStatement] = []
        let outcomes = try await database.client.withTransaction { transaction in
            try await OrderInsertion.outcomes(of: drafts) { call, _ in
                statements.append(call.statement)
                return try await transaction.run(call)
            }
        }
        #expect(outcomes == [.inserted, .inserted])
        #expect(statements == [OrderInsertion.statement])
        let one = try #require(try await retail.order(first.id))
        #expect(one.totalAmount == 3 * 1000 - 100 + 50 && one.category == "채소" && one.status == "pending")
        #expect(one.userRegion == "서울특별시" && one.userGender == "F" && one.userAgeGroup == "20대")
        #expect(one.createdAt == first.createdAt)
        let two = try #require(try await retail.order(second.id))
        #expect(two.totalAmount == 7 && two.userRegion == nil && two.userAgeGroup == nil && two.quantity == 1)
        // What they were filled from may change; they do not.
        var patch = RetailUserPatch()
        patch.age = .set(80)
        _ = try await retail.updateUser(UserID(stored: "u"), patch)
        #expect(try await retail.order(first.id) == one)
    }

    @Test("a batch of orders answers for each: unknown names, amounts, repeats and conflicts")
    func perElement() async throws {
        let (_, store, retail) = try await bench()
        defer { store.close() }
        _ = try await retail.createUser(user("u"))
        _ = try await retail.createProduct(product("p"))
        let known = order(1)
        #expect(try await retail.createOrder(known).wasPresent == false)
        var negative = order(4)
        negative.discountAmount = 1001
        var huge = order(5)
        huge.quantity = 1_000_000
        huge.shippingCost = RetailAmount.range.upperBound
        var other = known
        other.quantity = 2
        var paid = known
        paid.status = "paid"
        var twice = order(6)
        twice.quantity = 9
        let batch = [
            order(2, "nobody"), order(3, "u", "nothing"), negative, huge, known, other, paid, order(6), order(6), twice,
        ]
        let results = try await retail.createOrders(batch)
        let words = results.map { result in
            switch result {
            case .success(let placed): placed.wasPresent ? "present" : "new"
            case .failure(let error): "\(error.code) \(error.field ?? "")"
            }
        }
        #expect(
            words == [
                "invalidInput user_id", "invalidInput product_id", "invalidInput total_amount",
                "invalidInput total_amount", "present", "alreadyExists order_id", "present", "new", "present",
                "alreadyExists order_id",
            ])
        #expect(try await retail.orders().items.map(\.id) == [order(6).id, known.id])
        // A repeat is the order as it is by now.
        #expect(try results[6].get().order.status == "pending")
    }

    @Test("an order that stands in a batch many times is placed once; of those with one id the first that can be")
    func copies() async throws {
        let (database, store, retail) = try await bench()
        defer { store.close() }
        _ = try await retail.createUser(user("u"))
        _ = try await retail.createProduct(product("p"))
        let copies = Array(repeating: order(1), count: 50)
        let variants = (1...50).map { quantity in
            var variant = order(2, quantity < 3 ? "nobody" : "u")
            variant.quantity = quantity
            return variant
        }
        let outcomes = try await database.client.withTransaction { try await $0.insert(copies + variants) }
        #expect(outcomes.prefix(50).count { $0 == .inserted } == 1 && outcomes[0] == .inserted)
        #expect(outcomes.prefix(50).count { $0 == .present } == 49)
        #expect(outcomes.suffix(50).enumerated().filter { $1 == .inserted }.map(\.offset) == [2])
        #expect(try await retail.order(order(2).id)?.quantity == 3)
        #expect(try await database.run("SELECT count(*) FROM sojourn.orders").first?.int(0) == 2)
    }

    @Test("orders placed by many at once are placed once, whoever is first")
    func contention() async throws {
        let (database, store, retail) = try await bench()
        defer { store.close() }
        _ = try await retail.createUser(user("u"))
        _ = try await retail.createProduct(product("p"))
        let drafts = (0..<200).map { order(UInt64($0)) }
        let made = try await withThrowingTaskGroup(of: Int.self) { group in
            for turn in 0..<8 {
                group.addTask {
                    let mine = turn.isMultiple(of: 2) ? drafts : drafts.reversed()
                    return try await retail.createOrders(mine).count { try !$0.get().wasPresent }
                }
            }
            return try await group.reduce(0, +)
        }
        #expect(made == 200)
        #expect(try await database.run("SELECT count(*) FROM sojourn.orders").first?.int(0) == 200)
    }

    @Test("an order that somebody else is placing is waited for, and is theirs")
    func unseen() async throws {
        let (database, store, retail) = try await bench()
        defer { store.close() }
        _ = try await retail.createUser(user("u"))
        _ = try await retail.createProduct(product("p"))
        let draft = order(1)
        let mine = try await database.client.withTransaction { transaction in
            #expect(try await transaction.insert([draft]) == [.inserted])
            let mine = Task { try await retail.createOrder(draft) }
            while try await database.run("SELECT 1 FROM pg_locks WHERE NOT granted").isEmpty { await Task.yield() }
            return mine
        }
        #expect(try await mine.value.wasPresent)
    }

    @Test("an erasure keeps the user's orders without their user, and counts them")
    func erasure() async throws {
        let (_, store, retail) = try await bench()
        defer { store.close() }
        _ = try await retail.createUsers([user("u"), user("v")])
        _ = try await retail.createProduct(product("p"))
        _ = try await retail.createOrders([order(1), order(2), order(3, "v")])
        #expect(
            try await store.erase(UserID(stored: "u")) == ErasureReceipt(sessions: 0, items: 0, entries: [:], orders: 2)
        )
        let left = try #require(try await retail.order(order(1).id))
        #expect(left.userID == nil && left.userAgeGroup == "20대" && left.userRegion == "서울특별시")
        #expect(try await retail.order(order(3).id)?.userID == UserID(stored: "v"))
        // It is still recognised, though its user is gone.
        #expect(try await retail.createOrder(order(1)).wasPresent)
    }

    @Test("an order's status and payment change, and it can be deleted")
    func orderChanges() async throws {
        let (_, store, retail) = try await bench()
        defer { store.close() }
        _ = try await retail.createUser(user("u"))
        _ = try await retail.createProduct(product("p"))
        let id = try await retail.createOrder(order(1)).order.id
        var patch = RetailOrderPatch()
        patch.status = .set("paid")
        patch.paymentMethod = .set("card")
        let paid = try #require(try await retail.updateOrder(id, patch))
        #expect(paid.status == "paid" && paid.paymentMethod == "card" && paid.totalAmount == 1000)
        #expect(try await retail.deleteOrder(id))
        #expect(try await retail.deleteOrder(id) == false)
        #expect(try await retail.updateOrder(id, patch) == nil)
    }

    @Test("listings are walked to their end by keyset, each row once")
    func pages() async throws {
        let (_, store, retail) = try await bench()
        defer { store.close() }
        let seed = RetailSeed(3, locale: .ko)
        _ = try await retail.createUsers((0..<25).map(seed.user))
        _ = try await retail.createProducts((0..<25).map(seed.product))
        let drafts = (0..<60).map { seed.order($0, users: 2, products: 25) }
        _ = try await retail.createOrders(drafts)
        func walk<Row>(_ page: (PageRequest) async throws -> Page<Row>) async throws -> [Row] {
            var rows: [Row] = []
            var after: PageCursor?
            repeat {
                let next = try await page(PageRequest(limit: 7, after: after))
                #expect(next.items.count <= 7)
                rows += next.items
                after = next.next
            } while after != nil
            return rows
        }
        #expect(try await walk { try await retail.users($0) }.map(\.id) == (0..<25).map { seed.user($0).id })
        #expect(try await walk { try await retail.products($0) }.map(\.id) == (0..<25).map { seed.product($0).id })
        #expect(try await walk { try await retail.orders($0) }.map(\.id) == drafts.map(\.id).sorted(by: >))
        let first = seed.user(0).id
        let mine = drafts.filter { $0.userID == first }.sorted {
            ($0.createdAt ?? Timestamp(seconds: 0), $0.id) > ($1.createdAt ?? Timestamp(seconds: 0), $1.id)
        }
        #expect(try await walk { try await retail.orders(of: first, $0) }.map(\.id) == mine.map(\.id))
    }
}
