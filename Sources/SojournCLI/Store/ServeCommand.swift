// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Sojourn
internal import SojournServer

/// `sojourn serve`.
struct ServeCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve", abstract: "Run the server until it is told to stop (SIGTERM, ^C).")

    @OptionGroup var store: StoreOptions

    @Option(help: "The address to listen on (HOST).")
    var host: String?

    @Option(help: "The port to listen on; 0 takes a free one (PORT).")
    var port: String?

    func work() async throws {
        let settings = try await store.settings(also: ["HOST": host, "PORT": port])
        try await Server(settings).run()
    }
}

/// `sojourn init`.
struct InitCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make the database, or bring its tables up to date.",
        discussion: "Safe to repeat, and beside a running server. `serve` does the same when it starts.")

    @OptionGroup var store: StoreOptions

    @Flag(help: "Let SQL in this database name the tables without their schema (PostgreSQL).")
    var searchPath = false

    func work() async throws {
        let settings = try await store.settings()
        let store = try await OpenStore(settings, for: .making)
        try await store.sessions.ping()
        if searchPath { try await store.setSearchPath() }
        if settings.serviceKeys.isEmpty, !settings.database.isShared {
            _ = try ServiceKeyFile(dataFolder: settings.dataFolder).readOrMake()
        }
        Terminal.say("\(store.place) is ready.")
    }
}

/// `sojourn key`.
struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Show the service key, or make one.", subcommands: [Show.self, New.self])

    /// `sojourn key show`.
    struct Show: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the service key of the server on this data folder.",
            discussion: "A secret: whoever holds it may do everything. Where SOJOURN_SERVICE_KEY is set, that is it.")

        @OptionGroup var store: StoreOptions

        func work() async throws {
            Terminal.say(try ServiceKeyFile.text(for: try await store.settings()))
        }
    }

    /// `sojourn key new`.
    struct New: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print a new key, for SOJOURN_SERVICE_KEY; nothing is stored.",
            discussion: "Several keys, set apart by commas, are valid at once: add the new one, then drop the old.")

        func work() async throws {
            Terminal.say(ServiceKeyFile.newText())
        }
    }
}

/// `sojourn backup`.
struct BackupCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Copy the database, checked, while the server goes on.",
        discussion: """
            The copy is of one moment and complete in itself. To restore it, stop the server and put the copy in the \
            database's place.
            """)

    @Argument(help: "Where the copy goes; must not exist yet.")
    var file: String

    @OptionGroup var store: StoreOptions

    func work() async throws {
        let store = try await store.open()
        let progress = Progress("backup", of: 100)
        try await store.backup(to: file) { share in progress.show(Int(share * 100)) }
        progress.finish()
        Terminal.say("\(file) holds a checked copy of \(store.place).")
    }
}
