// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Sojourn
internal import SojournServer

/// `sojourn cleanup`.
struct CleanupCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "cleanup",
        abstract: "Mark what has run out or lies unused, and delete what retention gives up.",
        discussion: """
            A running server does this by itself every SWEEP_INTERVAL. Works in small steps beside it, can be \
            interrupted at any time, and goes on where it is started again.
            """)

    @Flag(help: "Count what would happen, and change nothing.")
    var dryRun = false

    @Flag(help: "Go on although the clock has jumped or the fuse says that the rows look live.")
    var force = false

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func work() async throws {
        let sweeper = try await store.open().sweeper
        let outcome: SweepOutcome
        if dryRun {
            outcome = try await sweeper.dryRun()
        } else {
            let progress = Progress("cleanup", of: nil)
            var total = SweepOutcome()
            repeat {
                let before = total
                let run = try await sweeper.sweep(force: force) { step in
                    progress.show(before.touched + step.touched)
                }
                total.add(run)
            } while total.more || total.lapNext != nil
            if total.touched > 0 { progress.finish() }
            outcome = total
        }
        guard !output.json else {
            let counts: [String: JSONValue] = [
                "dry_run": .bool(dryRun), "expired": .count(outcome.expired), "revoked": .count(outcome.revoked),
                "inactive": .count(outcome.inactive), "deleted": .count(outcome.deleted),
            ]
            return Terminal.say(JSONValue.object(counts).text)
        }
        var table = Table(dryRun ? "would be" : "was", "#sessions")
        table.rows = [
            ["marked as expired", outcome.expired.grouped], ["marked as revoked", outcome.revoked.grouped],
            ["marked as inactive", outcome.inactive.grouped], ["deleted", outcome.deleted.grouped],
        ]
        Terminal.say(table.text)
    }
}

extension SweepOutcome {
    /// How many sessions were marked or deleted.
    fileprivate var touched: Int { expired + revoked + inactive + deleted }
}
