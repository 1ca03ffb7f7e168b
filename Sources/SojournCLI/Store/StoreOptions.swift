// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Sojourn
internal import SojournServer

/// The options by which every command finds its store.
struct StoreOptions: ParsableArguments {
    @Option(name: .customLong("data"), help: ArgumentHelp("The data folder (DATA_DIR).", valueName: "dir"))
    var dataFolder: String?

    @Option(help: ArgumentHelp("The store, as in sqlite:./data/sojourn.db (DATABASE_URL).", valueName: "url"))
    var databaseURL: String?

    /// What the command line says, by the settings' names.
    var flags: [String: String] {
        ["DATA_DIR": dataFolder, "DATABASE_URL": databaseURL].compactMapValues { $0 }
    }

    /// The settings, flags first.
    func settings(also more: [String: String?] = [:]) async throws -> Settings {
        try await Settings.load(flags: flags.merging(more.compactMapValues { $0 }) { $1 })
    }

    /// The store that the settings name; it has to be there.
    func open() async throws -> OpenStore {
        try await OpenStore(try await settings(), for: .using)
    }
}

/// How a command that shows something shows it.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print JSON for machines.")
    var json = false
}

/// Which page of a listing a command shows.
struct PageOptions: ParsableArguments {
    @Option(help: "How many at the most, up to 500.")
    var limit = 50

    @Option(help: "Go on where the last page ended.")
    var cursor: String?

    /// The page.
    func request() throws -> PageRequest {
        let after = try cursor.map { text in
            guard let cursor = PageCursor(text) else { throw ValidationError("--cursor is none of ours.") }
            return cursor
        }
        return PageRequest(limit: limit, after: after)
    }

    /// Prints rows for machines, with the cursor of the next page.
    func say(_ rows: [JSONValue], next: PageCursor?) {
        Terminal.say(JSONValue.object(["items": .array(rows), "next": .text(next?.text)]).text)
    }

    /// Prints a table for people, and how to see the next page.
    func say(_ table: Table, next: PageCursor?) {
        Terminal.say(table.text)
        if let next { Terminal.remark("More: --cursor \(next.text)\n") }
    }
}

/// A command of `sojourn`: what it throws is told on standard error in one or two sentences, and the exit code is 1.
protocol OperatorCommand: AsyncParsableCommand {
    /// The command's work.
    func work() async throws
}

extension OperatorCommand {
    func run() async throws {
        do {
            try await work()
        } catch let error as ExitCode {
            throw error
        } catch let error as ValidationError {
            throw error
        } catch {
            Terminal.complain("\(error)")
            throw ExitCode.failure
        }
    }
}
