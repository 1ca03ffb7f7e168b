// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Sojourn
internal import SojournServer

/// Which of the three commands `users`, `products` and `orders` is meant: they differ in their rows alone.
protocol RetailNoun {
    /// The rows.
    static var kind: RetailKind { get }
}

/// `sojourn users`.
enum UsersNoun: RetailNoun { static let kind = RetailKind.users }
/// `sojourn products`.
enum ProductsNoun: RetailNoun { static let kind = RetailKind.products }
/// `sojourn orders`.
enum OrdersNoun: RetailNoun { static let kind = RetailKind.orders }

extension RetailKind {
    /// One of them.
    fileprivate var one: String { String(rawValue.dropLast()) }

    /// What an argument `FIELD=VALUE` each says.
    fileprivate func members(_ arguments: [String]) throws -> [String: JSONValue] {
        var texts: [String: String] = [:]
        for argument in arguments {
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, texts.updateValue(parts[1], forKey: parts[0]) == nil else {
                throw ValidationError("\(argument): expected FIELD=VALUE, each field once.")
            }
        }
        return try members(texts)
    }

    /// Shows a row, or fails where there is none.
    fileprivate func show(_ row: JSONValue?, _ id: String, json: Bool) throws {
        guard let row else { throw SojournError(.invalidInput, "There is no such \(one).", field: id) }
        guard !json else { return Terminal.say(row.text) }
        for (name, cell) in zip(columns, cells(row)) {
            Terminal.say(
                name + String(repeating: " ", count: 17 - name.count) + (cell.isEmpty ? "-" : cell.escapingControls()))
        }
    }
}

/// `sojourn users`, `sojourn products`, `sojourn orders`.
struct RetailCommand<Noun: RetailNoun>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: Noun.kind.rawValue,
            abstract: "List, show, create, update and delete \(Noun.kind.rawValue); import and export them as CSV.",
            subcommands: [
                RetailList<Noun>.self, RetailShow<Noun>.self, RetailCreate<Noun>.self, RetailUpdate<Noun>.self,
                RetailDelete<Noun>.self, RetailImportCommand<Noun>.self, RetailExportCommand<Noun>.self,
            ], defaultSubcommand: RetailList<Noun>.self)
    }
}

/// `sojourn users list` and its like.
struct RetailList<Noun: RetailNoun>: OperatorCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "list", abstract: "List \(Noun.kind.rawValue).")
    }

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    @Option(help: "Only this user's (orders).")
    var user: String?

    @OptionGroup var paging: PageOptions

    func validate() throws {
        guard user == nil || Noun.kind == .orders else { throw ValidationError("--user is for orders.") }
    }

    func work() async throws {
        let request = try paging.request()
        let page = try await Noun.kind.page(
            request, of: try store.open().sessions.retail, user: try user.map(userID))
        guard !output.json else { return paging.say(page.items, next: page.next) }
        let kind = Noun.kind
        var table = Table(kind.columns.map { kind.numbers.contains($0) ? "#\($0)" : $0 })
        table.rows = page.items.map { kind.cells($0).map { $0.isEmpty ? "-" : $0 } }
        paging.say(table, next: page.next)
    }
}

/// `sojourn users show` and its like.
struct RetailShow<Noun: RetailNoun>: OperatorCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "show", abstract: "Show one of the \(Noun.kind.rawValue).")
    }

    @Argument(help: "Its id.")
    var id: String

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func work() async throws {
        let row = try await Noun.kind.row(id, of: try store.open().sessions.retail)
        try Noun.kind.show(row, id, json: output.json)
    }
}

/// `sojourn users create` and its like.
struct RetailCreate<Noun: RetailNoun>: OperatorCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "create", abstract: "Create one of the \(Noun.kind.rawValue) from FIELD=VALUE arguments.",
            discussion: "The fields are those of the HTTP API, as in `sojourn users create name=Mina age=27`.")
    }

    @Argument(help: ArgumentHelp("What it says.", valueName: "field=value"))
    var fields: [String]

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func work() async throws {
        let members = try Noun.kind.members(fields)
        let row = try await Noun.kind.create(members, in: try store.open().sessions.retail)
        try Noun.kind.show(row, "", json: output.json)
    }
}

/// `sojourn users update` and its like.
struct RetailUpdate<Noun: RetailNoun>: OperatorCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "update", abstract: "Change one of the \(Noun.kind.rawValue) by FIELD=VALUE arguments.",
            discussion: "A field without a value, as in region=, is cleared; what is not named stays.")
    }

    @Argument(help: "Its id.")
    var id: String

    @Argument(help: ArgumentHelp("What it shall say.", valueName: "field=value"))
    var fields: [String]

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func work() async throws {
        let members = try Noun.kind.members(fields)
        let row = try await Noun.kind.update(id, members, in: try store.open().sessions.retail)
        try Noun.kind.show(row, id, json: output.json)
    }
}

/// `sojourn users delete` and its like.
struct RetailDelete<Noun: RetailNoun>: OperatorCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: "delete", abstract: "Delete one of the \(Noun.kind.rawValue).",
            discussion: Noun.kind == .users
                ? "Erases the user: sessions with all that they hold, and the journal. Orders stay, without the user."
                : Noun.kind == .products ? "Its orders stay, without it." : "")
    }

    @Argument(help: "Its id.")
    var id: String

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func work() async throws {
        guard let receipt = try await Noun.kind.delete(id, in: try store.open().sessions) else {
            throw SojournError(.invalidInput, "There is no such \(Noun.kind.one).", field: id)
        }
        Terminal.say(output.json ? receipt.text : "Deleted.")
    }
}
