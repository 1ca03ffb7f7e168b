// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser

/// `sojourn`: the server, and what an operator does beside it.
@main
struct SojournCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sojourn",
        abstract: "A session platform: who your visitors are, what they hold, what they did.",
        discussion: """
            `sojourn serve` runs the server; with no settings at all it keeps its sessions in ./data/sojourn.db and \
            listens on 127.0.0.1:8080. The other commands work beside a running server.

            Settings come from flags, then environment variables, then .env, then sojourn.yaml; `sojourn check` \
            shows what was taken from where.

            Exit codes: 0 done; 1 it failed, and standard error says why; 2 it ran and found something wrong; \
            64 the command line was wrong.
            """,
        version: "0.1.0",
        groupedSubcommands: [
            CommandGroup(name: "Server", subcommands: [ServeCommand.self, InitCommand.self, KeyCommand.self]),
            CommandGroup(
                name: "Look and act", subcommands: [SessionsCommand.self, ItemsCommand.self, StatsCommand.self]),
            CommandGroup(
                name: "Retail (PostgreSQL)",
                subcommands: [
                    RetailCommand<UsersNoun>.self, RetailCommand<ProductsNoun>.self, RetailCommand<OrdersNoun>.self,
                    SeedCommand.self, CacheWorkerCommand.self,
                ]),
            CommandGroup(
                name: "Pipeline (Kafka into PostgreSQL)",
                subcommands: [ProduceCommand.self, ConsumeCommand.self, DeadLettersCommand.self]),
            CommandGroup(
                name: "Maintenance",
                subcommands: [
                    CheckCommand.self, CleanupCommand.self, PartitionsCommand.self, AdoptCommand.self,
                    BackupCommand.self,
                ]),
        ])
}
