// SPDX-License-Identifier: Apache-2.0

internal import RedisDriver
public import Sojourn

extension RedisStore {
    public func ping() async throws {
        try await answering {
            let role = try await client.send(RedisCommand("ROLE", retry: .ifInterrupted)).array()
            guard try role.first?.string() == "master" else {
                throw SojournError(
                    .storeUnavailable, "Redis takes no writes there: it is a replica. Name the primary in REDIS_URL.")
            }
        }
    }

    public func integrity() async throws -> IntegrityReport {
        try await answering {
            let answers = await client.send([
                RedisCommand("INFO", ["memory"], retry: .ifInterrupted),
                RedisCommand("INFO", ["stats"], retry: .ifInterrupted),
                RedisCommand("INFO", ["persistence"], retry: .ifInterrupted),
            ])
            var info: [String: String] = [:]
            for answer in answers {
                for line in try answer.get().string().split(whereSeparator: \.isNewline) {
                    let parts = line.split(separator: ":", maxSplits: 1)
                    if parts.count == 2 { info[String(parts[0])] = String(parts[1]) }
                }
            }
            return IntegrityReport(findings: Self.findings(info))
        }
    }

    /// What a server's `INFO` says of how long sessions last there.
    static func findings(_ info: [String: String]) -> [IntegrityReport.Finding] {
        let policy = info["maxmemory_policy"] ?? "unknown"
        let hasLimit = info["maxmemory"].map { $0 != "0" } ?? false
        let evicted = info["evicted_keys"].flatMap { Int($0) } ?? 0
        let appends = info["aof_enabled"] == "1"
        let snapshot = info["rdb_last_bgsave_status"] ?? "unknown"
        let meaning =
            switch policy {
            case "noeviction":
                hasLimit ? "when memory is full, nobody can sign in, and no session is lost" : "no limit is set"
            case _ where policy.hasPrefix("allkeys"): "when memory is full, visitors are logged out"
            default: "when memory is full, sessions are dropped before their time, since all of them have a TTL"
            }
        return [
            .init(
                check: "maxmemory-policy", isGood: policy == "noeviction" || !hasLimit, detail: "\(policy): \(meaning)"),
            .init(
                check: "evicted keys", isGood: evicted == 0,
                detail: evicted == 0 ? "none" : "\(evicted) since the server's start: visitors were logged out"),
            .init(
                check: "persistence", isGood: appends && info["aof_last_write_status"] != "err",
                detail: appends
                    ? "append-only file, last write \(info["aof_last_write_status"] ?? "unknown")"
                    : "no append-only file (last snapshot: \(snapshot)): a crash loses what came since the last snapshot, "
                        + "ends of sessions among it"),
        ]
    }
}
