// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Hummingbird
internal import Sojourn

/// A body that is one object, or an array of them.
enum OneOrMany<Element> {
    /// One object.
    case one(Element)
    /// An array.
    case many([Element])
}

extension Call {
    /// The product that the path names.
    var productID: ProductID {
        get throws {
            guard let id = context.parameters["id"]?.removingPercentEncoding,
                Limits.isName(id, lengthMax: RetailProduct.idMax)
            else { throw Problem.invalid("id", "Must be 1 to 50 characters, none of them a control character.") }
            return id
        }
    }

    /// The order that the path names.
    var orderID: OrderID {
        get throws {
            guard let id = context.parameters["id"].flatMap({ OrderID($0) }) else {
                throw Problem.invalid("id", "Must be a UUID.")
            }
            return id
        }
    }

    /// The body, read object by object by `read`, which is told where each stands.
    func oneOrMany<Element>(_ read: ([String: JSONValue], String) throws -> Element) async throws -> OneOrMany<Element>
    {
        switch try await json() {
        case .object(let members): return .one(try read(members, ""))
        case .array(let elements):
            return .many(
                try elements.enumerated().map { index, element in
                    guard case .object(let members) = element else {
                        throw Problem.invalid("[\(index)]", "Must be an object.")
                    }
                    return try read(members, "[\(index)].")
                })
        default: throw Problem.invalid("body", "Must be an object, or an array of them.")
        }
    }
}

extension Body {
    /// One of a named schema, or an array of them.
    static func oneOrMany(_ name: String) -> Body {
        Body(schema: .either(.ref(name), .array(of: .ref(name), count: 0...1000)))
    }
}

extension Response {
    /// A page of rows.
    static func rows<Row>(_ page: Page<Row>, _ json: (Row) -> JSONValue) -> Response {
        .json(capacity: 4096) { $0.page(page.map(json)) { $0.raw($1.text) } }
    }

    /// A row; 404 where there is none.
    static func row(_ json: JSONValue?, _ what: String) throws -> Response {
        guard let json else { throw Problem.notFound("There is no such \(what).") }
        return .json { $0.raw(json.text) }
    }

    /// 204; 404 where there was none.
    static func gone(_ isGone: Bool, _ what: String) throws -> Response {
        guard isGone else { throw Problem.notFound("There is no such \(what).") }
        return Response(status: .noContent)
    }

    /// One result for each element: what `write` writes of it, nil for one that was refused, and why it was.
    static func results<Row>(
        _ results: [Result<Row, SojournError>], _ write: (inout JSONWriter, Row?) -> Void
    ) -> Response {
        .json(capacity: 512 * results.count + 64) { json in
            json.results(results) { json, result in
                switch result {
                case .success(let row):
                    write(&json, row)
                    json.member("error", nil as String?)
                case .failure(let error):
                    write(&json, nil)
                    json.key("error")
                    json.error(Problem(error, access: .service))
                }
            }
        }
    }
}

extension Schema {
    private static func name(_ lengthMax: Int) -> Schema { .string(1...lengthMax, pattern: noControl) }
    private static let date = string(format: "date")
    private static let amount = integer(bounds(RetailAmount.range))
    private static let gender = oneOf(RetailGender.allCases.map(\.rawValue))

    private static func bounds(_ range: ClosedRange<Int>) -> ClosedRange<Int64> {
        Int64(range.lowerBound)...Int64(range.upperBound)
    }

    /// The named schemas of retail.
    static let retailComponents: [String: Schema] = users.merging(products) { $1 }.merging(orders) { $1 }

    private static let users: [String: Schema] = {
        let given: [String: Schema] = [
            "name": name(RetailUser.nameMax), "gender": gender, "age": .integer(bounds(RetailUser.ages)),
            "address": name(Region.addressMax), "region": name(Region.lengthMax), "join_date": date,
        ]
        return [
            "User": .object([
                "user_id": .userID, "name": string().orNull, "gender": gender.orNull,
                "age": Schema.integer(bounds(RetailUser.ages)).orNull, "age_group": string().orNull,
                "region": string().orNull, "join_date": date, "last_cached_at": time.orNull, "created_at": time,
                "version": .count,
            ]),
            "NewUser": .input(
                given.merging(["user_id": .userID, "created_at": .time]) { $1 }, required: ["name"]),
            "UserPatch": patch(given, firm: ["name", "join_date"]),
        ]
    }()

    private static let products: [String: Schema] = {
        let given: [String: Schema] = [
            "name": name(RetailProduct.nameMax), "category": name(RetailProduct.categoryMax),
            "brand": name(RetailProduct.categoryMax), "price": amount, "org_price": amount,
            "discount_rate": .integer(bounds(RetailProduct.discountRates)), "stock": amount,
        ]
        return [
            "Product": .object([
                "product_id": .productID, "name": string(), "category": string().orNull, "brand": string().orNull,
                "price": amount, "org_price": amount.orNull,
                "discount_rate": .integer(bounds(RetailProduct.discountRates)), "stock": amount,
                "last_cached_at": time.orNull, "created_at": time, "version": .count,
            ]),
            "NewProduct": .input(
                given.merging(["product_id": .productID, "created_at": .time]) { $1 }, required: ["name", "price"]),
            "ProductPatch": patch(given, firm: ["name", "price", "discount_rate", "stock"]),
        ]
    }()

    private static let orders: [String: Schema] = {
        let quantity = integer(bounds(RetailOrder.quantities))
        let word = name(RetailOrder.wordMax)
        return [
            "Order": .object([
                "order_id": .uuid, "user_id": Schema.userID.orNull, "product_id": Schema.productID.orNull,
                "quantity": quantity, "total_amount": amount, "shipping_cost": amount, "discount_amount": amount,
                "payment_method": string().orNull, "status": string(), "category": string().orNull,
                "user_region": string().orNull, "user_gender": string().orNull, "user_age_group": string().orNull,
                "created_at": .time,
            ]),
            "NewOrder": .input(
                [
                    "order_id": .uuid, "user_id": .userID, "product_id": .productID, "quantity": quantity,
                    "total_amount": amount, "shipping_cost": amount, "discount_amount": amount, "payment_method": word,
                    "status": word, "created_at": .time,
                ], required: ["user_id", "product_id"]),
            "OrderPatch": patch(["status": word, "payment_method": word], firm: ["status"]),
        ]
    }()

    /// A merge patch: any member may be absent, and null but those named in `firm`.
    private static func patch(_ members: [String: Schema], firm: Set<String>) -> Schema {
        let nullable = members.map { name, schema in (name, firm.contains(name) ? schema : schema.orNull) }
        return object(Dictionary(uniqueKeysWithValues: nullable), optional: Set(members.keys))
    }
}
