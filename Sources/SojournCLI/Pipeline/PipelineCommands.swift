// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Foundation
internal import Sojourn
internal import SojournServer

/// `sojourn produce`.
struct ProduceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "produce", abstract: "Write made-up orders to Kafka.", subcommands: [Orders.self])

    /// `sojourn produce orders`.
    struct Orders: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write orders of random users for random products to the topic of orders (KAFKA_BROKERS).",
            discussion: "Runs until --count orders are delivered, or until it is told to stop (SIGTERM, ^C).")

        @Option(help: "Orders a second, or max.")
        var rate = "max"

        @Option(help: "How many; without, until it is told to stop.")
        var count: Int?

        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard rate == "max" || Int(rate).map({ (1...1_000_000).contains($0) }) == true else {
                throw ValidationError("--rate is a number from 1 to 1,000,000, or max.")
            }
            guard count.map({ $0 >= 0 }) ?? true else { throw ValidationError("--count is a number from 0.") }
        }

        func work() async throws {
            let pipeline = try await OpenPipeline(try await store.settings())
            let progress = Progress("orders", of: count)
            let begin = ContinuousClock.now
            let delivered = try await pipeline.produce(count, rate: Int(rate)) { progress.show($0) }
            progress.finish()
            let seconds = max(begin.duration(to: .now) / .seconds(1), 0.001)
            try await pipeline.close()
            guard !output.json else { return Terminal.say(JSONValue.object(["delivered": .count(delivered)]).text) }
            Terminal.say("Delivered \(delivered.grouped) orders, \(Int(Double(delivered) / seconds).grouped) a second.")
        }
    }
}

/// `sojourn consume`.
struct ConsumeCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "consume",
        abstract: "Write orders, and entries of the journal, from Kafka into PostgreSQL, each once.",
        discussion: """
            How far the group is stands in the database beside the rows, so that any number of these may run, and any may \
            die. What cannot be written becomes a dead letter. The journal's topic is read where JOURNAL_MODE is kafka, or \
            KAFKA_JOURNAL_TOPIC names it. Runs until it is told to stop (SIGTERM, ^C).
            """)

    @Option(help: "How many consumers of the group to run in this process.")
    var workers = 9

    @Flag(help: "End once nothing is left to be read.")
    var exitWhenCaughtUp = false

    @Option(
        help: ArgumentHelp(
            "First set where the group goes on: beginning, end, an offset, or a time as in 2026-11-21T12:00:00Z.",
            valueName: "place"))
    var rewind: String?

    @Option(help: "Which topic that is about; by default that of orders.")
    var topic: String?

    @OptionGroup var store: StoreOptions

    func validate() throws {
        guard (1...64).contains(workers) else { throw ValidationError("--workers is a number from 1 to 64.") }
        guard try place() != nil || topic == nil else { throw ValidationError("--topic goes with --rewind.") }
    }

    private func place() throws -> StreamPlace? {
        switch rewind {
        case nil: return nil
        case "beginning": return .beginning
        case "end": return .end
        case let text?:
            if let offset = Int64(text), offset >= 0 { return .offset(offset) }
            guard let time = Timestamp(text) else {
                throw ValidationError("--rewind is beginning, end, an offset, or a time as in 2026-11-21T12:00:00Z.")
            }
            return .time(Date(time))
        }
    }

    func work() async throws {
        let pipeline = try await OpenPipeline(try await store.settings())
        if let place = try place() {
            let places = try await pipeline.rewind(topic, to: place).sorted { $0.key < $1.key }
            Terminal.remark("Goes on at " + places.map { "\($0.key): \($0.value)" }.joined(separator: ", ") + "\n")
        }
        let begin = try await pipeline.lags()
        let progress = Progress("messages", of: exitWhenCaughtUp ? begin.reduce(0) { $0 + Int($1.lag) } : nil)
        try await pipeline.consume(workers: workers, from: begin, isFinite: exitWhenCaughtUp) {
            progress.show($0)
        } unseen: {
            Terminal.complain("How far the group is cannot be seen, and so not whether anything is left. \($0)")
        }
        progress.finish()
        try await pipeline.close()
    }
}
