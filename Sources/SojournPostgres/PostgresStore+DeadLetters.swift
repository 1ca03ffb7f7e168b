// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

// Dead letters (K3): part of PipelineStore.

extension PostgresStore {
    public func deadLetters(_ page: PageRequest, state: DeadLetter.State?) async throws -> Page<DeadLetter> {
        var arguments = PostgresArguments()
        arguments.append(int8: Int64(page.limit + 1))
        arguments.append(int8: try page.after?.numberAndText().0 ?? .max)
        arguments.append(text: state?.rawValue)
        let call = PostgresCall(DeadLetter.listing, arguments)
        return try await answering {
            Page(fetched: try await read(call).map { try DeadLetter($0) }, limit: page.limit) {
                PageCursor($0.id, "")
            }
        }
    }

    public func deadLetter(_ id: Int64) async throws -> DeadLetter? {
        try await answering { try await read(.letter(DeadLetter.reading, id)).first.map { try DeadLetter($0) } }
    }

    public func openDeadLetters() async throws -> Int {
        try await answering { try await read(PostgresCall(DeadLetter.counting)).first?.int(0) ?? 0 }
    }

    public func retryDeadLetter(_ id: Int64) async throws -> DeadLetter? {
        guard let letter = try await deadLetter(id) else { return nil }
        switch letter.partition.content {
        case .orders:
            return try await settle(id, as: .retried) { transaction, letter in
                if case .refused(let error) = try await transaction.insert([RetailOrderDraft(letter.message)])[0] {
                    throw error
                }
            }
        case .journal:
            let entries = try QueuedEntries(letter.message)
            return try await settle(id, as: .retried, months: entries.entries.map(\.at)) { transaction, _ in
                if case .gone = try await transaction.write([entries])[0] { throw SojournError.noSession() }
            }
        }
    }

    public func dropDeadLetter(_ id: Int64) async throws -> DeadLetter? {
        try await settle(id, as: .dropped) { _, _ in }
    }

    public func unannouncedDeadLetters(max: Int, bytesMax: Int) async throws -> [DeadLetter] {
        var arguments = PostgresArguments()
        arguments.append(int8: Int64(max))
        arguments.append(int8: Int64(bytesMax))
        let call = PostgresCall(DeadLetter.unannounced, arguments)
        return try await answering { try await read(call).map { try DeadLetter($0) } }
    }

    public func announced(_ letters: [Int64]) async throws {
        var arguments = PostgresArguments()
        arguments.append(int8s: letters)
        try await answering {
            _ = try await client.query(PostgresCall(DeadLetter.announcing, arguments), retry: .ifInterrupted)
        }
    }

    /// Locks an open letter, does `body`, for which these months have to be there, and writes down what became of it.
    private func settle(
        _ id: Int64, as state: DeadLetter.State, months times: [Timestamp] = [],
        _ body: @Sendable (PostgresTransaction, DeadLetter) async throws -> Void
    ) async throws -> DeadLetter? {
        try await transaction(months: times) { transaction in
            guard let letter = try await transaction.run(.letter(DeadLetter.locking, id)).first.map(DeadLetter.init)
            else { return nil }
            guard letter.state == .open else {
                throw SojournError(
                    .alreadyFinished, "The letter is \(letter.state.rawValue) already.", field: "letter_id")
            }
            try await body(transaction, letter)
            var arguments = PostgresArguments()
            arguments.append(int8: id)
            arguments.append(text: state.rawValue)
            return try await transaction.run(PostgresCall(DeadLetter.settling, arguments)).first.map(DeadLetter.init)
        }
    }
}

extension PostgresCall {
    /// A statement whose one parameter is a number.
    fileprivate static func letter(_ statement: PostgresStatement, _ number: Int64) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(int8: number)
        return PostgresCall(statement, arguments)
    }
}

extension DeadLetter {
    /// The columns that `init(_:)` reads, in its order.
    private static let columns = """
        letter_id, consumer_group, topic, partition, message_offset, message_key, message_value, reason, state,
        created_at, settled_at, content
        """

    /// Reads a row of a result over `columns`.
    fileprivate init(_ row: PostgresRow) throws {
        guard let state = State(rawValue: try row.text(8)) else {
            throw PostgresError(.unexpectedResult, "A dead letter is in a state that is none.")
        }
        self.init(
            id: Int64(try row.int(0)),
            partition: StreamPartition(
                group: try row.text(1), topic: try row.text(2), number: try row.int(3), content: try row.name(11)),
            message: StreamMessage(
                offset: Int64(try row.int(4)), key: try row.optionalBytes(5), value: try row.optionalBytes(6)),
            reason: try row.text(7), state: state, createdAt: try row.time(9), settledAt: try row.optionalTime(10))
    }

    fileprivate static let listing = PostgresStatement(
        """
        SELECT \(columns) FROM sojourn.dead_letters
        WHERE letter_id < $2 AND ($3 IS NULL OR state = $3)
        ORDER BY letter_id DESC
        LIMIT $1
        """, [.int8, .int8, .text])

    fileprivate static let reading = PostgresStatement(
        "SELECT \(columns) FROM sojourn.dead_letters WHERE letter_id = $1", [.int8])

    fileprivate static let locking = PostgresStatement(
        "SELECT \(columns) FROM sojourn.dead_letters WHERE letter_id = $1 FOR UPDATE", [.int8])

    fileprivate static let counting = PostgresStatement(
        "SELECT count(*) FROM sojourn.dead_letters WHERE state = 'open'")

    fileprivate static let settling = PostgresStatement(
        """
        UPDATE sojourn.dead_letters SET state = $2, settled_at = sojourn.clock()
        WHERE letter_id = $1
        RETURNING \(columns)
        """, [.int8, .text])

    fileprivate static let unannounced = PostgresStatement(
        """
        SELECT \(columns)
        FROM (
            SELECT *, sum(bytes) OVER (ORDER BY letter_id) - bytes AS bytes_before
            FROM (
                SELECT *, coalesce(octet_length(message_key), 0) + coalesce(octet_length(message_value), 0) AS bytes
                FROM sojourn.dead_letters
                WHERE announced_at IS NULL
                ORDER BY letter_id
                LIMIT $1) AS oldest) AS sized
        WHERE bytes_before < $2
        ORDER BY letter_id
        """, [.int8, .int8])

    fileprivate static let announcing = PostgresStatement(
        "UPDATE sojourn.dead_letters SET announced_at = sojourn.clock() WHERE letter_id = ANY ($1)", [.int8s])
}
