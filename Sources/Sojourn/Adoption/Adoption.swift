// SPDX-License-Identifier: Apache-2.0

/// A table of somebody else's that shall hang on our sessions (J9): whose session ids were loose until now.
public struct AdoptionOrder: Sendable, Hashable {
    /// What the table records. Turns have their time in `conversation_time`, the others in `created_at`.
    public let kind: JournalKind
    /// The table's name as SQL writes it, quoted where it has to be: `chatbot.conversations`.
    public let table: String
    /// The type of the sessions that are begun for its ids.
    public var sessionType: SessionType
    /// Where its clocks stand, as PostgreSQL names it, if its times are without a zone. Default `UTC`.
    public var timeZone: String
    /// How long ended sessions of that type are kept; nil for ever.
    public var keptFor: Duration?

    /// An order with PostgreSQL's names; see the properties for each default.
    public init(
        _ kind: JournalKind, from table: String, sessionType: SessionType, timeZone: String = "UTC",
        keptFor: Duration? = nil
    ) {
        self.kind = kind
        self.table = table
        self.sessionType = sessionType
        self.timeZone = timeZone
        self.keptFor = keptFor
    }
}

/// What was found in a table that can be adopted.
public struct AdoptionSurvey: Sendable, Hashable {
    /// What was asked.
    public let order: AdoptionOrder
    /// The table's full name: its schema first, quoted where it has to be.
    public let table: String
    /// Whether it was adopted before; then nothing was counted.
    public var isAdopted = false
    /// Its rows.
    public var rows = 0
    /// Its session ids.
    public var sessions = 0
    /// Those of them for which there is no session yet.
    public var unknown = 0
    /// Those under which two users or more wrote; the last is the session's.
    public var mixed = 0
    /// Those for which there is no session yet and whose end would lie so far back that retention deletes them.
    public var retired = 0
    /// The tables, partitions counted each, that lack an index on `session_id`.
    public var unindexed: [String] = []

    /// A survey in which nothing is counted yet.
    public init(_ order: AdoptionOrder, of table: String) {
        self.order = order
        self.table = table
    }
}

/// How far an adoption has come.
public struct Adoption: Sendable, Hashable {
    /// What is done and what is next.
    public enum State: String, Sendable, Hashable {
        /// Sessions are begun for ids that have none.
        case filling
        /// The foreign key stands for new rows; ids that came in before it did are gone through once more.
        case closing
        /// The foreign key is validated.
        case adopted
    }

    /// The table's full name: its schema first, quoted where it has to be.
    public let table: String
    /// What it records.
    public let kind: JournalKind
    /// What is done and what is next.
    public let state: State
    /// How many session ids were looked at in this state.
    public let seen: Int
    /// How many sessions were begun in all.
    public let made: Int
    /// When it was begun.
    public let startedAt: Timestamp
    /// When it last moved on.
    public let changedAt: Timestamp
    /// When it was done; nil while it is not.
    public let adoptedAt: Timestamp?

    /// An adoption, believed as it is: for stores.
    public init(
        table: String, kind: JournalKind, state: State, seen: Int, made: Int, startedAt: Timestamp,
        changedAt: Timestamp, adoptedAt: Timestamp?
    ) {
        self.table = table
        self.kind = kind
        self.state = state
        self.seen = seen
        self.made = made
        self.startedAt = startedAt
        self.changedAt = changedAt
        self.adoptedAt = adoptedAt
    }
}

/// What an adoption is about to do, or how far one of its steps is.
public enum AdoptionStep: Sendable, Hashable {
    /// It makes an index on the session ids of this table or partition.
    case indexing(String)
    /// It has looked at so many session ids.
    case filling(Int)
    /// It adds the foreign key to this table or partition, for new rows only.
    case constraining(String)
    /// It has looked at so many session ids once more.
    case closing(Int)
    /// It has the foreign key of this table or partition checked for the rows that were there before.
    case validating(String)
}

/// A store that adopts tables of its database (J9).
public protocol AdoptionStore: Sendable {
    /// Looks at a table that shall be adopted, and changes nothing.
    ///
    /// - Throws: `invalidInput` where it cannot be as it is, naming the table, the column and what was expected.
    func survey(_ order: AdoptionOrder) async throws -> AdoptionSurvey

    /// Adopts a table: every session id gets its session, then the foreign key.
    ///
    /// Applications go on reading and writing it meanwhile. Interrupted at any point, it goes on from there when it is
    /// called again; where it is done, it does nothing.
    ///
    /// - Parameters:
    ///   - batch: How many session ids a transaction looks at, 1 or more.
    ///   - progress: Told before each step, and after each batch.
    func adopt(
        _ survey: AdoptionSurvey, batch: Int, progress: @Sendable (AdoptionStep) -> Void
    ) async throws -> Adoption

    /// All adoptions, done or not, by name.
    func adoptions() async throws -> [Adoption]
}
