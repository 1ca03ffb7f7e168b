// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
public import Sojourn
internal import SojournServer

/// `sojourn partitions`.
struct PartitionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "partitions", abstract: "Make and retire the journal's months, and show them (PostgreSQL).",
        discussion: """
            A running server makes the months ahead by itself, and retires old ones where PARTITION_KEEP_MONTHS says so. \
            No step waits for a lock longer than 50 ms, and whoever needs the table meanwhile waits with it: `plan` shows \
            who that is.
            """,
        subcommands: [Status.self, Plan.self, Apply.self, Retire.self], defaultSubcommand: Status.self)

    /// `sojourn partitions status`.
    struct Status: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show the months, and how far ahead there is room for turns.",
            discussion: "Exits with 2 where there is room for less than seven days.")

        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func work() async throws {
            let status = try await store.open().sessions.partitions()
            if output.json {
                Terminal.say(status.json.text)
            } else {
                var table = Table("table", "state", "from", "to", "#rows, about", "#KiB")
                table.rows = status.partitions.map { partition in
                    [
                        partition.name, partition.state.rawValue, partition.span?.lowerBound.shown ?? "-",
                        partition.span?.upperBound.shown ?? "-", partition.rows?.grouped ?? "-",
                        (partition.bytes / 1024).grouped,
                    ]
                }
                Terminal.say(table.text)
                Terminal.say("\nroom for turns until \(status.reach.shown) UTC, now is \(status.now.shown)")
            }
            guard !status.isShort else { throw ExitCode(2) }
        }
    }

    /// `sojourn partitions plan`.
    struct Plan: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show what `apply` would do, step by step, with the locks that each step takes.")

        @OptionGroup var policy: PolicyOptions
        @OptionGroup var output: OutputOptions

        func work() async throws {
            let plan = try await policy.keeper().plan().plan
            guard !output.json else {
                return Terminal.say(JSONValue.object(["steps": .array(plan.steps.map { $0.json() })]).text)
            }
            guard !plan.steps.isEmpty else { return Terminal.say("Nothing to do.") }
            Terminal.say(plan.table.text)
        }
    }

    /// `sojourn partitions apply`.
    struct Apply: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make the months ahead, finish what was begun, and retire what is older than is kept.",
            discussion: """
                Safe beside running servers, to interrupt at any time, and to repeat. Exits with 1 where a step could not \
                be taken.
                """)

        @OptionGroup var policy: PolicyOptions
        @OptionGroup var output: OutputOptions

        func work() async throws {
            let keeper = try await policy.keeper()
            try await keeper.take(try await keeper.plan().plan, json: output.json)
        }
    }

    /// `sojourn partitions retire`.
    struct Retire: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take one month out of the journal, whatever its age.",
            discussion: """
                Its table is kept, and the rows of deleted sessions still leave it; a turn of that month makes it part of \
                the journal again. With --drop the table is removed with all that is in it, for good.
                """)

        @Argument(help: "The month, as in 2026-03.")
        var month: PartitionMonth

        @Flag(help: "Remove the month's turns for good.")
        var drop = false

        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func work() async throws {
            let opened = try await store.open()
            let keeper = try opened.keeper
            let status = try await opened.sessions.partitions()
            let plan = try PartitionPlan(retiring: month, as: drop ? .drop : .keep, in: status)
            try await keeper.take(plan, json: output.json)
        }
    }

    /// What months there shall be.
    struct PolicyOptions: ParsableArguments {
        @OptionGroup var store: StoreOptions

        @Option(
            help: ArgumentHelp(
                "Retire what is older than so many months before this one, or all (PARTITION_KEEP_MONTHS).",
                valueName: "months"))
        var keepMonths: String?

        /// The keeper of the store's months by the settings and these options.
        func keeper() async throws -> PartitionKeeper {
            let settings = try await store.settings(also: ["PARTITION_KEEP_MONTHS": keepMonths])
            return try await OpenStore(settings, for: .using).keeper
        }
    }
}

extension PartitionMonth: ExpressibleByArgument {
    public init?(argument: String) {
        self.init(argument)
    }
}

extension OpenStore {
    /// The keeper of the store's months.
    fileprivate var keeper: PartitionKeeper {
        get throws {
            guard let partitions else {
                throw SojournError(
                    .notAvailable, "This store has no partitions: PostgreSQL keeps the journal in one table a month.")
            }
            return partitions
        }
    }
}

extension PartitionKeeper {
    /// Takes the steps of a plan and tells of each, with its locks.
    ///
    /// - Throws: `ExitCode` where one could not be taken, once all were tried.
    fileprivate func take(_ plan: PartitionPlan, json: Bool) async throws {
        if plan.steps.isEmpty, !json { Terminal.say("Nothing to do.") }
        let progress = Progress("partitions", of: plan.steps.count)
        var taken = 0
        var failed = 0
        try await apply(plan) { step, result in
            let outcome: String
            switch result {
            case .success(let done): outcome = done.rawValue
            case .failure(let error):
                outcome = "failed"
                failed += 1
                Terminal.complain("\(error)")
            }
            Terminal.say(json ? step.json(outcome).text : step.line(outcome))
            taken += 1
            progress.show(taken)
        }
        if taken > 0 { progress.finish() }
        guard failed == 0 else { throw ExitCode.failure }
    }
}

extension PartitionPlan {
    /// The steps and their locks, for people.
    fileprivate var table: Table {
        var table = Table("step", "month", "locks", "who waits, at most 50 ms")
        for step in steps {
            for (index, lock) in step.locks.enumerated() {
                table.rows.append([
                    index == 0 ? step.verb : "", index == 0 ? "\(step.month)" : "",
                    "\(lock.table) \(lock.mode.rawValue)",
                    lock.mode.effect,
                ])
            }
        }
        return table
    }
}

extension PartitionStep {
    /// The step and what came of it, for people.
    fileprivate func line(_ outcome: String) -> String {
        (["\(self)  \(outcome)"] + locks.map { "  \($0)" }).joined(separator: "\n")
    }

    /// The step and what came of it, for machines; nil where it was not taken.
    fileprivate func json(_ outcome: String? = nil) -> JSONValue {
        let locks = locks.map { lock in
            JSONValue.object(["table": .string(lock.table), "mode": .string(lock.mode.rawValue)])
        }
        var members: [String: JSONValue] = [
            "step": .string(verb), "month": .string("\(month)"), "locks": .array(locks),
        ]
        members["outcome"] = outcome.map(JSONValue.string)
        return .object(members)
    }
}

extension PartitionStatus {
    /// The partitions as the HTTP contract shows them.
    fileprivate var json: JSONValue {
        let items = partitions.map { partition in
            JSONValue.object([
                "name": .string(partition.name), "month": .text(partition.month?.description),
                "state": .string(partition.state.rawValue), "from": .time(partition.span?.lowerBound),
                "to": .time(partition.span?.upperBound), "rows_estimate": partition.rows.map(JSONValue.count) ?? .null,
                "bytes": .count(partition.bytes),
            ])
        }
        return .object([
            "timestamp": .time(now), "reach": .time(reach), "seconds_ahead": .integer(ahead.components.seconds),
            "items": .array(items),
        ])
    }
}
