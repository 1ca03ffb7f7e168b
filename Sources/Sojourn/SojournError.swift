// SPDX-License-Identifier: Apache-2.0

/// What went wrong, in a form that a caller can act on.
///
/// `description` is safe to show to a client: it names no secret, path or statement. `debugDescription` adds the
/// cause and the place, for logs.
public struct SojournError: Error, Sendable {
    /// The kind of failure. Cases may be added: a switch needs a default.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Hidden: String {
            case invalidInput, malformedJSON, tooLarge, noSession, staleVersion, userConflict, secretExists
            case unknownItems, limitReached, sequenceConflict, alreadyFinished, noEntry, idempotencyConflict
            case duplicateID, alreadyExists, notAvailable, storeUnavailable, storeDamaged, storeFull, fuse
        }
        private let hidden: Hidden
        private init(_ hidden: Hidden) { self.hidden = hidden }

        /// A value breaks a rule; `field` names it.
        public static let invalidInput = Self(.invalidInput)
        /// The text is not JSON.
        public static let malformedJSON = Self(.malformedJSON)
        /// A value is larger than its limit; `field` names it.
        public static let tooLarge = Self(.tooLarge)
        /// There is no such live session for this caller. Ended, expired, deleted, never issued and a wrong secret
        /// all look the same.
        public static let noSession = Self(.noSession)
        /// The metadata or claims moved on since the version given; detail `version` is the current one.
        public static let staleVersion = Self(.staleVersion)
        /// Another user is bound to the session.
        public static let userConflict = Self(.userConflict)
        /// The session has a secret already.
        public static let secretExists = Self(.secretExists)
        /// Some item ids are not in the catalogue; detail `unknown_ids` names them. Nothing was stored.
        public static let unknownItems = Self(.unknownItems)
        /// The call would go past a named limit; nothing was stored.
        public static let limitReached = Self(.limitReached)
        /// The conversation is not where the caller believed; detail `current_seq` tells where it is.
        public static let sequenceConflict = Self(.sequenceConflict)
        /// The turn has its response already, or the dead letter was written or given up.
        public static let alreadyFinished = Self(.alreadyFinished)
        /// There is no such journal entry in this session.
        public static let noEntry = Self(.noEntry)
        /// The idempotency key was used before with another body.
        public static let idempotencyConflict = Self(.idempotencyConflict)
        /// A session with this id exists already (law 3: `create` never overwrites).
        public static let duplicateID = Self(.duplicateID)
        /// A user, product or order of that id is there already, with other content (C1); nothing was changed.
        public static let alreadyExists = Self(.alreadyExists)
        /// The store in use does not have this capability.
        public static let notAvailable = Self(.notAvailable)
        /// The store cannot answer now; nothing is known to have changed. Worth another try.
        public static let storeUnavailable = Self(.storeUnavailable)
        /// The store's data is damaged or of a foreign or newer version; a person must look.
        public static let storeDamaged = Self(.storeDamaged)
        /// The store's disk is full or read-only; nothing changed.
        public static let storeFull = Self(.storeFull)
        /// The sweep's fuse stopped a run that looked wrong (law 9); nothing changed.
        public static let fuse = Self(.fuse)

        public var description: String { hidden.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// One or two sentences for the person who reads the answer.
    public let message: String
    /// The input's name where one field is at fault, as the HTTP contract spells it.
    public let field: String?
    /// Further facts for machines, named per code above.
    public let details: [String: JSONValue]
    /// The failure below, if any. Never shown to clients.
    public let underlying: (any Error)?
    /// Where in our source the failure was noticed.
    public let file: String
    /// See `file`.
    public let line: Int

    /// A failure of kind `code`, noticed where this is called.
    public init(
        _ code: Code, _ message: String, field: String? = nil, details: [String: JSONValue] = [:],
        underlying: (any Error)? = nil, file: String = #fileID, line: Int = #line
    ) {
        self.code = code
        self.message = message
        self.field = field
        self.details = details
        self.underlying = underlying
        self.file = file
        self.line = line
    }

    /// The one answer for every way of not being a live session.
    public static func noSession(file: String = #fileID, line: Int = #line) -> Self {
        Self(.noSession, "There is no such session.", file: file, line: line)
    }
}

