// SPDX-License-Identifier: Apache-2.0

internal import Sojourn
internal import Testing

/// Examples of the catalogue and of what sessions hold (I1–I4).
enum ItemsSuite {
    /// All examples of items.
    static let cases = catalogue + holding + keeping

    /// The catalogue.
    private static let catalogue: [ConformanceCase] = [
        example("Items: writing the catalogue counts new and changed rows; of one id the last counts") { bench in
            let salt = Item(id: 1, name: "Salt", category: "spice")
            let first = try await bench.items.put([Item(id: 1, name: "Slat", category: nil), salt, pepper])
            #expect(first == ItemsPut(added: 2, updated: 0))
            let second = try await bench.items.put([salt, Item(id: 2, name: "Pepper", category: "spice")])
            #expect(second == ItemsPut(added: 0, updated: 1))
            let all = try await bench.items.items(prefix: "", page: PageRequest())
            #expect(all.items == [Item(id: 2, name: "Pepper", category: "spice"), salt])
            #expect(try await bench.items.put([]) == ItemsPut(added: 0, updated: 0))
        },
        example("Items: the smallest and the largest id are kept exactly") { bench in
            let items = [Item.ids.lowerBound, Item.ids.upperBound].map { Item(id: $0, name: "n", category: nil) }
            _ = try await bench.items.put(items)
            #expect(try await bench.items.items(prefix: "n", page: PageRequest()).items == items)
        },
        example("Items: a search by prefix ignores letter case and takes no character for a pattern") { bench in
            let names = ["Äpfel", "apple", "APRICOT", "a%b", "a_b", "axb", "Banana", "a\u{0308}rger", "[a]", "a*"]
            _ = try await bench.items.put(
                names.enumerated().map { Item(id: ItemID($0.offset + 1), name: $0.element, category: nil) })
            let wanted = [
                "AP": ["apple", "APRICOT"], "ä": ["Äpfel", "a\u{0308}rger"], "a%": ["a%b"], "a_": ["a_b"],
                "a*": ["a*"], "[": ["[a]"], "apple pie": [], "zz": [],
            ]
            for (prefix, names) in wanted {
                let found = try await bench.items.items(prefix: prefix, page: PageRequest())
                #expect(found.items.map(\.name) == names, "\(prefix)")
            }
        },
        example("Items: pages follow name and id without gap or repeat") { bench in
            let names = ["b", "B", "a", "ab", "b", "c"]
            _ = try await bench.items.put(
                names.enumerated().map { Item(id: ItemID(10 - $0.offset), name: $0.element, category: nil) })
            var seen: [ItemID] = []
            var next: PageCursor?
            repeat {
                let page = try await bench.items.items(prefix: "", page: PageRequest(limit: 2, after: next))
                seen += page.items.map(\.id)
                next = page.next
            } while next != nil && seen.count < 20
            #expect(seen == [8, 7, 6, 9, 10, 5])
        },
    ]

