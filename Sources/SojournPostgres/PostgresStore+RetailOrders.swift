// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

// Orders are inserted by one statement for as many as there are, `OrderInsertion.statement`, which fills each from its product and
// user and tells which it did not insert, and why. The statement holds the rows of users and products (FOR KEY SHARE) as it reads
// them, so that no foreign key can fail after it, and takes orders in the order of their ids, so that two batches that share some
// do not wait in a circle.

extension PostgresStore {
    public func createOrders(_ orders: [RetailOrderDraft]) async throws -> [Result<PlacedOrder, SojournError>] {
        try await answering {
            var stored: [OrderID: RetailOrder] = [:]
            let outcomes = try await OrderInsertion.outcomes(of: orders) { call, ids in
                let deadline = ContinuousClock.now + client.answerTimeout
                // A repeat of an order is that order: so this may be sent again.
                let results = try await repeating(until: deadline) {
                    try await client.send([call, PostgresCall(RetailOrder.reading, ids)], retry: .ifInterrupted)
                }
                for row in results[1] { stored[try row.orderID(0)] = try RetailOrder(row) }
                return results[0]
            }
            return zip(orders, outcomes).map { draft, outcome in
                if case .refused(let error) = outcome { return .failure(error) }
                guard let order = stored[draft.id] else {
                    return .failure(SojournError(.storeUnavailable, "The order was deleted meanwhile."))
                }
                return .success(PlacedOrder(order: order, wasPresent: outcome == .present))
            }
        }
    }

    public func order(_ id: OrderID) async throws -> RetailOrder? {
        try await answering {
            try await read(PostgresCall(RetailOrder.reading, [id])).first.map { try RetailOrder($0) }
        }
    }

    public func orders(of user: UserID?, _ page: PageRequest) async throws -> Page<RetailOrder> {
        var arguments = PostgresArguments()
        arguments.append(int8: Int64(page.limit + 1))
        if let user {
            arguments.append(text: user.text)
            if let (time, uuid) = try page.after?.timeAndUUID() {
                arguments.append(microseconds: time.microseconds)
                arguments.append(uuid: (uuid.high, uuid.low))
            }
        } else if let uuid = try page.after?.uuid() {
            arguments.append(uuid: (uuid.high, uuid.low))
        }
        let call = PostgresCall(RetailOrder.listing(ofUser: user != nil, later: page.after != nil), arguments)
        return try await answering {
            let found = try await read(call).map { try RetailOrder($0) }
            return Page(fetched: found, limit: page.limit) { order in
                user == nil ? PageCursor(order.id.uuid) : PageCursor(order.createdAt, order.id.uuid)
            }
        }
    }

    public func updateOrder(_ id: OrderID, _ patch: RetailOrderPatch) async throws -> RetailOrder? {
        var arguments = PostgresArguments()
        arguments.append(uuid: id.halves)
        arguments.append(patch.status) { $0.append(text: $1) }
        arguments.append(patch.paymentMethod) { $0.append(text: $1 ?? nil) }
        return try await change(PostgresCall(RetailOrder.changing, arguments)).map { try RetailOrder($0) }
    }

    public func deleteOrder(_ id: OrderID) async throws -> Bool {
        var arguments = PostgresArguments()
        arguments.append(uuid: id.halves)
        return try await write(PostgresCall(RetailOrder.removal, arguments)).affected > 0
    }
}

extension PostgresTransaction {
    /// Inserts orders within this transaction, each filled from its product and user: one round trip, and one more for those that
    /// somebody else was placing at the same moment or that stand in the batch twice. One outcome per order, in their order;
    /// a refused one keeps none of the others from being inserted. The values must be within their limits
    /// (`RetailOrderDraft.check`).
    func insert(_ orders: [RetailOrderDraft]) async throws -> [OrderInsertion.Outcome] {
        try await OrderInsertion.outcomes(of: orders) { call, _ in try await run(call) }
    }
}

/// How orders are inserted: the one statement and its encoding.
enum OrderInsertion {
    /// What came of one order.
    enum Outcome: Sendable, Equatable {
        /// It was inserted.
        case inserted
        /// It was there before.
        case present
        /// It was not inserted: `invalidInput` naming the field at fault, or `alreadyExists`.
        case refused(SojournError)

        static func == (left: Self, right: Self) -> Bool {
            switch (left, right) {
            case (.inserted, .inserted), (.present, .present): true
            case (.refused(let left), .refused(let right)): (left.code, left.field) == (right.code, right.field)
            default: false
            }
        }
    }

