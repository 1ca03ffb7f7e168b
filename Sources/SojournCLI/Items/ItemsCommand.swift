// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Sojourn
internal import SojournServer

/// `sojourn items`.
struct ItemsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "items", abstract: "Import and search the catalogue of items.",
        subcommands: [Import.self, Search.self])

    /// `sojourn items import`.
    struct Import: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Import the catalogue from a CSV file with the header id,name,category.",
            discussion: """
                The whole file is checked first: one bad row, and nothing is written. Rows whose id is known are \
                updated, so that an import can be repeated; a category may be empty.
                """)

        @Argument(help: "The CSV file, in UTF-8.")
        var file: String

        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func work() async throws {
            let catalogue = try CatalogueFile(path: file)
            let sessions = try await OpenStore(try await store.settings(), for: .serving).sessions
            let progress = Progress("import", of: catalogue.items.count)
            var added = 0
            var updated = 0
            for start in stride(from: 0, to: catalogue.items.count, by: sessions.limits.batchMax) {
                let end = min(start + sessions.limits.batchMax, catalogue.items.count)
                let put = try await sessions.put(Array(catalogue.items[start..<end]))
                added += put.added
                updated += put.updated
                progress.show(end)
            }
            progress.finish()
            let unchanged = catalogue.items.count - added - updated
            Terminal.say(
                output.json
                    ? JSONValue.object(["added": .count(added), "updated": .count(updated)]).text
                    : "Added \(added.grouped), updated \(updated.grouped), unchanged \(unchanged.grouped).")
        }
    }

    /// `sojourn items search`.
    struct Search: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "List catalogue items whose name begins so, letter case ignored.")

        @Argument(help: "How the name begins; nothing lists all.")
        var prefix = ""

        @Option(help: "How many at the most, up to 500.")
        var limit = 50

        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func work() async throws {
            let page = try await store.open().sessions.items(prefix: prefix, page: PageRequest(limit: limit))
            guard !output.json else {
                let rows = page.items.map { item in
                    JSONValue.object([
                        "id": .integer(item.id), "name": .string(item.name), "category": .text(item.category),
                    ])
                }
                return Terminal.say(JSONValue.object(["items": .array(rows), "next": .text(page.next?.text)]).text)
            }
            var table = Table("#id", "name", "category")
            table.rows = page.items.map { [String($0.id), $0.name, $0.category ?? "-"] }
            Terminal.say(table.text)
            if page.next != nil { Terminal.remark("There are more: raise --limit or type more of the name.\n") }
        }
    }
}