    /// Adding, listing, removing.
    private static let holding: [ConformanceCase] = [
        example("Items: an add tells what is new and what was there, each id once, in the order asked (I2)") {
            bench in
            let visitor = try await bench.shopper()
            _ = try await bench.items.add([3, 1], to: visitor.access, holdMax: 10)
            let added = try await bench.items.add([5, 3, 2, 5, 1, 2], to: visitor.access, holdMax: 10)
            #expect(added == ItemsAdded(added: [5, 2], alreadyPresent: [3, 1]))
            #expect(try await bench.heldIDs(visitor) == [5, 3, 2, 1])
        },
        example("Items: unknown ids are named, all of them, and nothing is stored by half (I2, law 6)") { bench in
            let visitor = try await bench.shopper()
            bench.clock.advance(by: .hours(2))
            let error = await bench.refuses(.unknownItems) {
                try await bench.items.add([2, 99, 1, 77, 99], to: visitor.access, holdMax: 10)
            }
            #expect(error?.details["unknown_ids"] == .array([.integer(99), .integer(77)]))
            #expect(try await bench.heldIDs(visitor).isEmpty)
            #expect(try await bench.read(visitor)?.session == visitor.session)
        },
        example("Items: a session may hold up to the limit; past it nothing is stored") { bench in
            let visitor = try await bench.shopper()
            _ = try await bench.items.add([1, 2, 3], to: visitor.access, holdMax: 3)
            _ = try await bench.items.add([3, 2, 1], to: visitor.access, holdMax: 3)
            await bench.refuses(.limitReached) {
                try await bench.items.add([1, 4], to: visitor.access, holdMax: 3)
            }
            #expect(try await bench.heldIDs(visitor) == [3, 2, 1])
        },
        example("Items: newest first, then by id downwards, with the catalogue row as it is now (I2)") { bench in
            let visitor = try await bench.shopper()
            _ = try await bench.items.add([2, 4], to: visitor.access, holdMax: 10)
            bench.clock.advance(by: .seconds(1))
            _ = try await bench.items.add([3, 2], to: visitor.access, holdMax: 10)
            let renamed = Item(id: 4, name: "Renamed", category: "new")
            _ = try await bench.items.put([renamed])
            let held = try await bench.items.held(by: visitor.access)
            #expect(held.map(\.item.id) == [3, 4, 2] && held[1].item == renamed)
            let start = visitor.session.createdAt
            #expect(held.map(\.addedAt) == [start + .seconds(1), start, start])
        },
        example("Items: a removal counts what was held, and nil clears") { bench in
            let visitor = try await bench.shopper()
            _ = try await bench.items.add([1, 2, 3, 4], to: visitor.access, holdMax: 10)
            #expect(try await bench.items.remove([1, 1, 5, 99], from: visitor.access) == 1)
            #expect(try await bench.heldIDs(visitor) == [4, 3, 2])
            #expect(try await bench.items.remove([], from: visitor.access) == 0)
            #expect(try await bench.items.remove(nil, from: visitor.access) == 3)
            #expect(try await bench.items.remove(nil, from: visitor.trusted) == 0)
            #expect(try await bench.heldIDs(visitor).isEmpty)
        },
        example("Items: sessions hold the same item each on its own (I3)") { bench in
            let (one, two) = (try await bench.shopper(), try await bench.create())
            _ = try await bench.items.add([1, 2], to: one.access, holdMax: 10)
            #expect(try await bench.items.add([1], to: two.access, holdMax: 10).added == [1])
            _ = try await bench.items.remove(nil, from: one.access)
            #expect(try await bench.heldIDs(two) == [1])
        },
        example("Items: of 16 adds of one item at once one adds it") { bench in
            let visitor = try await bench.shopper()
            let answers = try await bench.atOnce(16) { _ in
                try await bench.items.add([1], to: visitor.access, holdMax: 10)
            }
            #expect(answers.count { $0.added == [1] } == 1)
            #expect(answers.count { $0.alreadyPresent == [1] } == 15)
        },
        example("Items: adds at once never pass the limit") { bench in
            let visitor = try await bench.create()
            _ = try await bench.items.put((1...40).map { Item(id: $0, name: "\($0)", category: nil) })
            let answers = try await bench.atOnce(40, orRefused: .limitReached) { number in
                try await bench.items.add([ItemID(number + 1)], to: visitor.access, holdMax: 25)
            }
            #expect(answers.compactMap(\.self).count == 25)
            #expect(try await bench.heldIDs(visitor).count == 25)
        },
    ]

