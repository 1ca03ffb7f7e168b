// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

/// What the numbers of a schedule stand for in a store.
enum ScheduleNames {
    /// The catalogue: items 1 to 4.
    static let catalogue = (1...4).map { Item(id: $0, name: "Item \($0)", category: nil) }

    /// Policies whose lives, caps and renewals meet the pauses of schedules exactly at their ends.
    static let policies = [
        SessionPolicy(life: .seconds(240), renewal: .onAccess),
        SessionPolicy(life: .seconds(240), renewal: .onWrite, absoluteLife: .seconds(300)),
        SessionPolicy(life: .seconds(60), renewal: .fixed),
        SessionPolicy(life: .hours(24), renewal: .onWrite),
    ]

    /// A session's id.
    static func session(_ number: Int) -> SessionID {
        SessionID(uuid(kind: 1, number, 0))
    }

    /// A user's id.
    static func user(_ number: Int) -> UserID { UserID(stored: "user-\(number)") }

    /// The digest of the secret that a step installs.
    static func secret(_ step: Int) -> SecretDigest { TestSecrets.digest(UInt64(step)) }

    /// What a rotation keeps of the secret that the step installs.
    static func sealed(_ step: Int) -> [UInt8] { Array("sealed \(step)".utf8) }

    /// The document that a step writes.
    static func document(_ step: Int) -> JSONDocument { JSONDocument(["by": .integer(Int64(step))]) }

    /// The id of a turn that a step begins.
    static func turn(_ step: Int, _ index: Int = 0) -> EntryID { EntryID(uuid(kind: 2, step, index)) }

    /// The turns that a step appends.
    static func turns(_ step: Int, count: Int) -> [NewEntry] {
        (0..<count).map { index in
            NewEntry(
                id: turn(step, index), at: nil,
                body: .conversation(input: "#\(step).\(index)", response: nil, extra: .empty))
        }
    }

    /// The idempotency key with a number, in one session.
    static func idempotency(_ number: Int, _ session: Int) -> IdempotencyKey {
        IdempotencyKey(
            scope: Array(repeating: UInt8(session), count: 16) + Array(repeating: UInt8(number), count: 16),
            body: Array(repeating: 0, count: 32))
    }

    /// What a caller shows to a store.
    static func access(_ key: Key) -> SessionAccess {
        switch key.proof {
        case .secret(let step): .digest(session(key.session), secret(step))
        case .forged: .digest(session(key.session), TestSecrets.digest(.max))
        case .trust: .trusted(session(key.session), as: .service)
        }
    }

    /// The order of a sweep.
    static func sweep(keepsEnded: Bool) -> SweepOrder {
        let retention: Retention = keepsEnded ? .never : .after(.zero)
        return SweepOrder(
            retention: Dictionary(uniqueKeysWithValues: SessionType.allCases.map { ($0, retention) }))
    }

    /// The session that a create makes.
    static func new(_ session: Int, user: Int?, policy: Int, cap: Int?, step: Int) -> NewSession {
        NewSession(
            id: self.session(session), digest: secret(step), userID: user.map(self.user), policy: policies[policy],
            sessionsPerUserMax: cap, actor: .service)
    }

    private static func uuid(kind: UInt64, _ number: Int, _ index: Int) -> UUIDBytes {
        let milliseconds = UInt64(ManualClock.start.microseconds / 1000) + UInt64(number)
        return UUIDBytes(high: milliseconds << 16 | 0x7000, low: 1 << 63 | kind << 32 | UInt64(index))
    }
}
