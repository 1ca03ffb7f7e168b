// SPDX-License-Identifier: Apache-2.0

internal import RedisDriver
public import Sojourn

extension RedisStore: ItemStore {
    public func put(_ items: [Item]) async throws -> ItemsPut {
        // Of rows with one id the last counts.
        let rows = Dictionary(items.map { ($0.id, $0) }, uniquingKeysWith: { $1 }).values.sorted { $0.id < $1.id }
        guard !rows.isEmpty else { return ItemsPut(added: 0, updated: 0) }
        return try await RedisFailure.mapping {
            let counts = try await client.send(
                .script(
                    scripts.put, keys: keys.catalogue,
                    rows.flatMap { [RedisArgument(Int($0.id)), RedisArgument($0.stored), RedisArgument($0.place)] })
            ).array()
            guard counts.count == 2 else { throw RedisError(.unexpectedResult, "A script answered too little.") }
            return ItemsPut(added: try counts[0].int(), updated: try counts[1].int())
        }
    }

    public func items(prefix: String, page: PageRequest) async throws -> Page<Item> {
        let after = try page.after?.numberAndText()
        let key = Array(Item.searchKey(prefix).utf8)
        return try await RedisFailure.mapping {
            let from = after.map { [UInt8(ascii: "(")] + Item.place($0.1, $0.0) } ?? [UInt8(ascii: "[")] + key
            // No text has the byte FF.
            let to = [UInt8(ascii: "(")] + key + [0xFF]
            let places = try await client.send(
                RedisCommand(
                    "ZRANGE", key: keys.catalogue[1],
                    [RedisArgument(from), RedisArgument(to), "BYLEX", "LIMIT", 0, RedisArgument(page.limit + 1)],
                    retry: .ifInterrupted)
            ).array()
            let ids = try places.compactMap { Int64(String(decoding: try $0.bytes().suffix(16), as: UTF8.self)) }
            let found = try await rows(ids).compactMap(\.self)
            return Page(fetched: found, limit: page.limit) { PageCursor($0.id, Item.searchKey($0.name)) }
        }
    }

    public func add(_ ids: [ItemID], to access: SessionAccess, holdMax: Int) async throws -> ItemsAdded {
        var seen: Set<ItemID> = []
        let asked = ids.filter { seen.insert($0).inserted }
        return try await RedisFailure.mapping {
            try await refuseUnknown(asked, for: access)
            let command = RedisCommand.script(
                scripts.add, keys: keys.session(access.id),
                [now, access.shown, RedisArgument(holdMax)]
                    + asked.map { RedisArgument(Int($0)) })
            guard let answer = try await withUser(of: access.id, command), !answer.isRevoked else {
                throw SojournError.noSession()
            }
            guard let flags = try answer.rest.first?.array() else { throw SojournError.heldItemsLimit(holdMax) }
            let isNew = try flags.map { try $0.int() == 1 }
            return ItemsAdded(
                added: zip(asked, isNew).filter(\.1).map(\.0), alreadyPresent: zip(asked, isNew).filter { !$1 }.map(\.0)
            )
        }
    }

    /// Refuses items that the catalogue lacks; asks it only for those that it is not known to have.
    private func refuseUnknown(_ ids: [ItemID], for access: SessionAccess) async throws {
        let doubtful = ids.filter { knownItems[$0] == nil }
        guard !doubtful.isEmpty else { return }
        let unknown = zip(doubtful, try await rows(doubtful)).filter { $1 == nil }.map(\.0)
        guard !unknown.isEmpty else { return }
        guard try await read([access.id])[0]?.admission(access) == .full else { throw SojournError.noSession() }
        throw SojournError.unknownItems(unknown)
    }

    public func held(by access: SessionAccess) async throws -> [HeldItem] {
        try await RedisFailure.mapping {
            guard let answer = try await read([access.id], items: "all")[0], answer.stored(for: access) != nil else {
                throw SojournError.noSession()
            }
            return try await held(answer)
        }
    }

    public func remove(_ ids: [ItemID]?, from access: SessionAccess) async throws -> Int {
        try await RedisFailure.mapping {
            let command = RedisCommand.script(
                scripts.remove, keys: Array(keys.session(access.id)[..<2]),
                [now, access.shown, ids == nil ? "all" : "some"]
                    + (ids ?? []).map { RedisArgument(Int($0)) })
            guard let answer = try await withUser(of: access.id, command), !answer.isRevoked else {
                throw SojournError.noSession()
            }
            return try answer.rest.first?.int() ?? 0
        }
    }

    public func validateWithItems(_ access: SessionAccess) async throws -> (session: Session, items: [HeldItem])? {
        try await RedisFailure.mapping {
            guard let answer = try await validated(access, withItems: true) else { return nil }
            return (answer.record.session, try await held(answer))
        }
    }

    /// The items that a script answered, with their catalogue rows, newest first.
    private func held(_ answer: Answer) async throws -> [HeldItem] {
        let times = try (answer.rest.first?.pairs() ?? []).map { pair in
            (try Row([pair.key]).int(0), try Row([pair.value]).present(Row([pair.value]).time(0)))
        }
        return zip(times, try await rows(times.map { Int64($0.0) }))
            .compactMap { time, item in item.map { HeldItem(item: $0, addedAt: time.1) } }
            .sorted { ($0.addedAt, $0.item.id) > ($1.addedAt, $1.item.id) }
    }

    /// Catalogue rows, in the order asked; nil for those that are not there.
    private func rows(_ ids: [ItemID]) async throws -> [Item?] {
        guard !ids.isEmpty else { return [] }
        let values = try await client.send(
            RedisCommand("HMGET", key: keys.catalogue[0], ids.map { RedisArgument(Int($0)) }, retry: .ifInterrupted)
        ).array()
        return try zip(ids, values).map { id, value in
            guard !value.isNull else { return nil }
            knownItems[id] = true
            return try Item(id, value)
        }
    }
}

extension Item {
    /// The row's text: the name's length in bytes, the name, then `+` and the category where there is one.
    fileprivate var stored: String { "\(name.utf8.count):\(name)\(category.map { "+" + $0 } ?? "")" }

    /// Reads `stored`.
    fileprivate init(_ id: ItemID, _ value: RedisValue) throws {
        let text = try value.bytes()
        let foreign = SojournError(.storeDamaged, "Redis holds an item in a form that this version does not know.")
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")),
            let length = Int(String(decoding: text[..<colon], as: UTF8.self)), length >= 0,
            text.count - colon - 1 >= length
        else { throw foreign }
        let rest = text[(colon + 1)...]
        let category = rest.dropFirst(length)
        guard category.isEmpty || category.first == UInt8(ascii: "+") else { throw foreign }
        self.init(
            id: id, name: String(decoding: rest.prefix(length), as: UTF8.self),
            category: category.isEmpty ? nil : String(decoding: category.dropFirst(), as: UTF8.self))
    }

    /// Where the row stands in the order of names: by the bytes of the search key, then by id.
    fileprivate var place: [UInt8] { Self.place(Item.searchKey(name), id) }

    fileprivate static func place(_ key: String, _ id: ItemID) -> [UInt8] {
        let digits = String(id)
        return Array(key.utf8) + [0] + Array((String(repeating: "0", count: 16 - digits.count) + digits).utf8)
    }
}
