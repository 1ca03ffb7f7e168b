// SPDX-License-Identifier: Apache-2.0

public import Sojourn

/// What a call came to, in whichever process it was made.
public enum Answer<Value: Codable & Sendable>: Codable, Sendable {
    /// The store returned this.
    case value(Value)
    /// The store threw this.
    case refused(SojournError)
    /// The store threw what no store may throw, or the call did not reach it: the reason in words.
    case broken(String)

    /// What `body` came to.
    init(_ body: () async throws -> Value) async {
        do {
            self = .value(try await body())
        } catch {
            self = (error as? SojournError).map { .refused($0) } ?? .broken(String(reflecting: error))
        }
    }

    /// One of a verb's results that each stand for themselves.
    init(_ result: Result<Value, SojournError>) {
        switch result {
        case .success(let value): self = .value(value)
        case .failure(let error): self = .refused(error)
        }
    }

    /// The value, or what the store threw.
    public func get() throws -> Value {
        switch self {
        case .value(let value): return value
        case .refused(let error): throw error
        case .broken(let reason): throw BrokenAnswer(reason: reason)
        }
    }
}

/// An answer that is none: thrown as it is, so that no test takes it for a refusal.
public struct BrokenAnswer: Error, CustomStringConvertible {
    /// Why, in words.
    public let reason: String

    /// A broken answer.
    public init(reason: String) {
        self.reason = reason
    }

    public var description: String { reason }
}

extension SojournError: Codable {
    public func encode(to encoder: any Encoder) throws {
        // Details travel as the JSON that they are. It does not tell 3.0 from 3: no detail of ours is a fraction.
        try encoder.write(
            code, message, field, details, underlying.map { RemoteCause(description: String(reflecting: $0)) }, file,
            line)
    }

    public init(from decoder: any Decoder) throws {
        var fields = try Fields(decoder)
        let code: Code = try fields.next()
        let message: String = try fields.next()
        let field: String? = try fields.next()
        let details: [String: JSONValue] = try fields.next()
        let cause: RemoteCause? = try fields.next()
        self.init(
            code, message, field: field, details: details, underlying: cause, file: try fields.next(),
            line: try fields.next())
    }
}

/// The failure below a failure in another process, of which only the words come through.
struct RemoteCause: Error, Codable, CustomStringConvertible {
    /// How it describes itself to us who debug.
    let description: String
}

extension SojournError.Code: Codable {
    /// Every code. A code hides its cases, so they stand here once more; a test holds this against its source.
    public static let all: [Self] = [
        .invalidInput, .malformedJSON, .tooLarge, .noSession, .staleVersion, .userConflict, .secretExists,
        .unknownItems, .limitReached, .sequenceConflict, .alreadyFinished, .noEntry, .idempotencyConflict,
        .duplicateID, .alreadyExists, .notAvailable, .storeUnavailable, .storeDamaged, .storeFull, .fuse,
    ]

    public func encode(to encoder: any Encoder) throws { try description.encode(to: encoder) }

    public init(from decoder: any Decoder) throws {
        let name = try String(from: decoder)
        self = try decoder.known(Self.all.first { $0.description == name })
    }
}
