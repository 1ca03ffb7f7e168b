// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Sojourn
internal import SojournServer

/// `sojourn cache-worker`.
struct CacheWorkerCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache-worker",
        abstract: "Let users and products take turns in Redis, until told to stop (SIGTERM, ^C).",
        discussion: """
            Every interval takes rows that were never cached and those cached longest ago, and replaces the hashes \
            PREFIX:{cache:users} and PREFIX:{cache:products} at once. Any number may run, and `sojourn serve` does the same: \
            a cycle is run once. A fair sample of all rows that goes round, and no cache for look-ups.
            """)

    @Flag(help: "Run one cycle now, whether or not it is due, and stop.")
    var once = false

    @Flag(help: "Forget what was cached when, empty the cache, and stop.")
    var reset = false

    @Option(help: "Time from one cycle to the next, as in 50s (CACHE_INTERVAL).")
    var interval: String?

    @Option(help: "Rows of each kind that were never cached (CACHE_NEW).")
    var new: String?

    @Option(help: "Rows of each kind that were cached longest ago (CACHE_OLD).")
    var old: String?

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard !once || !reset else { throw ValidationError("Give --once or --reset, not both.") }
        guard once || reset || !output.json else { throw ValidationError("--json is for --once and --reset.") }
    }

    func work() async throws {
        let settings = try await store.settings(
            also: ["CACHE_INTERVAL": interval, "CACHE_NEW": new, "CACHE_OLD": old])
        let process = try await CacheWorkerProcess(settings)
        guard once || reset else { return try await process.run() }
        if once { try await runOnce(process.worker) } else { try await forget(process.worker) }
        try await process.close()
    }

    private func forget(_ worker: CacheWorker) async throws {
        let progress = Progress("reset", of: nil)
        let forgotten = try await worker.reset { progress.show($0) }
        progress.finish()
        Terminal.say(
            output.json
                ? JSONValue.object(["forgotten": .count(forgotten)]).text : "\(forgotten.grouped) rows forgotten.")
    }

    private func runOnce(_ worker: CacheWorker) async throws {
        guard case .done(let cycle) = try await worker.cycle() else {
            throw SojournError(.storeUnavailable, "Another worker is running a cycle just now.")
        }
        let (status, cyclesMax) = try await worker.status()
        let kinds = zip(status.queues, [cycle.users, cycle.products])
        guard !output.json else {
            var members: [String: JSONValue] = ["cycle": .count(cycle.number), "cycles_max": .count(cyclesMax)]
            for (waiting, taken) in kinds {
                members[waiting.kind.rawValue] = .object([
                    "new": .count(taken.new), "old": .count(taken.old),
                    "never_cached": .count(waiting.queue.neverCached),
                ])
            }
            return Terminal.say(JSONValue.object(members).text)
        }
        var table = Table("cycle \(cycle.number)", "#new", "#old", "#never cached")
        table.rows = kinds.map { waiting, taken in
            [
                waiting.kind.rawValue, taken.new.grouped, taken.old.grouped, waiting.queue.neverCached.grouped,
            ]
        }
        Terminal.say(table.text)
        Terminal.say("Every row that is there now is cached within \(cyclesMax.grouped) cycles.")
    }
}
