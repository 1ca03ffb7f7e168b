// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Sojourn

// What a store is asked with, as fields.

extension SessionAccess: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(id, digest, actor) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        let id: SessionID = try fields.next()
        let digest: SecretDigest? = try fields.next()
        let actor: Actor = try fields.next()
        self = digest.map { .digest(id, $0) } ?? .trusted(id, as: actor)
    }
}

extension SessionPolicy: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(life, renewal, absoluteLife, retention) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(
            life: try fields.next(), renewal: try fields.next(), absoluteLife: try fields.next(),
            retention: try fields.next())
    }
}

extension NewSession: Codable {
    public func encode(to encoder: any Encoder) throws {
        try encoder.write(
            id, digest, userID, type, metadata.text, claims.text, ipAddress, userAgent, policy, sessionsPerUserMax,
            actor)
    }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(
            id: try fields.next(), digest: try fields.next(), userID: try fields.next(), type: try fields.next(),
            metadata: JSONDocument(stored: try fields.next()), claims: JSONDocument(stored: try fields.next()),
            ipAddress: try fields.next(), userAgent: try fields.next(), policy: try fields.next(),
            sessionsPerUserMax: try fields.next(), actor: try fields.next())
    }
}

extension Rotation: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(digest, Data(successorSealed), grace) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        let digest: SecretDigest = try fields.next()
        let sealed: Data = try fields.next()
        self.init(digest: digest, successorSealed: Array(sealed), grace: try fields.next())
    }
}

extension SessionFilter: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(userID, type, status) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(userID: try fields.next(), type: try fields.next(), status: try fields.next())
    }
}

extension PageRequest: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(limit, after) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(limit: try fields.next(), after: try fields.next())
    }
}

extension SweepOrder: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(batchMax, dryRun, retention, lap, fuse) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(
            batchMax: try fields.next(), dryRun: try fields.next(),
            retention: try fields.next() as [SessionType: Retention], lap: try fields.next(), fuse: try fields.next())
    }
}

extension Item: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(id, name, category) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(id: try fields.next(), name: try fields.next(), category: try fields.next())
    }
}

extension JournalBody: Codable {
    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .conversation(let input, let response, let extra):
            try encoder.write(kind, input, response, extra.text)
        case .interaction(let type, let data): try encoder.write(kind, type, data.text)
        case .recommendations(let shop, let list, let count):
            // The list travels as the JSON that it is. As in a store, 3.0 is 3 afterwards.
            try encoder.write(kind, shop, list, count)
        case .feedback(let type, let targetType, let targetID, let rating, let comment):
            try encoder.write(kind, type, targetType, targetID, rating, comment)
        }
    }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        let kind: JournalKind = try fields.next()
        self =
            switch kind {
            case .conversations:
                .conversation(
                    input: try fields.next(), response: try fields.next(),
                    extra: JSONDocument(stored: try fields.next()))
            case .interactions:
                .interaction(type: try fields.next(), data: JSONDocument(stored: try fields.next()))
            case .recommendations:
                .recommendations(
                    shopID: try fields.next(), recommendations: try fields.next(), count: try fields.next())
            case .feedback:
                .feedback(
                    type: try fields.next(), targetType: try fields.next(), targetID: try fields.next(),
                    rating: try fields.next(), comment: try fields.next())
            }
    }
}

extension NewEntry: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(id, at, body) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(id: try fields.next(), at: try fields.next(), body: try fields.next())
    }
}

extension IdempotencyKey: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(Data(scope), Data(body)) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        let scope: Data = try fields.next()
        let body: Data = try fields.next()
        self.init(scope: Array(scope), body: Array(body))
    }
}

extension JournalScope: Codable {
    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .session(let access): try encoder.write(Optional(access), UserID?.none)
        case .user(let user): try encoder.write(SessionAccess?.none, Optional(user))
        case .everybody: try encoder.write(SessionAccess?.none, UserID?.none)
        }
    }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        let access: SessionAccess? = try fields.next()
        let user: UserID? = try fields.next()
        self = access.map { .session($0) } ?? user.map { .user($0) } ?? .everybody
    }
}

extension HistoryQuery: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(from, to, text) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(from: try fields.next(), to: try fields.next(), text: try fields.next())
    }
}

extension PendingChange: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(session, serial, isAnnouncement) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(session: try fields.next(), serial: try fields.next(), isAnnouncement: try fields.next())
    }
}

extension SessionTouch: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(session, count, last) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(session: try fields.next(), count: try fields.next(), last: try fields.next())
    }
}