    /// Inserts orders by `run`, which is given a statement and the ids that it is about, and returns the statement's rows.
    static func outcomes(
        of orders: [RetailOrderDraft], run: (PostgresCall, [OrderID]) async throws -> PostgresRows
    ) async throws -> [Outcome] {
        var outcomes = [Outcome](repeating: .inserted, count: orders.count)
        var waiting = Array(orders.indices)
        for _ in 0..<attemptsMax where !waiting.isEmpty {
            var later: [Int] = []
            for row in try await run(call(waiting.map { orders[$0] }), waiting.map { orders[$0].id }) {
                let place = waiting[try row.int(0) - 1]
                if let outcome = try outcome(row.text(1)) { outcomes[place] = outcome } else { later.append(place) }
            }
            waiting = later
        }
        guard waiting.isEmpty else {
            throw SojournError(.storeUnavailable, "Others kept placing and deleting the same orders. Try again.")
        }
        return outcomes
    }

    /// What a word of the statement means; nil for an order that was placed since the statement began, by the statement itself or
    /// by somebody whom it waited for, and which only another statement sees.
    private static func outcome(_ word: String) throws -> Outcome? {
        switch word {
        case "present": .present
        case "other": .refused(.alreadyExists("another order", field: "order_id"))
        case "user": .refused(.unknown("user", field: "user_id"))
        case "product": .refused(.unknown("product", field: "product_id"))
        case "amount": .refused(.amountOutOfBounds())
        case "unseen": nil
        default: throw PostgresError(.unexpectedResult, "The statement gave an outcome that is none.")
        }
    }

    private static func call(_ orders: [RetailOrderDraft]) -> PostgresCall {
        var arguments = PostgresArguments(capacity: orders.count * 200 + 400)
        arguments.append(uuids: orders.map(\.id.halves))
        arguments.append(texts: orders.map(\.userID.text))
        arguments.append(texts: orders.map(\.productID))
        arguments.append(int4s: orders.map { Int32($0.quantity) })
        arguments.append(int8s: orders.map { $0.totalAmount.map { Int64($0) } })
        arguments.append(int8s: orders.map { Int64($0.shippingCost) })
        arguments.append(int8s: orders.map { Int64($0.discountAmount) })
        arguments.append(texts: orders.map(\.paymentMethod))
        arguments.append(texts: orders.map(\.status))
        arguments.append(microseconds: orders.map { $0.createdAt?.microseconds })
        return PostgresCall(statement, arguments)
    }

    /// Inserts orders, of those with one id the first that can be, and returns place and reason of each that it did not insert.
    /// A time may have lost its microseconds on the way (RFC 3339 with milliseconds). Users and products are looked up one by
    /// one, by their keys, and what was inserted in hashes (NOT IN): a plan does not know how many orders come, and would compare
    /// all with all.
    static let statement = PostgresStatement(
        """
        WITH filled AS MATERIALIZED (
            SELECT a.*, u.user_id IS NOT NULL AS has_user, p.product_id IS NOT NULL AS has_product,
                coalesce(a.total_amount, p.price * a.quantity - a.discount_amount + a.shipping_cost) AS amount,
                p.category, u.region, u.gender, u.age_group, coalesce(a.given_at, t.at) AS created_at
            FROM (SELECT sojourn.clock() AS at) AS t
            CROSS JOIN unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) WITH ORDINALITY AS a (
                order_id, user_id, product_id, quantity, total_amount, shipping_cost, discount_amount, payment_method, status,
                given_at, place)
            LEFT JOIN LATERAL (
                SELECT user_id, region, gender, age_group FROM sojourn.users
                WHERE user_id = a.user_id
                FOR KEY SHARE
            ) AS u ON true
            LEFT JOIN LATERAL (
                SELECT product_id, category, price FROM sojourn.products
                WHERE product_id = a.product_id
                FOR KEY SHARE
            ) AS p ON true
        ), chosen AS MATERIALIZED (
            SELECT DISTINCT ON (order_id) * FROM filled
            WHERE has_user AND has_product AND amount BETWEEN 0 AND \(RetailAmount.range.upperBound)
            ORDER BY order_id, place
        ), inserted AS (
            INSERT INTO sojourn.orders (
                order_id, user_id, product_id, quantity, total_amount, shipping_cost, discount_amount, payment_method, status,
                category, user_region, user_gender, user_age_group, created_at)
            SELECT order_id, user_id, product_id, quantity, amount, shipping_cost, discount_amount, payment_method, status,
                category, region, gender, age_group, created_at
            FROM chosen
            ON CONFLICT (order_id) DO NOTHING
            RETURNING order_id
        )
        SELECT f.place,
            CASE
                WHEN o.order_id IS NOT NULL AND coalesce(o.user_id, f.user_id) = f.user_id
                    AND coalesce(o.product_id, f.product_id) = f.product_id
                    AND (o.quantity, o.shipping_cost, o.discount_amount, o.total_amount)
                        = (f.quantity, f.shipping_cost, f.discount_amount, coalesce(f.total_amount, o.total_amount))
                    AND date_trunc('milliseconds', o.created_at)
                        = date_trunc('milliseconds', coalesce(f.given_at, o.created_at)) THEN 'present'
                WHEN o.order_id IS NOT NULL THEN 'other'
                WHEN NOT f.has_user THEN 'user'
                WHEN NOT f.has_product THEN 'product'
                WHEN f.amount NOT BETWEEN 0 AND \(RetailAmount.range.upperBound) THEN 'amount'
                ELSE 'unseen'
            END
        FROM filled AS f
        LEFT JOIN sojourn.orders AS o ON o.order_id = f.order_id
        WHERE f.place NOT IN (SELECT place FROM chosen) OR f.order_id NOT IN (SELECT order_id FROM inserted)
        """, [.uuids, .texts, .texts, .int4s, .int8s, .int8s, .int8s, .texts, .texts, .timestamptzs])
}