    /// How items and the session's life hang together.
    private static let keeping: [ConformanceCase] = [
        example("Items: adding renews the life unless it is fixed; removing and reading do not (S4)") { bench in
            for renewal in Renewal.allCases {
                let visitor = try await bench.shopper(SessionPolicy(life: .hours(1), renewal: renewal))
                bench.clock.advance(by: .minutes(30))
                _ = try await bench.items.held(by: visitor.access)
                _ = try await bench.items.remove(nil, from: visitor.access)
                #expect(try await bench.read(visitor)?.session.expiresAt == visitor.session.expiresAt)
                _ = try await bench.items.add([1], to: visitor.access, holdMax: 10)
                var expected = visitor.session
                expected.lastActivity = bench.clock.now
                if renewal != .fixed { expected.expiresAt = bench.clock.now + .hours(1) }
                #expect(try await bench.read(visitor)?.session == expected)
            }
        },
        example("Items: a dead session takes none and gives none to its owner") { bench in
            let (ended, expired) = (try await bench.shopper(), try await bench.shopper(SessionPolicy(life: .hours(1))))
            for visitor in [ended, expired] { _ = try await bench.items.add([1], to: visitor.access, holdMax: 10) }
            _ = try await bench.store.end([ended.trusted])
            bench.clock.advance(by: .hours(1))
            for visitor in [ended, expired] {
                for access in [visitor.access, visitor.trusted] {
                    await bench.refuses(.noSession) { try await bench.items.add([2], to: access, holdMax: 10) }
                    await bench.refuses(.noSession) { try await bench.items.remove(nil, from: access) }
                    #expect(try await bench.items.validateWithItems(access) == nil)
                }
                await bench.refuses(.noSession) { try await bench.items.held(by: visitor.access) }
            }
            await bench.refuses(.noSession) {
                try await bench.items.held(by: .trusted(bench.sessionID(), as: .service))
            }
        },
        example("Items: what an ended session held is readable by trust", needs: .history) { bench in
            let visitor = try await bench.shopper()
            _ = try await bench.items.add([1, 2], to: visitor.access, holdMax: 10)
            _ = try await bench.store.end([visitor.access])
            #expect(try await bench.items.held(by: visitor.trusted).map(\.item.id) == [2, 1])
        },
        example("Items: gone with the session (I3, law 5)") { bench in
            let visitor = try await bench.shopper()
            _ = try await bench.items.add([1, 2], to: visitor.access, holdMax: 10)
            _ = try await bench.store.delete(visitor.id)
            await bench.refuses(.noSession) { try await bench.items.held(by: visitor.trusted) }
            #expect(try await bench.store.statistics().items == 0)
            let again = try await bench.create(NewSession(id: visitor.id, digest: visitor.digest))
            #expect(try await bench.heldIDs(again).isEmpty)
        },
        example("Items: session and items are validated and read in one (I4)") { bench in
            let visitor = try await bench.shopper()
            _ = try await bench.items.add([1, 2], to: visitor.access, holdMax: 10)
            bench.clock.advance(by: .seconds(1))
            let both = try await bench.items.validateWithItems(visitor.access)
            #expect(both?.session.requestCount == 1 && both?.session.lastActivity == bench.clock.now)
            #expect(try await both?.items == bench.items.held(by: visitor.access))
            #expect(try await both?.session == bench.read(visitor)?.session)
            #expect(try await bench.items.validateWithItems(visitor.with(bench.digest())) == nil)
            let empty = try await bench.create()
            #expect(try await bench.items.validateWithItems(empty.access)?.items == [])
        },
        example("Items: an add beside an end is there or refused, never lost and never late (law 1)", needs: .history) {
            bench in
            for _ in 0..<8 {
                let visitor = try await bench.shopper()
                let answers = try await bench.atOnce(5, orRefused: .noSession) { number in
                    if number == 2 { return try await bench.store.end([visitor.trusted]) == [true] }
                    return try await !bench.items.add([ItemID(number + 1)], to: visitor.access, holdMax: 9).added
                        .isEmpty
                }
                let acknowledged = [5, 4, 2, 1].filter { answers[$0 - 1] == true }.map { ItemID($0) }
                let held = try await bench.items.held(by: visitor.trusted).map(\.item.id)
                #expect(Set(held) == Set(acknowledged))
            }
        },
    ]

    private static let pepper = Item(id: 2, name: "Pepper", category: nil)

    /// An example for stores that keep items.
    private static func example(
        _ name: String, needs: StoreCapabilities = [], steps: @escaping @Sendable (Bench) async throws -> Void
    ) -> ConformanceCase {
        ConformanceCase(name, needs: needs.union(.items), steps: steps)
    }
}

extension Bench {
    /// A session on a store whose catalogue has the items 1 to 5.
    func shopper(_ policy: SessionPolicy = SessionPolicy()) async throws -> Visitor {
        _ = try await items.put((1...5).map { Item(id: $0, name: "Item \($0)", category: "test") })
        return try await create(policy: policy)
    }

    /// What the visitor's session holds.
    func heldIDs(_ visitor: Visitor) async throws -> [ItemID] {
        try await items.held(by: visitor.access).map(\.item.id)
    }
}