// MARK: - The failures that several stores report in the same words

extension SojournError {
    /// The session's metadata or claims moved on to version `current`.
    public static func staleVersion(current: Int, file: String = #fileID, line: Int = #line) -> Self {
        Self(
            .staleVersion, "The session has version \(current) by now: read it again and repeat the change.",
            details: ["version": .integer(Int64(current))], file: file, line: line)
    }

    /// The database has steps of its schema that this version does not know.
    public static func newerDatabase(file: String = #fileID, line: Int = #line) -> Self {
        Self(
            .storeDamaged,
            "The database was written by a newer version of Sojourn. Run that version, or restore a backup from "
                + "before the upgrade.", file: file, line: line)
    }

    /// There is a session with this id.
    public static func duplicateID(file: String = #fileID, line: Int = #line) -> Self {
        Self(.duplicateID, "A session with this id exists already.", file: file, line: line)
    }

    /// The session is another user's.
    public static func userConflict(file: String = #fileID, line: Int = #line) -> Self {
        Self(.userConflict, "Another user is bound to this session.", file: file, line: line)
    }

    /// The session has a secret.
    public static func secretExists(file: String = #fileID, line: Int = #line) -> Self {
        Self(
            .secretExists, "This session has a token already: rotate it instead.", file: file, line: line)
    }

    /// `ids` are not in the catalogue.
    public static func unknownItems(_ ids: [ItemID], file: String = #fileID, line: Int = #line) -> Self {
        let shown = ids.prefix(10).map(String.init).joined(separator: ", ") + (ids.count > 10 ? ", …" : "")
        return Self(
            .unknownItems, "The catalogue has no item \(shown); nothing was added.", field: "ids",
            details: ["unknown_ids": .array(ids.map { .integer($0) })], file: file, line: line)
    }

    /// The session would hold more than `max` items.
    public static func heldItemsLimit(_ max: Int, file: String = #fileID, line: Int = #line) -> Self {
        Self(
            .limitReached, "A session holds at most \(max) items; nothing was added.", field: "ids",
            details: ["limit": .integer(Int64(max))], file: file, line: line)
    }

    /// The session has had `current` turns, not as many as expected.
    public static func sequenceConflict(current: Int, file: String = #fileID, line: Int = #line) -> Self {
        Self(
            .sequenceConflict, "The conversation has come to turn \(current) by now; nothing was written.",
            field: "expected_seq", details: ["current_seq": .integer(Int64(current))], file: file, line: line)
    }

    /// The turn has its response.
    public static func alreadyFinished(file: String = #fileID, line: Int = #line) -> Self {
        Self(.alreadyFinished, "This turn has its response already.", file: file, line: line)
    }

    /// The session has no such turn.
    public static func noEntry(file: String = #fileID, line: Int = #line) -> Self {
        Self(.noEntry, "The session has no such entry.", file: file, line: line)
    }

    /// The idempotency key was used for another body.
    public static func idempotencyConflict(file: String = #fileID, line: Int = #line) -> Self {
        Self(
            .idempotencyConflict, "This key was used before with another body: take a new key for a new request.",
            field: "Idempotency-Key", file: file, line: line)
    }

    /// The sweep would end `surprising` sessions that were in use within the last hour.
    public static func fuse(surprising: Int, fuse: Int, file: String = #fileID, line: Int = #line) -> Self {
        Self(
            .fuse,
            "The sweep would end \(surprising) sessions used within the last hour, more than its fuse of \(fuse) lets "
                + "pass: is the clock right? Nothing was changed.", file: file, line: line)
    }
}

extension SojournError: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String {
        field.map { "\($0): \(message)" } ?? message
    }

    public var debugDescription: String {
        let cause = underlying.map { ", caused by \(String(reflecting: $0))" } ?? ""
        return "SojournError.\(code) at \(file):\(line): \(description)\(cause)"
    }
}
