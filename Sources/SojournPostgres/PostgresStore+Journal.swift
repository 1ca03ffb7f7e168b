// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

extension PostgresStore: JournalStore {
    public func finish(
        _ turn: EntryID, of access: SessionAccess, response: String, extra: JSONDocument, expectedTurns: Int?
    ) async throws -> JournalEntry {
        try await transaction { transaction in
            var arguments = PostgresArguments()
            arguments.append(uuid: access.id.halves)
            arguments.append(uuid: turn.halves)
            let results = try await transaction.run([
                PostgresCall(SessionRow.locked, access.id), PostgresTransaction.clock,
                PostgresCall(Self.turn, arguments),
            ])
            guard let now = try results[1].first?.time(0) else {
                throw PostgresError(.unexpectedResult, "The database did not tell the time.")
            }
            guard var row = try results[0].first.map(SessionRow.init), row.admission(access, at: now) == .full else {
                throw SojournError.noSession()
            }
            guard var entry = try results[2].first.map({ try JournalKind.conversations.read($0) }),
                case .conversation(let input, let answered, let before) = entry.body
            else { throw SojournError.noEntry() }
            guard answered == nil else { throw SojournError.alreadyFinished() }
            if let expectedTurns, expectedTurns != row.record.session.turnCount {
                throw SojournError.sequenceConflict(current: row.record.session.turnCount)
            }
            let merged = before.merging(extra)
            var change = PostgresArguments()
            change.append(uuid: turn.halves)
            change.append(microseconds: entry.at.microseconds)
            change.append(text: response)
            change.append(json: merged.text)
            transaction.enqueue(PostgresCall(Self.finishing, change))
            row.record.session.noteWrite(at: now)
            transaction.save(row)
            entry.body = .conversation(input: input, response: response, extra: merged)
            return entry
        }
    }

    /// A turn of a locked session, in one of the months that the session's turns lie in.
    private static let turn = PostgresStatement(
        """
        SELECT \(JournalKind.conversations.columns)
        FROM sojourn.session_master AS s
        JOIN sojourn.conversations AS c
            ON c.session_id = s.session_id AND c.conversation_time BETWEEN s.first_at AND s.last_at
        WHERE s.session_id = $1 AND c.id = $2
        FOR NO KEY UPDATE OF c
        """, [.uuid, .uuid])

    private static let finishing = PostgresStatement(
        """
        UPDATE sojourn.conversations
        SET response_text = $3, extra = $4
        WHERE id = $1 AND conversation_time = $2
        """, [.uuid, .timestamptz, .text, .jsonb])
}

extension PostgresStore {
    /// Runs `body`; where it finds a month of the journal missing, makes the months of these times, those without one
    /// being the database's now, and runs it again: more than once where a month is being retired meanwhile.
    func makingMonths<Value: Sendable>(for times: [Timestamp?], _ body: () async throws -> Value) async throws -> Value
    {
        let deadline = ContinuousClock.now + client.answerTimeout
        while true {
            do {
                return try await body()
            } catch let error as PostgresError where error.isMissingMonth && .now < deadline {
                try await addMonths(of: times, until: deadline)
            }
        }
    }

    /// Makes the months that these times lie in, each in a transaction of its own, again and again, less and less often,
    /// where somebody holds the locks.
    private func addMonths(of times: [Timestamp?], until deadline: ContinuousClock.Instant) async throws {
        var arguments = PostgresArguments()
        arguments.append(microseconds: times.map { $0?.microseconds })
        for day in try await read(PostgresCall(Self.months, arguments)).map({ try $0.text(0) }) {
            var month = PostgresArguments()
            month.append(text: day)
            var rests = Rests()
            while true {
                do {
                    _ = try await client.withTransaction(until: deadline) {
                        try await $0.run(PostgresCall(Self.monthMaking, month))
                    }
                    break
                } catch let error as PostgresError where error.isLockBusy {
                    let next = ContinuousClock.now + rests.next()
                    guard next < deadline else { throw error }
                    try await Task.sleep(until: next, clock: .continuous)
                }
            }
        }
    }

    private static let months = PostgresStatement(
        """
        SELECT DISTINCT to_char(coalesce(a.at, sojourn.clock()) AT TIME ZONE 'UTC', 'YYYY-MM-01') AS month
        FROM unnest($1) AS a (at)
        ORDER BY month
        """, [.timestamptzs])
    private static let monthMaking = PostgresStatement("SELECT sojourn.add_month($1::date)", [.text])
}

extension PostgresError {
    /// Whether no partition takes the row: a violated check without a name (ExecFindPartition).
    var isMissingMonth: Bool { sqlState == "23514" && constraint == nil && table == "conversations" }
    /// Whether the months are not whole ones: somebody made one with other bounds (42P17, which `add_month` and PostgreSQL
    /// raise), or one that was kept holds turns of others.
    var isOddMonth: Bool {
        sqlState == "42P17" || sqlState == "23514" && constraint == nil && table?.hasPrefix("conversations_") == true
    }
    /// Whether a lock was not to be had in the time given, or two waited for each other.
    var isLockBusy: Bool { outcome == .nothingHappened && ["55P03", "40P01"].contains(sqlState) }
}
