// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Sojourn

// What a store answers, as fields.

extension SessionEnd: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(at, reason) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(at: try fields.next(), reason: try fields.next())
    }
}

extension Session: Codable {
    public func encode(to encoder: any Encoder) throws {
        try encoder.write(
            id, userID, type, metadata.text, claims.text, version, createdAt, lastActivity, expiresAt,
            absoluteExpiresAt, requestCount, turnCount, ipAddress, userAgent, life, renewal, end)
    }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(
            id: try fields.next(), userID: try fields.next(), type: try fields.next(),
            metadata: JSONDocument(stored: try fields.next()), claims: JSONDocument(stored: try fields.next()),
            version: try fields.next(), createdAt: try fields.next(), lastActivity: try fields.next(),
            expiresAt: try fields.next(), absoluteExpiresAt: try fields.next(), requestCount: try fields.next(),
            turnCount: try fields.next(), ipAddress: try fields.next(), userAgent: try fields.next(),
            life: try fields.next(), renewal: try fields.next(), end: try fields.next())
    }
}

extension StoredSession: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(session, status) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(session: try fields.next(), status: try fields.next())
    }
}

extension RotationOutcome: Codable {
    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .rotated(let session): try encoder.write(session, Data?.none)
        case .repeated(let session, let sealed): try encoder.write(session, Optional(Data(sealed)))
        }
    }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        let session: Session = try fields.next()
        let sealed: Data? = try fields.next()
        self = sealed.map { .repeated(session, successorSealed: Array($0)) } ?? .rotated(session)
    }
}

extension Page: Codable where Element: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(items, next) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(items: try fields.next(), next: try fields.next())
    }
}

extension ErasureReceipt: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(sessions, items, entries, orders) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(
            sessions: try fields.next(), items: try fields.next(), entries: try fields.next(),
            orders: try fields.next())
    }
}

extension SessionFact: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(at, kind, actor, detail) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(at: try fields.next(), kind: try fields.next(), actor: try fields.next(), detail: try fields.next())
    }
}

extension SessionFacts: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(facts, folded) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(facts: try fields.next(), folded: try fields.next())
    }
}

extension SweepOutcome: Codable {
    public func encode(to encoder: any Encoder) throws {
        try encoder.write(expired, revoked, inactive, deleted, more, lapNext)
    }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init()
        expired = try fields.next()
        revoked = try fields.next()
        inactive = try fields.next()
        deleted = try fields.next()
        more = try fields.next()
        lapNext = try fields.next()
    }
}

extension SessionStatistics: Codable {
    public func encode(to encoder: any Encoder) throws {
        try encoder.write(at, active, ended, expired, items, createdLastHour, createdLastDay, activeByType)
    }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(at: try fields.next())
        active = try fields.next()
        ended = try fields.next()
        expired = try fields.next()
        items = try fields.next()
        createdLastHour = try fields.next()
        createdLastDay = try fields.next()
        activeByType = try fields.next()
    }
}

extension IntegrityReport: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(findings) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(findings: try fields.next())
    }
}

extension IntegrityReport.Finding: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(check, isGood, detail) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(check: try fields.next(), isGood: try fields.next(), detail: try fields.next())
    }
}

extension HeldItem: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(item, addedAt) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(item: try fields.next(), addedAt: try fields.next())
    }
}

extension ItemsAdded: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(added, alreadyPresent) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(added: try fields.next(), alreadyPresent: try fields.next())
    }
}

extension ItemsPut: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(added, updated) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(added: try fields.next(), updated: try fields.next())
    }
}

extension JournalEntry: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(id, sessionID, userID, at, seq, body) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(
            id: try fields.next(), sessionID: try fields.next(), userID: try fields.next(), at: try fields.next(),
            seq: try fields.next(), body: try fields.next())
    }
}

extension PendingChanges: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(era, at, changes, isWhole) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(
            era: try fields.next(), at: try fields.next(), changes: try fields.next(), isWhole: try fields.next())
    }
}

extension PreviousSecret: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(digest, until, Data(successorSealed)) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        let digest: SecretDigest = try fields.next()
        let until: Timestamp = try fields.next()
        let sealed: Data = try fields.next()
        self.init(digest: digest, until: until, successorSealed: Array(sealed))
    }
}

extension SessionRecord: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(session, digest, previous, epoch) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(
            session: try fields.next(), digest: try fields.next(), previous: try fields.next(),
            epoch: try fields.next())
    }
}

extension SessionImage: Codable {
    public func encode(to encoder: any Encoder) throws { try encoder.write(record, at) }
    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        self.init(record: try fields.next(), at: try fields.next())
    }
}
