// SPDX-License-Identifier: Apache-2.0

public import Logging
public import RedisDriver
public import Sojourn
internal import Synchronization

/// Copies of sessions in Redis 7 or newer, or Valkey, before a database (R2).
///
/// A copy carries its era, stands under the run id of the server that it was brought to, and is worth nothing elsewhere: a
/// server that was restarted from an old snapshot, or promoted in another's place, is cold. Every copy has a TTL; eviction
/// is harmless, so any `maxmemory-policy` will do.
public final class RedisCache: SessionCache {
    private let client: RedisClient
    private let prefix: String
    private let scripts = Scripts(keeping: RedisStore.endedLife)
    /// The number of the last leave: from anywhere, so that no other node's is the same at the same time.
    private let lastLeave = Atomic(UInt64.random(in: 0 ... .max))

    /// Most time for an answer: past it, the database is asked.
    public static let answerMax = Duration.milliseconds(250)

    /// A cache on the servers that the configuration names. Connects when it is first used; what takes longer than
    /// `answerMax` fails, and an outage is told at once.
    ///
    /// - Parameter prefix: What every key begins with.
    public init(
        _ configuration: RedisConfiguration, prefix: String = "sojourn", answerMax: Duration = RedisCache.answerMax,
        logger: Logger = Logger(label: "sojourn.cache")
    ) {
        client = RedisClient(configuration.impatient(answerMax), logger: logger)
        self.prefix = prefix
    }

    /// Ends every connection; later calls throw `storeUnavailable`.
    public func close() {
        client.close()
    }

    /// The key of a session's copy.
    func key(_ id: SessionID) -> String { keyStart + "\(id)" + Self.keyEnd }

    /// What the keys of copies begin with, and what they end with.
    private var keyStart: String { "\(prefix):{" }
    private static let keyEnd = "}:copy"

    public func look(for id: SessionID, era: Int64) async throws -> CachedSession {
        try await RedisFailure.mapping {
            let key = key(id)
            let found = try await client.send(RedisCommand("HGET", key: key, [.runID], retry: .ifInterrupted))
            if case .bytes(let bytes) = found, let image = PackedRecord.unpack(bytes, of: id, era: era) {
                return .copy(image)
            }
            let number = lastLeave.wrappingAdd(1, ordering: .relaxed).newValue
            let isLeave = try await client.send(
                .script(
                    scripts.leave, keys: [key], [RedisArgument(Int(era)), .runID, RedisArgument(String(number))],
                    retry: .ifInterrupted))
            return .missing(
                leave: try isLeave.int() == 1 ? CacheLeave(session: id, era: era, number: number) : nil)
        }
    }

    public func bring(_ copies: [SessionCopy]) async throws {
        try await RedisFailure.mapping {
            let answers = await client.send(
                copies.map { copy in
                    let milliseconds = max(1, Int(copy.life / .milliseconds(1)))
                    let arguments: [RedisArgument] = [
                        RedisArgument(Int(copy.leave.era)), .runID, RedisArgument(String(copy.leave.number)),
                        RedisArgument(milliseconds),
                        RedisArgument(PackedRecord.pack(copy.image, era: copy.leave.era)),
                    ]
                    return .script(scripts.bring, keys: [key(copy.leave.session)], arguments)
                })
            for answer in answers { _ = try answer.get() }
        }
    }

    public func remove(_ ids: [SessionID]) async throws { try await holdBack(ids, 0) }

    public func holdBack(_ ids: [SessionID]) async throws { try await holdBack(ids, 1) }

    public func free(_ ids: [SessionID]) async throws { try await holdBack(ids, -1) }

    private func holdBack(_ ids: [SessionID], _ holders: RedisArgument) async throws {
        try await RedisFailure.mapping {
            let answers = await client.send(
                ids.map {
                    .script(scripts.holdBack, keys: [key($0)], [holders], retry: holders == 0 ? .ifInterrupted : .never)
                })
            for answer in answers { _ = try answer.get() }
        }
    }

    public func events() throws -> (any AsyncSequence<CacheEvent, Never> & Sendable)? {
        do {
            return try client.track(prefixes: [keyStart]).map { [keyStart] event in
                switch event {
                case .began: .began
                case .flushed: .emptied
                case .lost: .lost
                case .invalidated(let keys): .changed(keys.compactMap { Self.session(of: $0, keyStart) })
                }
            }
        } catch { throw RedisFailure.map(error) }
    }

    /// The session whose copy a key names; nil where it is another kind of key.
    private static func session(of key: String, _ start: String) -> SessionID? {
        guard key.hasPrefix(start), key.hasSuffix(keyEnd) else { return nil }
        return SessionID(key.dropFirst(start.count).dropLast(keyEnd.count))
    }

    public func findings() async throws -> [IntegrityReport.Finding] {
        try await RedisFailure.mapping { try await client.findings(Self.findings) }
    }

    /// What a server's settings mean where it holds nothing but copies.
    static func findings(_ facts: [String: String]) -> [IntegrityReport.Finding] {
        let policy = facts["maxmemory_policy"] ?? "unknown"
        let isBounded = facts["maxmemory"].map { $0 != "0" } ?? false
        let isStuck = isBounded && policy == "noeviction"
        let savesToDisk = facts["aof_enabled"] == "1" || facts["save"].map { !$0.isEmpty } ?? false
        return [
            .init(
                check: "maxmemory-policy of the cache", isGood: !isStuck,
                detail: isStuck
                    ? "noeviction: when memory is full, no session is copied any more; allkeys-lru suits a cache"
                    : "\(policy): \(isBounded ? "when memory is full, the database answers for what was dropped" : "no limit")"
            ),
            .init(
                check: "evicted keys of the cache", isGood: true,
                detail: "\(facts["evicted_keys"] ?? "0") since the server's start; the database answered for them"),
            .init(
                check: "persistence of the cache", isGood: true,
                detail: savesToDisk
                    ? "on, and of no use: a restarted Redis is cold in any case" : "off, as suits a cache"),
        ]
    }
}

extension RedisConfiguration {
    /// The same for a cache: what takes longer fails, and an outage is told at once.
    func impatient(_ answerMax: Duration) -> RedisConfiguration {
        var configuration = self
        configuration.answerTimeout = min(answerTimeout, answerMax)
        configuration.outageGrace = .zero
        return configuration
    }
}
