// SPDX-License-Identifier: Apache-2.0

/// The name of a product in the application's own terms: 1 to 50 characters, none of them a control character.
public typealias ProductID = String

/// A row of `products` (C1).
public struct RetailProduct: Sendable, Hashable {
    /// What it is called in orders.
    public let id: ProductID
    /// The name.
    public let name: String
    /// The category; nil for none, as below.
    public let category: String?
    /// The brand.
    public let brand: String?
    /// What one costs.
    public let price: Int
    /// What one cost before a discount.
    public let orgPrice: Int?
    /// The discount, in whole percent.
    public let discountRate: Int
    /// How many there are.
    public let stock: Int
    /// When the row was last cached; nil for never.
    public let lastCachedAt: Timestamp?
    /// When the row was made.
    public let createdAt: Timestamp
    /// Raised by every change of what a cache serves, from 1.
    public let version: Int

    /// The longest id, in characters (Unicode scalars).
    public static let idMax = 50
    /// The longest name, in characters.
    public static let nameMax = 200
    /// The longest category, and the longest brand, in characters.
    public static let categoryMax = 100
    /// The discounts that there may be, in whole percent.
    public static let discountRates = 0...100

    /// A row: for stores.
    public init(
        id: ProductID, name: String, category: String?, brand: String?, price: Int, orgPrice: Int?, discountRate: Int,
        stock: Int, lastCachedAt: Timestamp?, createdAt: Timestamp, version: Int
    ) {
        self.id = id
        self.name = name
        self.category = category
        self.brand = brand
        self.price = price
        self.orgPrice = orgPrice
        self.discountRate = discountRate
        self.stock = stock
        self.lastCachedAt = lastCachedAt
        self.createdAt = createdAt
        self.version = version
    }

    /// The row as every face shows it.
    public var json: JSONValue {
        .object([
            "product_id": .string(id), "name": .string(name), "category": .optional(category),
            "brand": .optional(brand), "price": .integer(Int64(price)), "org_price": .optional(orgPrice),
            "discount_rate": .integer(Int64(discountRate)), "stock": .integer(Int64(stock)),
            "last_cached_at": .optional(lastCachedAt?.text), "created_at": .string(createdAt.text),
            "version": .integer(Int64(version)),
        ])
    }
}

/// A product to be made.
public struct RetailProductDraft: Sendable, Hashable {
    /// What it is called in orders; by default a new UUID.
    public var id: ProductID
    /// The name, 1 to 200 characters.
    public var name: String
    /// The category, 1 to 100 characters; nil for none.
    public var category: String?
    /// The brand, 1 to 100 characters; nil for none.
    public var brand: String?
    /// What one costs.
    public var price: Int
    /// What one cost before a discount; nil where it always cost the same.
    public var orgPrice: Int?
    /// The discount in percent; nil for what the prices say, or 0.
    public var discountRate: Int?
    /// How many there are; nil for none.
    public var stock: Int?
    /// When the row was made; nil for now.
    public var createdAt: Timestamp?

    /// A product of a name and a price.
    public init(id: ProductID = UserID.new().text, name: String, price: Int) {
        self.id = id
        self.name = name
        self.price = price
    }

    /// Reads a product from a JSON object: null counts as absent.
    ///
    /// - Parameter place: where the object stands, before a field's name.
    /// - Throws: `invalidInput` naming the field that is missing, unknown or of another type.
    public init(json: [String: JSONValue], place: String = "") throws {
        var fields = JSONFields(json, place: place)
        id = try fields.text("product_id") ?? UserID.new().text
        name = try fields.required("name") { try $0.text($1) }
        category = try fields.text("category")
        brand = try fields.text("brand")
        price = try fields.required("price") { try $0.number($1) }
        orgPrice = try fields.number("org_price")
        discountRate = try fields.number("discount_rate")
        stock = try fields.number("stock")
        createdAt = try fields.time("created_at")
        try fields.finish()
    }

    /// The discount in percent: as given, else what the price is below the original one, rounded down; nil where there is
    /// no original price either.
    public var derivedDiscountRate: Int? {
        if let discountRate { return discountRate }
        guard let orgPrice else { return nil }
        return orgPrice > price ? (orgPrice - price) * 100 / orgPrice : 0
    }

    /// Holds the values to their limits.
    ///
    /// - Throws: `invalidInput` naming the field.
    public func check(place: String = "") throws {
        let check = RetailCheck(place: place)
        try check.name(id, "product_id", lengthMax: RetailProduct.idMax)
        try check.name(name, "name", lengthMax: RetailProduct.nameMax)
        try check.name(category, "category", lengthMax: RetailProduct.categoryMax)
        try check.name(brand, "brand", lengthMax: RetailProduct.categoryMax)
        try check.number(price, "price", RetailAmount.range)
        try check.number(orgPrice, "org_price", RetailAmount.range)
        try check.number(discountRate, "discount_rate", RetailProduct.discountRates)
        try check.number(stock, "stock", RetailAmount.range)
    }
}

/// Changes of a product.
public struct RetailProductPatch: Sendable, Hashable {
    /// The name.
    public var name: FieldChange<String> = .keep
    /// The category.
    public var category: FieldChange<String?> = .keep
    /// The brand.
    public var brand: FieldChange<String?> = .keep
    /// What one costs.
    public var price: FieldChange<Int> = .keep
    /// What one cost before a discount.
    public var orgPrice: FieldChange<Int?> = .keep
    /// The discount in percent: it does not follow the prices.
    public var discountRate: FieldChange<Int> = .keep
    /// How many there are.
    public var stock: FieldChange<Int> = .keep

    /// No change yet.
    public init() {}

    /// Reads a JSON merge patch (RFC 7396): what is absent stays, null clears.
    ///
    /// - Throws: `invalidInput` naming the field that is unknown, of another type, or may not be null.
    public init(json: [String: JSONValue]) throws {
        var fields = JSONFields(json, place: "")
        name = try fields.firmChange("name") { try $0.text($1) }
        category = try fields.change("category") { try $0.text($1) }
        brand = try fields.change("brand") { try $0.text($1) }
        price = try fields.firmChange("price") { try $0.number($1) }
        orgPrice = try fields.change("org_price") { try $0.number($1) }
        discountRate = try fields.firmChange("discount_rate") { try $0.number($1) }
        stock = try fields.firmChange("stock") { try $0.number($1) }
        try fields.finish()
    }

    /// Holds the new values to their limits.
    ///
    /// - Throws: `invalidInput` naming the field.
    public func check() throws {
        let check = RetailCheck(place: "")
        try check.name(name.value(), "name", lengthMax: RetailProduct.nameMax)
        try check.name(category.value(), "category", lengthMax: RetailProduct.categoryMax)
        try check.name(brand.value(), "brand", lengthMax: RetailProduct.categoryMax)
        try check.number(price.value(), "price", RetailAmount.range)
        try check.number(orgPrice.value(), "org_price", RetailAmount.range)
        try check.number(discountRate.value(), "discount_rate", RetailProduct.discountRates)
        try check.number(stock.value(), "stock", RetailAmount.range)
    }
}
