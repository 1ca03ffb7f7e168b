// SPDX-License-Identifier: Apache-2.0

/// The name of an order: a UUID, version 7 from us, any from whoever placed it.
public struct OrderID: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The UUID's bytes, as stores keep them.
    public let uuid: UUIDBytes

    /// The id with these bytes.
    public init(_ uuid: UUIDBytes) {
        self.uuid = uuid
    }

    /// The id that a UUID's text names; nil for any other text.
    public init?(_ text: some StringProtocol) {
        guard let uuid = UUIDBytes(text) else { return nil }
        self.init(uuid)
    }

    /// A new id, unused for all practical purposes.
    public static func new(at time: Timestamp = SystemWallClock().now, random: RandomSource = .system) -> OrderID {
        OrderID(UUIDBytes(version7At: time, random: random))
    }

    public static func < (left: Self, right: Self) -> Bool { left.uuid < right.uuid }

    /// The UUID in lower case.
    public var description: String { uuid.text }
}

/// A row of `orders` (C1).
public struct RetailOrder: Sendable, Hashable {
    /// Its name.
    public let id: OrderID
    /// Who bought; nil since that user was erased.
    public let userID: UserID?
    /// What was bought; nil since that product was deleted.
    public let productID: ProductID?
    /// How many of it.
    public let quantity: Int
    /// What was to be paid.
    public let totalAmount: Int
    /// What of it was for shipping.
    public let shippingCost: Int
    /// What was taken off.
    public let discountAmount: Int
    /// How it was paid; nil where that is not known.
    public let paymentMethod: String?
    /// Where it stands, in the application's own words.
    public let status: String
    /// The product's category when it was placed; nil for none, as below.
    public let category: String?
    /// The user's region when it was placed.
    public let userRegion: String?
    /// The user's gender when it was placed.
    public let userGender: String?
    /// The user's age group when it was placed.
    public let userAgeGroup: String?
    /// When it was placed.
    public let createdAt: Timestamp

    /// The longest status, and the longest payment method, in characters (Unicode scalars).
    public static let wordMax = 30
    /// How many of a product one order may be for.
    public static let quantities = 1...1_000_000
    /// Where an order stands of which nothing else is said.
    public static let statusAtFirst = "pending"

    /// A row: for stores.
    public init(
        id: OrderID, userID: UserID?, productID: ProductID?, quantity: Int, totalAmount: Int, shippingCost: Int,
        discountAmount: Int, paymentMethod: String?, status: String, category: String?, userRegion: String?,
        userGender: String?, userAgeGroup: String?, createdAt: Timestamp
    ) {
        self.id = id
        self.userID = userID
        self.productID = productID
        self.quantity = quantity
        self.totalAmount = totalAmount
        self.shippingCost = shippingCost
        self.discountAmount = discountAmount
        self.paymentMethod = paymentMethod
        self.status = status
        self.category = category
        self.userRegion = userRegion
        self.userGender = userGender
        self.userAgeGroup = userAgeGroup
        self.createdAt = createdAt
    }

    /// The row as every face shows it.
    public var json: JSONValue {
        .object([
            "order_id": .string(id.description), "user_id": .optional(userID?.text),
            "product_id": .optional(productID), "quantity": .integer(Int64(quantity)),
            "total_amount": .integer(Int64(totalAmount)), "shipping_cost": .integer(Int64(shippingCost)),
            "discount_amount": .integer(Int64(discountAmount)), "payment_method": .optional(paymentMethod),
            "status": .string(status), "category": .optional(category), "user_region": .optional(userRegion),
            "user_gender": .optional(userGender), "user_age_group": .optional(userAgeGroup),
            "created_at": .string(createdAt.text),
        ])
    }
}

/// An order to be placed. Category, region, gender and age group come from its product and user.
public struct RetailOrderDraft: Sendable, Hashable {
    /// Its name: a repeat of an order is recognised by it.
    public var id: OrderID
    /// Who buys.
    public var userID: UserID
    /// What is bought.
    public var productID: ProductID
    /// How many of it.
    public var quantity = 1
    /// What is to be paid; nil for the product's price times the quantity, less the discount, with shipping.
    public var totalAmount: Int?
    /// What of it is for shipping.
    public var shippingCost = 0
    /// What is taken off.
    public var discountAmount = 0
    /// How it is paid, up to 30 characters; nil where that is not known.
    public var paymentMethod: String?
    /// Where it stands, up to 30 characters.
    public var status = RetailOrder.statusAtFirst
    /// When it was placed; nil for now.
    public var createdAt: Timestamp?

    /// An order of one.
    public init(id: OrderID = .new(), userID: UserID, productID: ProductID) {
        self.id = id
        self.userID = userID
        self.productID = productID
    }

    /// Reads an order from a JSON object: null counts as absent.
    ///
    /// - Parameter place: where the object stands, before a field's name.
    /// - Throws: `invalidInput` naming the field that is missing, unknown or of another type.
    public init(json: [String: JSONValue], place: String = "") throws {
        var fields = JSONFields(json, place: place)
        id = try fields.order("order_id") ?? .new()
        userID = try fields.required("user_id") { try $0.user($1) }
        productID = try fields.required("product_id") { try $0.text($1) }
        quantity = try fields.number("quantity") ?? quantity
        totalAmount = try fields.number("total_amount")
        shippingCost = try fields.number("shipping_cost") ?? shippingCost
        discountAmount = try fields.number("discount_amount") ?? discountAmount
        paymentMethod = try fields.text("payment_method")
        status = try fields.text("status") ?? status
        createdAt = try fields.time("created_at")
        try fields.finish()
    }

    /// Holds the values to their limits.
    ///
    /// - Throws: `invalidInput` naming the field.
    public func check(place: String = "") throws {
        let check = RetailCheck(place: place)
        try check.name(productID, "product_id", lengthMax: RetailProduct.idMax)
        try check.number(quantity, "quantity", RetailOrder.quantities)
        try check.number(totalAmount, "total_amount", RetailAmount.range)
        try check.number(shippingCost, "shipping_cost", RetailAmount.range)
        try check.number(discountAmount, "discount_amount", RetailAmount.range)
        try check.name(paymentMethod, "payment_method", lengthMax: RetailOrder.wordMax)
        try check.name(status, "status", lengthMax: RetailOrder.wordMax)
    }
}

/// Changes of an order: where it stands and how it was paid. The rest is history.
public struct RetailOrderPatch: Sendable, Hashable {
    /// Where it stands.
    public var status: FieldChange<String> = .keep
    /// How it was paid.
    public var paymentMethod: FieldChange<String?> = .keep

    /// No change yet.
    public init() {}

    /// Reads a JSON merge patch (RFC 7396): what is absent stays, null clears.
    ///
    /// - Throws: `invalidInput` naming the field that is unknown, of another type, or may not be null.
    public init(json: [String: JSONValue]) throws {
        var fields = JSONFields(json, place: "")
        status = try fields.firmChange("status") { try $0.text($1) }
        paymentMethod = try fields.change("payment_method") { try $0.text($1) }
        try fields.finish()
    }

    /// Holds the new values to their limits.
    ///
    /// - Throws: `invalidInput` naming the field.
    public func check() throws {
        let check = RetailCheck(place: "")
        try check.name(status.value(), "status", lengthMax: RetailOrder.wordMax)
        try check.name(paymentMethod.value(), "payment_method", lengthMax: RetailOrder.wordMax)
    }
}
