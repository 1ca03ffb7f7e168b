// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

extension PostgresStore {
    public func createProducts(_ products: [RetailProductDraft]) async throws -> [Result<RetailProduct, SojournError>] {
        // Of drafts with one id the first is made. Ids are told apart by their bytes, as the database does.
        let first = Dictionary(products.map { (Array($0.id.utf8), $0) }, uniquingKeysWith: { first, _ in first })
        let rows = try await write(first, overwriting: false)
        var made = Dictionary(
            uniqueKeysWithValues: try rows.map { (Array(try $0.text(0).utf8), try RetailProduct($0)) })
        return products.map { draft in
            made.removeValue(forKey: Array(draft.id.utf8)).map { .success($0) }
                ?? .failure(.alreadyExists("a product", field: "product_id"))
        }
    }

    public func putProducts(_ products: [RetailProductDraft]) async throws -> RetailPut {
        let last = Dictionary(products.map { (Array($0.id.utf8), $0) }, uniquingKeysWith: { $1 })
        return try RetailPut(try await write(last, overwriting: true)) { try $0.bool(RetailProduct.columnCount) }
    }

    public func product(_ id: ProductID) async throws -> RetailProduct? {
        try await answering {
            try await read(PostgresCall(RetailProduct.reading, id)).first.map { try RetailProduct($0) }
        }
    }

    public func products(_ page: PageRequest) async throws -> Page<RetailProduct> {
        let call = try PostgresCall(RetailProduct.listing, page)
        return try await answering {
            let found = try await read(call).map { try RetailProduct($0) }
            return Page(fetched: found, limit: page.limit) { PageCursor(name: $0.id) }
        }
    }

    public func updateProduct(_ id: ProductID, _ patch: RetailProductPatch) async throws -> RetailProduct? {
        var arguments = PostgresArguments()
        arguments.append(text: id)
        arguments.append(patch.name) { $0.append(text: $1) }
        arguments.append(patch.category) { $0.append(text: $1 ?? nil) }
        arguments.append(patch.brand) { $0.append(text: $1 ?? nil) }
        arguments.append(patch.price) { $0.append(int8: $1.map { Int64($0) }) }
        arguments.append(patch.orgPrice) { $0.append(int8: $1?.map { Int64($0) }) }
        arguments.append(patch.discountRate) { $0.append(int4: $1.map { Int32($0) }) }
        arguments.append(patch.stock) { $0.append(int8: $1.map { Int64($0) }) }
        return try await change(PostgresCall(RetailProduct.changing, arguments)).map { try RetailProduct($0) }
    }

    public func deleteProduct(_ id: ProductID) async throws -> Bool {
        try await write(PostgresCall(RetailProduct.removal, id)).affected > 0
    }

    /// Writes products, each id once, and returns the rows that are new or changed.
    private func write(_ drafts: [[UInt8]: RetailProductDraft], overwriting: Bool) async throws -> PostgresRows {
        let products = drafts.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map(\.value)
        var arguments = PostgresArguments(capacity: products.count * 200 + 200)
        arguments.append(texts: products.map(\.id))
        arguments.append(texts: products.map(\.name))
        arguments.append(texts: products.map(\.category))
        arguments.append(texts: products.map(\.brand))
        arguments.append(int8s: products.map { Int64($0.price) })
        arguments.append(int8s: products.map { $0.orgPrice.map { Int64($0) } })
        arguments.append(int4s: products.map { $0.derivedDiscountRate.map { Int32($0) } })
        arguments.append(int8s: products.map { $0.stock.map { Int64($0) } })
        arguments.append(microseconds: products.map { $0.createdAt?.microseconds })
        arguments.append(bool: overwriting)
        return try await write(PostgresCall(RetailProduct.writing, arguments))
    }
}

extension PostgresCall {
    /// A statement about one product.
    fileprivate init(_ statement: PostgresStatement, _ id: ProductID) {
        var arguments = PostgresArguments()
        arguments.append(text: id)
        self.init(statement, arguments)
    }
}

