// SPDX-License-Identifier: Apache-2.0

internal import RedisDriver
internal import Sojourn

/// A session as its hash has it: `SessionRecord` with the count of writes that the next write is conditional on.
///
/// Field names are short, since Redis keeps them with every session. Further fields are the scripts' own: `F`, how many
/// facts were dropped; `h`, until when somebody holds the session; `b`, that it is only just begun; `U` and `E`, the least
/// epoch that it will carry once it is that user's.
struct SessionHash: Sendable {
    /// The session and its secrets.
    var record: SessionRecord
    /// How often it was written, validations aside.
    let writes: Int

    /// A field, in the order in which the scripts answer them.
    private enum Field: Int, CaseIterable {
        case user, type, metadata, claims, version, start, activity, expiry, cap, requests, ipAddress, agent, life
        case renewal, epoch, digest, previous, previousUntil, sealed, end, reason, writes, begun
    }

    /// The fields' names, in their order.
    static let names = [
        "u", "t", "m", "c", "v", "s", "a", "x", "X", "n", "i", "g", "l", "r", "e", "d", "p", "q", "z", "o", "y", "w",
        "b",
    ]

    /// Reads what a script answered for the session `id`.
    init(_ id: SessionID, _ value: RedisValue) throws {
        let row = Row(try value.array())
        var end: SessionEnd?
        if let at = try row.time(Field.end.rawValue) {
            end = SessionEnd(at: at, reason: try row.name(Field.reason.rawValue))
        }
        var previous: PreviousSecret?
        if let digest = try row.bytes(Field.previous.rawValue) {
            previous = PreviousSecret(
                digest: SecretDigest(bytes: digest), until: try row.present(row.time(Field.previousUntil.rawValue)),
                successorSealed: try row.bytes(Field.sealed.rawValue) ?? [])
        }
        let session = Session(
            id: id, userID: try row.text(Field.user.rawValue).map(UserID.init(stored:)),
            type: try row.name(Field.type.rawValue), metadata: try row.document(Field.metadata.rawValue),
            claims: try row.document(Field.claims.rawValue), version: try row.int(Field.version.rawValue),
            createdAt: try row.present(row.time(Field.start.rawValue)),
            lastActivity: try row.present(row.time(Field.activity.rawValue)),
            expiresAt: try row.present(row.time(Field.expiry.rawValue)),
            absoluteExpiresAt: try row.time(Field.cap.rawValue), requestCount: try row.int(Field.requests.rawValue),
            turnCount: 0, ipAddress: try row.text(Field.ipAddress.rawValue),
            userAgent: try row.text(Field.agent.rawValue),
            life: .microseconds(Int64(try row.int(Field.life.rawValue))),
            renewal: try row.name(Field.renewal.rawValue), end: end)
        record = SessionRecord(
            session: session, digest: try row.bytes(Field.digest.rawValue).map(SecretDigest.init(bytes:)),
            previous: previous, epoch: try row.int(Field.epoch.rawValue))
        writes = try row.int(Field.writes.rawValue)
    }

    /// The fields that a write may change and their values. Left out are the requests and the writes, which the scripts
    /// count, and the activity, which never goes back.
    private static func changeable(_ record: SessionRecord) -> [(field: Field, value: RedisArgument?)] {
        let session = record.session
        return [
            (.user, session.userID.map { RedisArgument($0.text) }), (.metadata, RedisArgument(session.metadata.text)),
            (.claims, RedisArgument(session.claims.text)), (.version, RedisArgument(session.version)),
            (.expiry, RedisArgument(session.expiresAt)), (.epoch, RedisArgument(record.epoch)),
            (.digest, record.digest.map { RedisArgument($0.bytes) }),
            (.previous, record.previous.map { RedisArgument($0.digest.bytes) }),
            (.previousUntil, record.previous.map { RedisArgument($0.until) }),
            (.sealed, record.previous.map { RedisArgument($0.successorSealed) }),
            (.end, session.end.map { RedisArgument($0.at) }),
            (.reason, session.end.map { RedisArgument($0.reason.rawValue) }),
        ]
    }

    /// What a write sends to make this record `later`: names and values of the fields that differ, nothing for those that
    /// are to go.
    func changes(to later: SessionRecord) -> [RedisArgument] {
        zip(Self.changeable(record), Self.changeable(later)).flatMap { before, after in
            before.value == after.value ? [] : [RedisArgument(Self.names[after.field.rawValue]), after.value ?? ""]
        }
    }

