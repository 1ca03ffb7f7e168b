// SPDX-License-Identifier: Apache-2.0

public import Logging
public import RedisDriver
public import Sojourn
internal import Synchronization

/// Sessions and items in Redis 7 or newer, or Valkey: one server, one behind Sentinel, or a cluster (R1).
///
/// Redis alone keeps what it keeps: after a crash or a failover the last writes may be gone, with them an end. Where that
/// matters, put Redis in front of a database instead.
///
/// - **Time** is the server's, and its TTL does the expiry: a session's keys go `endedLife` after its end or expiry, and
///   are history until then. The journal needs a database.
/// - **Decisions** that happen most (validations, creations, items) are one script each. The rest reads the session,
///   lets `SessionRecord` decide, and writes on condition that nobody changed it since, again if somebody did.
/// - **Users.** A session and its user stand in different slots of a cluster, so nothing changes both at once. A user's
///   epoch decides: whoever works on a session of a user reads the epoch as well, in the same pipeline once the user is
///   known, and refuses where the session's is lower. The list of a user's sessions may name dead ones.
public final class RedisStore: Sendable {
    let client: RedisClient
    let keys: Keys
    let scripts: Scripts
    /// Where the time is not the server's.
    private let clock: (any WallClock)?
    /// Whose session it was when last seen, so that its user's epoch can be asked for in the same pipeline.
    let owners = Memo<SessionID, UserID>()
    /// Items that the catalogue is known to have; none is ever taken out.
    let knownItems = Memo<ItemID, Bool>()

    /// How long a session is kept after its end or expiry.
    public static let endedLife = Duration.seconds(3600)

    /// A store on the servers that the configuration names. Connects when it is first used.
    ///
    /// - Parameters:
    ///   - prefix: What every key begins with.
    ///   - clock: The time to go by; nil for the server's.
    public init(
        _ configuration: RedisConfiguration, prefix: String = "sojourn", clock: (any WallClock)? = nil,
        logger: Logger = Logger(label: "sojourn.redis")
    ) {
        client = RedisClient(configuration, logger: logger)
        keys = Keys(prefix: prefix)
        scripts = Scripts(keeping: Self.endedLife)
        self.clock = clock
    }

    /// What redis-benchmark calls the script that validates by.
    package var validationSHA: String { scripts.validate.sha }

    /// Ends every connection; later calls throw `storeUnavailable`.
    public func close() {
        client.close()
    }
}

extension RedisStore {
    /// The moment to hand to a script; empty for the server's own.
    var now: RedisArgument { clock.map { RedisArgument($0.now) } ?? "" }

    /// The store's time.
    func time() async throws -> Timestamp {
        if let clock { return clock.now }
        let parts = Row(try await client.send(RedisCommand("TIME", retry: .ifInterrupted)).array())
        return Timestamp(microseconds: Int64(try parts.int(0) * 1_000_000 + parts.int(1)))
    }

    /// The epoch of a user, with the session that the last raise kept.
    func user(_ id: UserID) async throws -> UserHash {
        try UserHash(try await client.send(reading(id)))
    }

    /// The command that `user` sends.
    func reading(_ id: UserID) -> RedisCommand {
        RedisCommand("HMGET", key: keys.user(id)[0], ["e", "k", "f", "at", "by"], retry: .ifInterrupted)
    }

    /// Sends a command for one session, with one for its user's epoch beside it where the user is known from before; else
    /// after it, where there is a user. Nil where the script answered nothing.
    func withUser(of id: SessionID, _ command: RedisCommand) async throws -> Answer? {
        let guess = owners[id]
        let answers = await client.send([command] + (guess.map { [reading($0)] } ?? []))
        let value = try answers[0].get()
        guard !value.isNull else { return nil }
        var parts = try value.array()
        guard parts.count >= 2 else { throw RedisError(.unexpectedResult, "A script answered too little.") }
        let hash = try SessionHash(id, parts.remove(at: 1))
        let now = try Row(parts).present(Row(parts).time(0))
        guard let owner = hash.record.session.userID else {
            return Answer(hash: hash, user: nil, now: now, rest: Array(parts.dropFirst()))
        }
        owners[id] = owner
        let user =
            if owner == guess { try UserHash(answers[1].get()) } else { try await self.user(owner) }
        return Answer(hash: hash, user: user, now: now, rest: Array(parts.dropFirst()))
    }
}

/// A session with its user at a moment, and what else a script answered.
struct Answer: Sendable {
    /// The session.
    let hash: SessionHash
    /// Its user, read at the same time or later; nil while it is anonymous.
    let user: UserHash?
    /// The moment by the store's clock.
    let now: Timestamp
    /// The script's further values.
    let rest: [RedisValue]

    /// The session and its secrets.
    var record: SessionRecord { hash.record }
    /// The epoch that counts for the session.
    var epoch: UserEpoch { user?.epoch(for: record) ?? .first }

    /// What `access` may do.
    func admission(_ access: SessionAccess) -> Admission { record.admission(access, at: now, user: epoch) }

    /// Whether the session's user ended it, with all or all others.
    var isRevoked: Bool { user.map { !$0.epochs(for: record.session.id).contains(record.epoch) } ?? false }

    /// The session as `access` may read it: by token while it is live, by trust always; nil where it may not.
    func stored(for access: SessionAccess) -> StoredSession? {
        guard access.digest == nil || admission(access) == .full else { return nil }
        return record.stored(at: now, user: epoch)
    }
}

/// What was seen last under a name: good for guesses only. Forgets all of it when it is full.
final class Memo<Name: Hashable & Sendable, Value: Sendable>: Sendable {
    private let values = Mutex<[Name: Value]>([:])
    /// Most names.
    private static var countMax: Int { 100_000 }

    subscript(name: Name) -> Value? {
        get { values.withLock { $0[name] } }
        set {
            values.withLock { values in
                if values.count >= Self.countMax { values.removeAll(keepingCapacity: true) }
                values[name] = newValue
            }
        }
    }
}