extension RetailProduct {
    /// The columns that `init(_:)` reads, in its order, of `products AS p`.
    static let columns = """
        p.product_id, p.name, p.category, p.brand, p.price, p.org_price, p.discount_rate, p.stock, p.last_cached_at,
        p.created_at, p.version
        """

    /// How many `columns` there are.
    static let columnCount = 11

    /// Reads a row of a result that begins with `columns`.
    init(_ row: PostgresRow) throws {
        self.init(
            id: try row.text(0), name: try row.text(1), category: try row.optionalText(2),
            brand: try row.optionalText(3), price: try row.int(4), orgPrice: try row.optionalInt(5),
            discountRate: try row.int(6), stock: try row.int(7), lastCachedAt: try row.optionalTime(8),
            createdAt: try row.time(9), version: try row.int(10))
    }

    fileprivate static let reading = PostgresStatement(
        """
        SELECT \(columns) FROM sojourn.products AS p
        WHERE p.product_id = $1
        """, [.text])

    static let listing = PostgresStatement(
        """
        SELECT \(columns) FROM sojourn.products AS p
        WHERE p.product_id > $1
        ORDER BY p.product_id
        LIMIT $2
        """, [.text, .int8])

    /// Inserts products; with $10, changes those that are there as well. What is left out stays. Returns the rows that are
    /// new or changed, and whether they are new.
    fileprivate static let writing = PostgresStatement(
        """
        INSERT INTO sojourn.products AS p (
            product_id, name, category, brand, price, org_price, discount_rate, stock, created_at)
        SELECT a.product_id, a.name, a.category, a.brand, a.price, a.org_price, coalesce(a.discount_rate, k.discount_rate, 0),
            coalesce(a.stock, k.stock, 0), coalesce(a.created_at, t.at)
        FROM (SELECT sojourn.clock() AS at) AS t
        CROSS JOIN unnest($1, $2, $3, $4, $5, $6, $7, $8, $9) AS a (
            product_id, name, category, brand, price, org_price, discount_rate, stock, created_at)
        LEFT JOIN sojourn.products AS k ON k.product_id = a.product_id
        ORDER BY a.product_id
        ON CONFLICT (product_id) DO UPDATE
        SET name = excluded.name, category = coalesce(excluded.category, p.category),
            brand = coalesce(excluded.brand, p.brand), price = excluded.price,
            org_price = coalesce(excluded.org_price, p.org_price), discount_rate = excluded.discount_rate,
            stock = excluded.stock
        WHERE $10 AND (p.name, p.category, p.brand, p.price, p.org_price, p.discount_rate, p.stock)
            IS DISTINCT FROM
            (excluded.name, coalesce(excluded.category, p.category), coalesce(excluded.brand, p.brand), excluded.price,
                coalesce(excluded.org_price, p.org_price), excluded.discount_rate, excluded.stock)
        RETURNING \(columns), xmax = 0
        """, [.texts, .texts, .texts, .texts, .int8s, .int8s, .int4s, .int8s, .timestamptzs, .bool])

    fileprivate static let changing = PostgresStatement(
        """
        UPDATE sojourn.products AS p
        SET name = CASE WHEN $2 THEN $3 ELSE p.name END,
            category = CASE WHEN $4 THEN $5 ELSE p.category END,
            brand = CASE WHEN $6 THEN $7 ELSE p.brand END,
            price = CASE WHEN $8 THEN $9 ELSE p.price END,
            org_price = CASE WHEN $10 THEN $11 ELSE p.org_price END,
            discount_rate = CASE WHEN $12 THEN $13 ELSE p.discount_rate END,
            stock = CASE WHEN $14 THEN $15 ELSE p.stock END
        WHERE p.product_id = $1
        RETURNING \(columns)
        """,
        [
            .text, .bool, .text, .bool, .text, .bool, .text, .bool, .int8, .bool, .int8, .bool, .int4, .bool, .int8,
        ])

    fileprivate static let removal = PostgresStatement(
        """
        DELETE FROM sojourn.products
        WHERE product_id = $1
        """, [.text])
}
