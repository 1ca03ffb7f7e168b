// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Sojourn
internal import SojournServer

/// `sojourn users import` and its like.
struct RetailImportCommand<Noun: RetailNoun>: OperatorCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "import",
            abstract: "Import \(Noun.kind.rawValue) from a CSV file whose first row names columns.",
            discussion: """
                The columns are those of `export`, in any order; of users, an address may stand in place of the region. \
                What a file leaves out stays as it is. The whole file is checked first: one bad row, and nothing is \
                written. It can be broken off and repeated: what is there already is recognised by its id.
                """)
    }

    @Argument(help: "The CSV file, in UTF-8.")
    var file: String

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func work() async throws {
        let source = try RetailImport(Noun.kind, path: file)
        let retail = try await store.open().sessions.retail
        let progress = Progress("import \(Noun.kind.rawValue)", of: source.rows)
        let outcome: RetailImport.Outcome
        do {
            outcome = try await source.run(into: retail) { progress.show($0) }
            progress.finish()
        } catch {
            progress.finish()
            throw error
        }
        guard !output.json else {
            let counts: [String: JSONValue] = [
                "added": .count(outcome.added), "updated": .count(outcome.updated),
                "unchanged": .count(outcome.unchanged), "detached": .count(outcome.detached),
            ]
            return Terminal.say(JSONValue.object(counts).text)
        }
        let left =
            outcome.detached > 0 ? " Left out \(outcome.detached.grouped) whose user or product is gone." : ""
        Terminal.say(
            "Added \(outcome.added.grouped), updated \(outcome.updated.grouped), "
                + "unchanged \(outcome.unchanged.grouped).\(left)")
    }
}

/// `sojourn users export` and its like.
struct RetailExportCommand<Noun: RetailNoun>: OperatorCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "export", abstract: "Export \(Noun.kind.rawValue) into a new CSV file.",
            discussion: Noun.kind == .users ? "Users known from a session alone have no name, and are left out." : "")
    }

    @Argument(help: "The CSV file to be made.")
    var file: String

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func work() async throws {
        let retail = try await store.open().sessions.retail
        let progress = Progress("export \(Noun.kind.rawValue)", of: nil)
        let rows = try await RetailExport(Noun.kind, path: file).run(from: retail) { progress.show($0) }
        progress.finish()
        Terminal.say(
            output.json ? JSONValue.object(["rows": .count(rows)]).text : "Exported \(rows.grouped) rows to \(file).")
    }
}
