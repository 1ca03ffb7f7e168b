// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Sojourn
internal import SojournServer

/// `sojourn dead-letters`.
struct DeadLettersCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead-letters",
        abstract: "Messages from Kafka that could not be written: look, try again, give up.",
        subcommands: [List.self, Show.self, Retry.self, Drop.self], defaultSubcommand: List.self)

    /// `sojourn dead-letters list`.
    struct List: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "List dead letters, the latest first.")

        @Option(help: "open, retried, dropped, or all.")
        var state = "open"

        @OptionGroup var paging: PageOptions

        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard state == "all" || DeadLetter.State(rawValue: state) != nil else {
                throw ValidationError("--state is open, retried, dropped or all.")
            }
        }

        func work() async throws {
            let request = try paging.request()
            let page = try await store.open().sessions.deadLetters.list(
                request, state: DeadLetter.State(rawValue: state))
            guard !output.json else { return paging.say(page.items.map(\.json), next: page.next) }
            var table = Table("#letter", "state", "partition", "#offset", "found", "reason")
            table.rows = page.items.map { letter in
                [
                    "\(letter.id)", letter.state.rawValue, "\(letter.partition)", "\(letter.message.offset)",
                    letter.createdAt.shown, letter.reason.escapingControls(),
                ]
            }
            paging.say(table, next: page.next)
        }
    }

    /// `sojourn dead-letters show`.
    struct Show: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "Show a dead letter as JSON.")

        @Argument(help: "Its number.")
        var letter: Int64

        @OptionGroup var store: StoreOptions

        func work() async throws {
            guard let found = try await store.open().sessions.deadLetters.letter(letter) else { throw missing(letter) }
            Terminal.say(found.json.text)
        }
    }

    /// `sojourn dead-letters retry`.
    struct Retry: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Try to write dead letters once more.",
            discussion: "A letter that cannot be written stays open; the others are written all the same.")

        @OptionGroup var chosen: Chosen
        @OptionGroup var store: StoreOptions

        func work() async throws {
            try await chosen.settle(store, "written") { try await $0.retry($1) }
        }
    }

    /// `sojourn dead-letters drop`.
    struct Drop: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give dead letters up.", discussion: "They are kept, and listed with --state dropped.")

        @OptionGroup var chosen: Chosen
        @OptionGroup var store: StoreOptions

        func work() async throws {
            try await chosen.settle(store, "dropped") { try await $0.drop($1) }
        }
    }

    /// Which letters something is done about.
    struct Chosen: ParsableArguments {
        @Argument(help: "Their numbers.")
        var letters: [Int64] = []

        @Flag(help: "All that are open.")
        var all = false

        func validate() throws {
            guard letters.isEmpty == all else { throw ValidationError("Name letters, or say --all.") }
        }

        /// Does something about each, and tells how often that went well; exits with 2 where it did not for some.
        func settle(
            _ store: StoreOptions, _ done: String, _ body: (DeadLetters, Int64) async throws -> DeadLetter?
        ) async throws {
            let store = try await store.open().sessions.deadLetters
            var (count, failures) = (0, 0)
            func settle(_ letter: Int64) async throws {
                do {
                    guard try await body(store, letter) != nil else { throw missing(letter) }
                    count += 1
                } catch let error as SojournError where !error.isPassing {
                    failures += 1
                    Terminal.complain("letter \(letter): \(error)")
                }
            }
            for letter in letters { try await settle(letter) }
            var after: PageCursor?
            while all {
                let page = try await store.list(PageRequest(limit: 100, after: after))
                for letter in page.items { try await settle(letter.id) }
                guard let next = page.next else { break }
                after = next
            }
            Terminal.say("\(count.grouped) \(done).")
            if failures > 0 { throw ExitCode(2) }
        }
    }

    private static func missing(_ letter: Int64) -> SojournError {
        SojournError(.invalidInput, "There is no such dead letter.", field: "\(letter)")
    }
}