    /// What a creation sends: names and values of the fields that do not hang on the moment.
    static func fields(of new: NewSession) -> [RedisArgument] {
        let fields: [(field: Field, value: RedisArgument?)] = [
            (.user, new.userID.map { RedisArgument($0.text) }), (.type, RedisArgument(new.type.rawValue)),
            (.metadata, RedisArgument(new.metadata.text)), (.claims, RedisArgument(new.claims.text)), (.version, 1),
            (.ipAddress, new.ipAddress.map { RedisArgument($0) }), (.agent, new.userAgent.map { RedisArgument($0) }),
            (.renewal, RedisArgument(new.policy.renewal.rawValue)), (.epoch, 0),
            (.digest, new.digest.map { RedisArgument($0.bytes) }),
        ]
        return fields.flatMap { field, value in value.map { [RedisArgument(names[field.rawValue]), $0] } ?? [] }
    }
}

/// A user as the hash of the user's slot has it.
struct UserHash: Sendable {
    /// The epoch; sessions that carry another one are ended.
    let epoch: UserEpoch
    /// The one session that the last raise kept, and the lowest epoch that it may carry; nil where it kept none.
    let kept: (id: SessionID, from: Int)?

    /// Reads epoch, kept session, kept from, raised at and raised by, as the scripts answer them.
    init(_ value: RedisValue) throws {
        let row = Row(try value.array())
        epoch = UserEpoch(
            value: try row.text(0) == nil ? 0 : row.int(0), raisedAt: try row.time(3), raisedBy: try row.word(4))
        kept = try row.text(1).flatMap { SessionID($0) }.map { ($0, try row.int(2)) }
    }

    /// The epochs that a session of the user may carry and live.
    func epochs(for id: SessionID) -> ClosedRange<Int> {
        guard let kept, kept.id == id, kept.from <= epoch.value else { return epoch.value...epoch.value }
        return kept.from...epoch.value
    }

    /// The epoch to measure a session by: its own where it is the kept one.
    func epoch(for record: SessionRecord) -> UserEpoch {
        guard epochs(for: record.session.id).contains(record.epoch) else { return epoch }
        return UserEpoch(value: record.epoch, raisedAt: epoch.raisedAt, raisedBy: epoch.raisedBy)
    }
}

/// An answer of several values, read by their places; a missing value and an empty one are nil.
struct Row {
    private let values: [RedisValue]

    init(_ values: [RedisValue]) {
        self.values = values
    }

    /// What must be there.
    func present<Value>(_ value: Value?) throws -> Value {
        guard let value else { throw Self.foreign }
        return value
    }

    func bytes(_ place: Int) throws -> [UInt8]? {
        guard values.indices.contains(place) else { throw Self.foreign }
        return values[place].isNull ? nil : try values[place].bytes()
    }

    func text(_ place: Int) throws -> String? {
        try bytes(place).map { String(decoding: $0, as: UTF8.self) }
    }

    func int(_ place: Int) throws -> Int {
        guard values.indices.contains(place) else { throw Self.foreign }
        return try values[place].int()
    }

    func time(_ place: Int) throws -> Timestamp? {
        try bytes(place) == nil ? nil : Timestamp(microseconds: Int64(int(place)))
    }

    func document(_ place: Int) throws -> JSONDocument { JSONDocument(stored: try present(text(place))) }

    /// A word of an enumeration; nil where there is none.
    func word<Name: RawRepresentable>(_ place: Int) throws -> Name? where Name.RawValue == String {
        guard let text = try text(place) else { return nil }
        return try present(Name(rawValue: text))
    }

    /// A word of an enumeration.
    func name<Name: RawRepresentable>(_ place: Int) throws -> Name where Name.RawValue == String {
        try present(word(place))
    }

    private static var foreign: SojournError {
        SojournError(.storeDamaged, "Redis holds a session in a form that this version does not know.")
    }
}

extension SessionAccess {
    /// What a script is shown of the right to a session: the digest, or nothing for trust. An empty digest, which no
    /// secret has, opens nothing.
    var shown: RedisArgument {
        guard let digest else { return "" }
        return digest.bytes.isEmpty ? "none" : RedisArgument(digest.bytes)
    }
}

extension RedisArgument {
    /// A moment, as the scripts count.
    init(_ moment: Timestamp) {
        self.init(Int(moment.microseconds))
    }

    /// A length, as the scripts count.
    init(_ length: Duration) {
        self.init(Int(length.microseconds))
    }
}
