// SPDX-License-Identifier: Apache-2.0

internal import Logging

// The phase in which the database answers, and what copies would have said is counted.
extension TieredStore {
    /// The database's answer, with the cache's beside it.
    func compared(_ access: SessionAccess) async throws -> Validation? {
        async let looked = look(for: access.id, age: nil)
        let session = try await base.validate(access)
        switch await looked {
        case .missing(let leave?): if session != nil { bring(leave) }
        case .copy(let image, let era):
            // Where the database refuses, a copy that would be answered by differs.
            let isSame =
                session.map { image.record.session.agrees(with: $0) }
                ?? (allowed(image, of: era, access, age: nil) == nil)
            (isSame ? meters.same : meters.different).increment()
            if !isSame { logger.warning("a copy differs", metadata: ["session": "\(access.id)"]) }
        case .missing(nil), nil: break
        }
        return session.map { Validation($0) }
    }
}

extension Session {
    /// Whether both are the same but for what may change without outdating a copy.
    fileprivate func agrees(with other: Session) -> Bool {
        id == other.id && userID == other.userID && version == other.version && metadata == other.metadata
            && claims == other.claims && end == other.end && expiresAt <= other.expiresAt
    }
}
