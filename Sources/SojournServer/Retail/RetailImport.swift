// SPDX-License-Identifier: Apache-2.0

public import Sojourn

/// A CSV file of users, products or orders on its way into the store: read twice, row by row. The first reading checks every
/// row, so that a file with a mistake in it writes nothing; the second writes in batches, each all or none but for orders,
/// which are refused one by one where the store knows neither user nor product.
///
/// It can be broken off and repeated: rows that are there are updated where they say something else, orders recognised.
/// A column that is missing, or a cell that is empty, leaves what is stored as it is.
public struct RetailImport: Sendable {
    /// What an import did.
    public struct Outcome: Sendable, Hashable {
        /// Rows that are new.
        public var added = 0
        /// Rows that existed and now say something else.
        public var updated = 0
        /// Rows that existed and said the same.
        public var unchanged = 0
        /// Orders without a user or a product, which are nobody's any more: left out.
        public var detached = 0

        /// How many rows are in the store by now.
        var taken: Int { added + updated + unchanged }
    }

    /// How many rows the file has.
    public let rows: Int
    private let kind: RetailKind
    private let path: String

    /// The most faults that one error names.
    private static let faultsMax = 10

    /// Checks a file.
    ///
    /// - Throws: `SojournError` with code `invalidInput` that names what is wrong, by line and column.
    public init(_ kind: RetailKind, path: String) throws {
        self.kind = kind
        self.path = path
        var reader = try CSVReader(path: path)
        try Self.check(reader.header, kind)
        var rows = 0
        var faults: [String] = []
        var faultCount = 0
        while let row = try reader.row() {
            rows += 1
            do {
                _ = try Draft(row, kind)
            } catch let error as SojournError {
                faultCount += 1
                if faults.count < Self.faultsMax { faults.append("line \(row.line): \(error)") }
            }
        }
        guard faultCount == 0 else {
            let rest = faultCount > faults.count ? "\n  and \(faultCount - faults.count) more" : ""
            throw SojournError(
                .invalidInput,
                "Nothing was imported; of \(rows) rows \(faultCount) are at fault:\n  "
                    + faults.joined(separator: "\n  ") + rest, field: "FILE")
        }
        self.rows = rows
    }

    /// Writes the rows; `progress` is told how many are done.
    ///
    /// - Throws: `SojournError`, naming the line and the column where the store refused an order, and how many rows
    ///   were taken.
    public func run(into retail: Retail, progress: (Int) -> Void) async throws -> Outcome {
        var reader = try CSVReader(path: path)
        var outcome = Outcome()
        var done = 0
        var batch: [(line: Int, draft: Draft)] = []
        var more = true
        while more {
            let row = try reader.row()
            if let row { batch.append((row.line, try Draft(row, kind))) }
            more = row != nil
            guard batch.count == retail.limits.batchMax || (!more && !batch.isEmpty) else { continue }
            try await write(batch, into: retail, &outcome)
            done += batch.count
            batch = []
            progress(done)
        }
        return outcome
    }

    private static func check(_ header: [String], _ kind: RetailKind) throws {
        for name in kind.required where !header.contains(name) {
            throw SojournError(
                .invalidInput,
                "The first row must name the column \(name); it names \(header.joined(separator: ", ")).", field: "FILE"
            )
        }
        let known = Set(kind.columns + (kind == .users ? ["address"] : []))
        if let unknown = header.first(where: { !known.contains($0) }) {
            throw SojournError(
                .invalidInput,
                "There is no column \(unknown) here: there are \(known.sorted().joined(separator: ", ")).",
                field: "FILE")
        }
    }

    private func write(
        _ batch: [(line: Int, draft: Draft)], into retail: Retail, _ outcome: inout Outcome
    ) async throws {
        switch kind {
        case .users:
            let users = batch.compactMap { if case .user(let draft) = $0.draft { draft } else { nil } }
            outcome.add(try await retail.putUsers(users), of: users.count)
        case .products:
            let products = batch.compactMap { if case .product(let draft) = $0.draft { draft } else { nil } }
            outcome.add(try await retail.putProducts(products), of: products.count)
        case .orders:
            let orders = batch.compactMap { row in
                if case .order(let draft) = row.draft { (line: row.line, draft: draft) } else { nil }
            }
            outcome.detached += batch.count - orders.count
            let results = try await retail.createOrders(orders.map(\.draft))
            var refused: (line: Int, error: SojournError)?
            for (row, result) in zip(orders, results) {
                switch result {
                case .success(let placed): if placed.wasPresent { outcome.unchanged += 1 } else { outcome.added += 1 }
                case .failure(let error): refused = refused ?? (row.line, error)
                }
            }
            if let refused {
                throw SojournError(
                    .invalidInput,
                    "line \(refused.line): \(refused.error) \(outcome.taken) rows were taken; mend the file and "
                        + "import it again.", field: "FILE", underlying: refused.error)
            }
        }
    }
}

extension RetailImport.Outcome {
    fileprivate mutating func add(_ put: RetailPut, of count: Int) {
        added += put.added
        updated += put.updated
        unchanged += count - put.added - put.updated
    }
}

/// A row of a file that was read and is within the limits.
private enum Draft {
    case user(RetailUserDraft)
    case product(RetailProductDraft)
    case order(RetailOrderDraft)
    /// An order whose user was erased or whose product was deleted.
    case detached

    init(_ row: CSVRow, _ kind: RetailKind) throws {
        let members = try kind.members(row.cells.filter { !kind.derived.contains($0.key) })
        let id = kind.required[0]
        guard members[id] != .null else { throw SojournError(.invalidInput, "Is missing.", field: id) }
        switch kind {
        case .users:
            let draft = try RetailUserDraft(json: members)
            try draft.check()
            self = .user(draft)
        case .products:
            let draft = try RetailProductDraft(json: members)
            try draft.check()
            self = .product(draft)
        case .orders:
            guard members["user_id"] != .null, members["product_id"] != .null else {
                self = .detached
                return
            }
            let draft = try RetailOrderDraft(json: members)
            try draft.check()
            self = .order(draft)
        }
    }
}