extension OrderID {
    /// The id as the driver takes it.
    var halves: (UInt64, UInt64) { (uuid.high, uuid.low) }
}

extension PostgresRow {
    /// An order's id.
    fileprivate func orderID(_ column: Int) throws -> OrderID {
        let (high, low) = try uuid(column)
        return OrderID(UUIDBytes(high: high, low: low))
    }
}

extension PostgresCall {
    /// A statement about orders.
    fileprivate init(_ statement: PostgresStatement, _ ids: [OrderID]) {
        var arguments = PostgresArguments()
        arguments.append(uuids: ids.map(\.halves))
        self.init(statement, arguments)
    }
}

extension RetailOrder {
    /// The columns that `init(_:)` reads, in its order, of `orders AS o`.
    static let columns = """
        o.order_id, o.user_id, o.product_id, o.quantity, o.total_amount, o.shipping_cost, o.discount_amount,
        o.payment_method, o.status, o.category, o.user_region, o.user_gender, o.user_age_group, o.created_at
        """

    /// Reads a row of a result over `columns`.
    init(_ row: PostgresRow) throws {
        self.init(
            id: try row.orderID(0), userID: try row.optionalText(1).map(UserID.init(stored:)),
            productID: try row.optionalText(2), quantity: try row.int(3), totalAmount: try row.int(4),
            shippingCost: try row.int(5), discountAmount: try row.int(6), paymentMethod: try row.optionalText(7),
            status: try row.text(8), category: try row.optionalText(9), userRegion: try row.optionalText(10),
            userGender: try row.optionalText(11), userAgeGroup: try row.optionalText(12), createdAt: try row.time(13))
    }

    fileprivate static let reading = PostgresStatement(
        """
        SELECT \(columns) FROM sojourn.orders AS o
        WHERE o.order_id = ANY ($1)
        """, [.uuids])

    /// A page of $1 orders at most: of all, or of user $2; after the row whose key the last parameters are.
    static func listing(ofUser: Bool, later: Bool) -> PostgresStatement {
        switch (ofUser, later) {
        case (false, false): firstPage
        case (false, true): laterPage
        case (true, false): firstPageOfUser
        case (true, true): laterPageOfUser
        }
    }

    private static let firstPage = listing("", order: "o.order_id DESC", [])
    private static let laterPage = listing("WHERE o.order_id < $2", order: "o.order_id DESC", [.uuid])
    private static let firstPageOfUser = listing(
        "WHERE o.user_id = $2", order: "o.created_at DESC, o.order_id DESC", [.text])
    private static let laterPageOfUser = listing(
        "WHERE o.user_id = $2 AND (o.created_at, o.order_id) < ($3, $4)",
        order: "o.created_at DESC, o.order_id DESC", [.text, .timestamptz, .uuid])

    private static func listing(_ condition: String, order: String, _ types: [PostgresType]) -> PostgresStatement {
        PostgresStatement(
            """
            SELECT \(columns) FROM sojourn.orders AS o
            \(condition)
            ORDER BY \(order)
            LIMIT $1
            """, [.int8] + types)
    }

    fileprivate static let changing = PostgresStatement(
        """
        UPDATE sojourn.orders AS o
        SET status = CASE WHEN $2 THEN $3 ELSE o.status END,
            payment_method = CASE WHEN $4 THEN $5 ELSE o.payment_method END
        WHERE o.order_id = $1
        RETURNING \(columns)
        """, [.uuid, .bool, .text, .bool, .text])

    fileprivate static let removal = PostgresStatement(
        """
        DELETE FROM sojourn.orders
        WHERE order_id = $1
        """, [.uuid])
}
