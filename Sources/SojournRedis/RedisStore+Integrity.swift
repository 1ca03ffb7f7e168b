// SPDX-License-Identifier: Apache-2.0

internal import RedisDriver
public import Sojourn

extension RedisStore {
    public func ping() async throws {
        try await RedisFailure.mapping {
            let role = try await client.send(RedisCommand("ROLE", retry: .ifInterrupted)).array()
            guard try role.first?.string() == "master" else {
                throw SojournError(
                    .storeUnavailable, "Redis takes no writes there: it is a replica. Name the primary in REDIS_URL.")
            }
        }
    }

    public func integrity() async throws -> IntegrityReport {
        try await RedisFailure.mapping {
            IntegrityReport(findings: try await client.findings(Self.findings))
        }
    }

    /// What a server's `INFO` and `CONFIG` say of how long sessions last there, and how long their ends do.
    static func findings(_ facts: [String: String]) -> [IntegrityReport.Finding] {
        [memory(facts), evictions(facts), persistence(facts)]
    }

    private static func memory(_ facts: [String: String]) -> IntegrityReport.Finding {
        let policy = facts["maxmemory_policy"] ?? "unknown"
        let isBounded = facts["maxmemory"].map { $0 != "0" } ?? false
        let meaning =
            if !isBounded {
                "no limit is set"
            } else if policy == "noeviction" {
                "when memory is full, nobody can sign in, and no session is lost"
            } else {
                "when memory is full, visitors are logged out: all our keys have a TTL"
            }
        return .init(
            check: "maxmemory-policy", isGood: policy == "noeviction" || !isBounded, detail: "\(policy): \(meaning)")
    }

    private static func evictions(_ facts: [String: String]) -> IntegrityReport.Finding {
        let count = facts["evicted_keys"].flatMap { Int($0) } ?? 0
        return .init(
            check: "evicted keys", isGood: count == 0,
            detail: count == 0 ? "none" : "\(count) since the server's start: visitors were logged out")
    }

    private static func persistence(_ facts: [String: String]) -> IntegrityReport.Finding {
        if facts["aof_enabled"] == "1" {
            let isWritten = facts["aof_last_write_status"] != "err"
            let sync = facts["appendfsync"] ?? "unknown"
            let meaning =
                sync == "always" ? "a crash loses nothing" : "a crash loses about a second, ends of sessions too"
            return .init(
                check: "persistence", isGood: isWritten,
                detail: "append-only file, appendfsync \(sync): "
                    + (isWritten ? meaning : "the last write failed, see Redis's log"))
        }
        guard let points = facts["save"] else {
            return .init(
                check: "persistence", isGood: true,
                detail: "no append-only file; whether there are snapshots is not told")
        }
        return .init(
            check: "persistence", isGood: points.isEmpty,
            detail: points.isEmpty
                ? "none: a restart logs everybody out"
                : "snapshots alone (save \(points)): a crash brings back sessions that were ended since the last one; "
                    + "turn on appendonly")
    }
}

extension RedisClient {
    /// What `findings` makes of what every server that takes writes says of its memory, its counters and its disk, by the
    /// names of `INFO` and `CONFIG`. Where there are several servers, each finding names its own.
    func findings(
        _ findings: ([String: String]) -> [IntegrityReport.Finding]
    ) async throws -> [IntegrityReport.Finding] {
        let infos = ["memory", "stats", "persistence"].map { RedisCommand("INFO", [$0], retry: .ifInterrupted) }
        let settings = ["save", "appendfsync"]
        let configs = settings.map { RedisCommand("CONFIG", ["GET", RedisArgument($0)], retry: .ifInterrupted) }
        let servers = try await sendToEach(infos + configs)
        return try servers.sorted { $0.key < $1.key }.flatMap { server, answers in
            var facts: [String: String] = [:]
            for answer in answers.prefix(infos.count) {
                for line in try answer.get().string().split(whereSeparator: \.isNewline) {
                    let parts = line.split(separator: ":", maxSplits: 1)
                    if parts.count == 2 { facts[String(parts[0])] = String(parts[1]) }
                }
            }
            // Refused by many who rent Redis out; then it is not known.
            for (name, answer) in zip(settings, answers.dropFirst(infos.count)) {
                if let pair = try? answer.get().pairs().first { facts[name] = try pair.value.string() }
            }
            return findings(facts).map { finding in
                guard servers.count > 1 else { return finding }
                return IntegrityReport.Finding(
                    check: "\(finding.check) at \(server)", isGood: finding.isGood, detail: finding.detail)
            }
        }
    }
}
