// SPDX-License-Identifier: Apache-2.0

/// What is cached: rows of these tables.
public enum CachedKind: String, Sendable, Hashable, CaseIterable {
    /// `users`, but for stubs.
    case users
    /// `products`.
    case products
    /// `items`, the catalogue: by id only, they take no turns.
    case items
}

/// A row that is cached, as its JSON (`json`). Read back from there its times are cut to milliseconds.
public protocol CachedRow: Sendable, Hashable, Decodable {
    /// Which table it is of.
    static var kind: CachedKind { get }
    /// Its id as text.
    var key: String { get }
    /// Raised by every change of what is cached.
    var version: Int { get }
    /// Whether it may be cached at all.
    var isCacheable: Bool { get }
    /// The row as every face shows it.
    var json: JSONValue { get }
}

extension RetailUser: CachedRow {
    public static var kind: CachedKind { .users }
    public var key: String { id.text }
    public var isCacheable: Bool { name != nil }

    private enum CodingKeys: String, CodingKey {
        case user_id, name, gender, age, age_group, region, join_date, last_cached_at, created_at, version
    }

    /// Reads what `json` shows.
    public init(from decoder: any Decoder) throws {
        let row = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            id: UserID(stored: try row.decode(String.self, forKey: .user_id)),
            name: try row.decode(String?.self, forKey: .name),
            gender: try row.decode(String?.self, forKey: .gender).flatMap { RetailGender(rawValue: $0) },
            age: try row.decode(Int?.self, forKey: .age),
            ageGroup: try row.decode(String?.self, forKey: .age_group),
            region: try row.decode(String?.self, forKey: .region),
            joinDate: CalendarDate(stored: try row.decode(String.self, forKey: .join_date)),
            lastCachedAt: try row.time(.last_cached_at), createdAt: try row.requiredTime(.created_at),
            version: try row.decode(Int.self, forKey: .version))
    }
}

extension RetailProduct: CachedRow {
    public static var kind: CachedKind { .products }
    public var key: String { id }
    public var isCacheable: Bool { true }

    private enum CodingKeys: String, CodingKey {
        case product_id, name, category, brand, price, org_price, discount_rate, stock, last_cached_at, created_at
        case version
    }

    /// Reads what `json` shows.
    public init(from decoder: any Decoder) throws {
        let row = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            id: try row.decode(String.self, forKey: .product_id), name: try row.decode(String.self, forKey: .name),
            category: try row.decode(String?.self, forKey: .category),
            brand: try row.decode(String?.self, forKey: .brand), price: try row.decode(Int.self, forKey: .price),
            orgPrice: try row.decode(Int?.self, forKey: .org_price),
            discountRate: try row.decode(Int.self, forKey: .discount_rate),
            stock: try row.decode(Int.self, forKey: .stock), lastCachedAt: try row.time(.last_cached_at),
            createdAt: try row.requiredTime(.created_at), version: try row.decode(Int.self, forKey: .version))
    }
}

/// A row of the catalogue with its version.
public struct CachedItem: CachedRow {
    /// The row.
    public let item: Item
    public let version: Int

    public static var kind: CachedKind { .items }
    public var key: String { "\(item.id)" }
    public var isCacheable: Bool { true }
    public var json: JSONValue {
        .object([
            "item_id": .integer(item.id), "name": .string(item.name), "category": .optional(item.category),
            "version": .integer(Int64(version)),
        ])
    }

    private enum CodingKeys: String, CodingKey {
        case item_id, name, category, version
    }

    /// A row: for stores.
    public init(item: Item, version: Int) {
        self.item = item
        self.version = version
    }

    /// Reads what `json` shows.
    public init(from decoder: any Decoder) throws {
        let row = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            item: Item(
                id: try row.decode(ItemID.self, forKey: .item_id), name: try row.decode(String.self, forKey: .name),
                category: try row.decode(String?.self, forKey: .category)),
            version: try row.decode(Int.self, forKey: .version))
    }
}

extension KeyedDecodingContainer {
    fileprivate func time(_ key: Key) throws -> Timestamp? {
        try decode(String?.self, forKey: key).map { text in
            guard let time = Timestamp(text) else {
                throw DecodingError.dataCorruptedError(forKey: key, in: self, debugDescription: "no time")
            }
            return time
        }
    }

    fileprivate func requiredTime(_ key: Key) throws -> Timestamp {
        guard let time = try time(key) else {
            throw DecodingError.dataCorruptedError(forKey: key, in: self, debugDescription: "no time")
        }
        return time
    }
}
