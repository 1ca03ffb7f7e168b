// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Sojourn
internal import SojournServer

/// `sojourn seed`.
struct SeedCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "seed", abstract: "Fill users, products and orders with made-up rows.",
        discussion: """
            The same seed makes the same rows, byte for byte, wherever it is run; names are mostly of RETAIL_LOCALE. Rows \
            that are there already are left as they are, so that it can be broken off and repeated.
            """)

    @Option(help: "How many users.")
    var users = 50_000

    @Option(help: "How many products.")
    var products = 5_000

    @Option(help: "How many orders, of these users and products.")
    var orders = 0

    @Option(help: "What all rows follow from.")
    var seed: UInt64 = 1

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard [users, products, orders].allSatisfy({ (0...100_000_000).contains($0) }) else {
            throw ValidationError("Counts are 0 to 100,000,000.")
        }
        guard orders == 0 || (users > 0 && products > 0) else {
            throw ValidationError("Orders need users and products: --users and --products may not be 0.")
        }
    }

    func work() async throws {
        let settings = try await store.settings()
        let retail = try await OpenStore(settings, for: .serving).sessions.retail
        let seed = RetailSeed(seed, locale: settings.retailLocale)
        let newUsers = try await fill(.users, users, retail) { numbers in
            try Self.added(await retail.createUsers(numbers.map { seed.user($0) }))
        }
        let newProducts = try await fill(.products, products, retail) { numbers in
            try Self.added(await retail.createProducts(numbers.map { seed.product($0) }))
        }
        let newOrders = try await fill(.orders, orders, retail) { numbers in
            let drafts = numbers.map { seed.order($0, users: users, products: products) }
            return try Self.added(await retail.createOrders(drafts)) { !$0.wasPresent }
        }
        let rows: [(kind: RetailKind, added: Int)] = [
            (.users, newUsers), (.products, newProducts), (.orders, newOrders),
        ]
        guard !output.json else {
            return Terminal.say(
                JSONValue.object(Dictionary(uniqueKeysWithValues: rows.map { ($0.kind.rawValue, .count($0.added)) }))
                    .text)
        }
        var table = Table("added", "#rows")
        table.rows = rows.map { [$0.kind.rawValue, $0.added.grouped] }
        Terminal.say(table.text)
    }

    /// Writes so many rows in batches, and returns how many were new.
    private func fill(
        _ kind: RetailKind, _ count: Int, _ retail: Retail, _ write: (Range<Int>) async throws -> Int
    ) async throws -> Int {
        guard count > 0 else { return 0 }
        let progress = Progress("seed \(kind.rawValue)", of: count)
        var added = 0
        for start in stride(from: 0, to: count, by: retail.limits.batchMax) {
            let end = min(start + retail.limits.batchMax, count)
            added += try await write(start..<end)
            progress.show(end)
        }
        progress.finish()
        return added
    }

    /// How many rows are new; one that is there already is as good.
    private static func added<Row>(
        _ results: [Result<Row, SojournError>], where isNew: (Row) -> Bool = { _ in true }
    ) throws -> Int {
        try results.count { result in
            switch result {
            case .success(let row): return isNew(row)
            case .failure(let error):
                guard error.code == .alreadyExists else { throw error }
                return false
            }
        }
    }
}
