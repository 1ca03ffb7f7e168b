// SPDX-License-Identifier: Apache-2.0

internal import ArgumentParser
internal import Sojourn
internal import SojournServer

/// `sojourn stats`.
struct StatsCommand: OperatorCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Count sessions and what they hold, now.",
        discussion: "With KAFKA_BROKERS on PostgreSQL also how far the pipeline is, and its dead letters.")

    @OptionGroup var store: StoreOptions
    @OptionGroup var output: OutputOptions

    func work() async throws {
        let settings = try await store.settings()
        let (statistics, pipeline) = try await Self.look(settings)
        let byType = SessionType.allCases.compactMap { type in
            statistics.activeByType[type].map { (type.rawValue, $0) }
        }
        guard !output.json else {
            var counts: [String: JSONValue] = [
                "active_sessions": .count(statistics.active), "ended_sessions": .count(statistics.ended),
                "expired_sessions": .count(statistics.expired), "total_sessions": .count(statistics.total),
                "total_items": .count(statistics.items), "created_last_hour": .count(statistics.createdLastHour),
                "created_last_day": .count(statistics.createdLastDay),
                "active_by_type": .object(Dictionary(uniqueKeysWithValues: byType.map { ($0, .count($1)) })),
                "timestamp": .time(statistics.at),
            ]
            counts["pipeline"] = pipeline?.json
            return Terminal.say(JSONValue.object(counts).text)
        }
        var table = Table("sessions", "#count", "#share")
        func row(_ name: String, _ count: Int, of whole: Int) {
            let share = whole == 0 ? "-" : "\(Int((Double(count) * 100 / Double(whole)).rounded())) %"
            table.rows.append([name, count.grouped, share])
        }
        row("active", statistics.active, of: statistics.total)
        for (type, count) in byType { row("  \(type)", count, of: statistics.active) }
        row("ended", statistics.ended, of: statistics.total)
        row("expired", statistics.expired, of: statistics.total)
        row("total", statistics.total, of: statistics.total)
        table.rows.append(["created in the last hour", statistics.createdLastHour.grouped, ""])
        table.rows.append(["created in the last day", statistics.createdLastDay.grouped, ""])
        table.rows.append(["items held", statistics.items.grouped, ""])
        Terminal.say(table.text)
        if let pipeline { Terminal.say("\n" + pipeline.text) }
        Terminal.say("\nat \(statistics.at.shown) UTC")
    }
}

extension StatsCommand {
    /// Counts sessions, and how far the pipeline is where there is one.
    private static func look(_ settings: Settings) async throws -> (SessionStatistics, PipelineStatus?) {
        guard settings.hasPipeline else {
            return (try await OpenStore(settings, for: .using).sessions.statistics(), nil)
        }
        let pipeline = try await OpenPipeline(settings)
        let looked = (try await pipeline.sessions.statistics(), try await pipeline.status())
        try await pipeline.close()
        return looked
    }
}

extension PipelineStatus {
    /// The status for people.
    fileprivate var text: String {
        var table = Table("topic", "#partition", "#position", "#end", "#lag")
        table.rows = partitions.map { lag in
            [lag.topic, "\(lag.partition)", Int(lag.position).grouped, Int(lag.end).grouped, Int(lag.lag).grouped]
        }
        let rest =
            "open dead letters: \(openDeadLetters.grouped)\ndropped, their session being gone: \(dropped.grouped)"
        return table.text + "\n\n" + rest
    }
}
