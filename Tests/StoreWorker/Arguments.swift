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
