// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

// A table is adopted while its applications go on writing it, in steps each of which can be the last before an interruption:
//
//   index     on session_id, CONCURRENTLY, for each partition; a foreign key without one makes every delete a scan
//   filling   a session for each id that has none, in the order of the ids, a batch a transaction
//   key       NOT VALID, for each partition: from here on no row can name a session that is not there
//   closing   the ids once more, from the first: those that came in while the first pass was beyond them
//   validate  for each partition, under SHARE UPDATE EXCLUSIVE, which stops no reader or writer; then the parent's key,
//             which finds those of its partitions and looks at no row (PostgreSQL has no NOT VALID for parents before 18)
//
// Where it stands is read from the catalogue and from `sojourn.adoptions`. Locks that stop others (the parent's index, the
// keys, the drop of an index that is not whole) are waited for no longer than 50 ms at a time, since whoever comes after
// us waits as long.

extension PostgresStore: AdoptionStore {
    public func adopt(
        _ survey: AdoptionSurvey, batch: Int, progress: @Sendable (AdoptionStep) -> Void
    ) async throws -> Adoption {
        precondition(batch > 0, "A batch has at least one session id.")
        return try await answering {
            let table = survey.table
            if survey.isAdopted { return try await adoption(of: table) }
            try await enter(survey)
            for part in try await client.parts(of: table) where !part.isIndexed {
                progress(.indexing(part.name))
                if part.isParent {
                    try await indexParent(part.name)
                } else {
                    // Two who begin at the same moment wait for each other, and PostgreSQL sends one of them back.
                    try await repeating(until: .now + .hours(24)) { try await index(part.name) }
                }
            }
            if try await adoption(of: table).state == .filling {
                try await fill(table, batch) { progress(.filling($0)) }
                for part in try await client.parts(of: table) where part.key == nil && !part.isParent {
                    progress(.constraining(part.name))
                    try await constrain(part.name)
                }
                _ = try await client.query(PostgresCall(Step.close, text: table))
            }
            try await fill(table, batch) { progress(.closing($0)) }
            // The parent comes last.
            for part in try await client.parts(of: table) where part.key?.isValidated != true {
                progress(.validating(part.name))
                try await part.isParent ? constrain(part.name) : validate(part)
            }
            _ = try await client.query(PostgresCall(Step.finish, text: table))
            return try await adoption(of: table)
        }
    }

    public func adoptions() async throws -> [Adoption] {
        try await answering { try await read(PostgresCall(Step.adoptions)).map { try $0.adoption() } }
    }

    private func adoption(of table: String) async throws -> Adoption {
        guard let adoption = try await adoptions().first(where: { $0.table == table }) else {
            throw PostgresError(.unexpectedResult, "The table's adoption is gone.")
        }
        return adoption
    }

    /// Notes the adoption as begun, or where it goes on: behind the keys only where all of them stand.
    private func enter(_ survey: AdoptionSurvey) async throws {
        let isConstrained = try await client.parts(of: survey.table).allSatisfy { $0.isParent || $0.key != nil }
        var arguments = PostgresArguments()
        arguments.append(text: survey.table)
        arguments.append(text: survey.order.kind.rawValue)
        arguments.append(text: survey.order.sessionType.rawValue)
        arguments.append(text: survey.order.timeZone)
        arguments.append(bool: isConstrained)
        _ = try await client.query(PostgresCall(Step.enter, arguments))
    }

    /// Gives every id from where the adoption stands its session.
    private func fill(_ table: String, _ batch: Int, progress: @Sendable (Int) -> Void) async throws {
        var arguments = PostgresArguments()
        arguments.append(text: table)
        arguments.append(int4: Int32(clamping: batch))
        let call = PostgresCall(Step.batch, arguments)
        var seen = try await adoption(of: table).seen
        while true {
            let rows = try await repeating(until: .now + .hours(1)) {
                try await client.withTransaction(patience: .hours(1)) { try await $0.run(call) }
            }
            guard let found = try rows.first?.int(0) else {
                throw PostgresError(.unexpectedResult, "A batch answered without a row.")
            }
            seen += found
            progress(seen)
            if found < batch { return }
        }
    }
}

// MARK: - Indexes and keys

extension PostgresStore {
    /// Makes the index while the table is in use, and no second one where somebody else makes it meanwhile: what there
    /// is of it is looked at before and after.
    private func index(_ table: String) async throws {
        for _ in 0..<attemptsMax {
            // Whoever makes an index holds this lock, as an interrupted run of ours still may: what is found after it
            // lasts. It stops no reader or writer.
            let found = try await client.withTransaction(patience: .hours(24)) {
                transaction -> (isDone: Bool, name: String?, hasWreck: Bool) in
                transaction.enqueue(PostgresCall(once: "LOCK TABLE \(table) IN SHARE UPDATE EXCLUSIVE MODE"))
                let part = try await transaction.run(PostgresCall(AdoptedPart.statement, text: table)).first
                let index = try await transaction.run(PostgresCall(Step.index, text: table)).first
                return (
                    try part?.adoptedPart().isIndexed == true, try index?.text(0), try index?.optionalText(1) != nil
                )
            }
            if found.hasWreck { try await dropWreck(of: table) }
            guard !found.isDone, let name = found.name else { return }
            let sql = "CREATE INDEX CONCURRENTLY IF NOT EXISTS \(name) ON \(table) (session_id)"
            _ = try await client.runAlone(PostgresCall(once: sql), patience: .hours(24))
        }
        throw SojournError(.storeUnavailable, "\(table) has no index on session_id yet: run the command again.")
    }

    /// Drops what an interruption left of an index, under a lock that nobody who makes or drops one can have meanwhile:
    /// `CONCURRENTLY` drops a name, and somebody else may have given it to a whole index since.
    private func dropWreck(of table: String) async throws {
        try await briefly(table) { transaction in
            transaction.enqueue(PostgresCall(once: "LOCK TABLE \(table) IN ACCESS EXCLUSIVE MODE"))
            let index = try await transaction.run(PostgresCall(Step.index, text: table)).first
            guard let wreck = try index?.optionalText(1) else { return }
            _ = try await transaction.run(PostgresCall(once: "DROP INDEX \(wreck)"))
        }
    }

    /// Makes the index of a parent out of its partitions', which are all there.
    private func indexParent(_ table: String) async throws {
        try await briefly(table) { transaction in
            let (parent, leaves) = try await transaction.hold(table)
            guard !parent.isIndexed else { return }
            if let late = leaves.first(where: { !$0.isIndexed }) { throw late.late }
            _ = try await transaction.run(PostgresCall(once: "CREATE INDEX ON \(table) (session_id)"))
        }
    }

    /// Adds the key: for new rows only, or, to a parent, out of its partitions' keys, which are all validated.
    private func constrain(_ table: String) async throws {
        try await briefly(table) { transaction in
            let (part, leaves) = try await transaction.hold(table)
            guard part.key == nil else { return }
            if let late = leaves.first(where: { $0.key?.isValidated != true }) { throw late.late }
            _ = try await transaction.run(
                PostgresCall(
                    once: """
                        ALTER TABLE \(table)
                            ADD FOREIGN KEY (session_id) REFERENCES sojourn.session_master (session_id)
                            ON DELETE CASCADE \(part.isParent ? "" : "NOT VALID")
                        """))
        }
    }

    /// Has the key checked for the rows that were there before it.
    private func validate(_ part: AdoptedPart) async throws {
        guard let key = part.key else { throw part.late }
        try await client.withTransaction(patience: .hours(24)) { transaction in
            _ = try await transaction.run(
                PostgresCall(once: "ALTER TABLE \(part.name) VALIDATE CONSTRAINT \(key.name)"))
        }
    }

    /// Runs `body` in a transaction that stops others for milliseconds only: waits 50 ms for each lock, and comes back
    /// later, for ten minutes.
    private func briefly(
        _ table: String, _ body: @Sendable (PostgresTransaction) async throws -> Void
    ) async throws {
        let deadline = ContinuousClock.now + .seconds(600)
        var rests = Rests(upTo: .seconds(2))
        while true {
            do {
                return try await client.withTransaction(patience: .seconds(600)) { transaction in
                    transaction.enqueue(PostgresCall(once: "SET LOCAL lock_timeout = '50ms'"))
                    try await body(transaction)
                }
            } catch let error as PostgresError where error.isLockBusy || error.sqlState == "XX000" {
                // XX000 is "tuple concurrently updated", seen of an index whose making was just sent back.
                guard .now < deadline else {
                    throw SojournError(
                        .storeUnavailable,
                        """
                        For ten minutes there was always a transaction that held \(table) or sojourn.session_master: \
                        end the oldest of pg_stat_activity and run the command again, which goes on from here.
                        """, underlying: error)
                }
                try await Task.sleep(for: rests.next())
            }
        }
    }
}

extension PostgresTransaction {
    /// A table and its leaves as they are and, while this transaction lasts, stay: somebody who adopts the same table may
    /// have been first, or an application have added a partition.
    fileprivate func hold(_ table: String) async throws -> (table: AdoptedPart, leaves: [AdoptedPart]) {
        let results = try await run([
            PostgresCall(Step.lock), PostgresCall(once: "LOCK TABLE ONLY \(table) IN SHARE ROW EXCLUSIVE MODE"),
            PostgresCall(AdoptedPart.statement, text: table),
        ])
        let parts = try results[2].map { try $0.adoptedPart() }
        guard let part = parts.first(where: { $0.name == table }) else {
            throw PostgresError(.unexpectedResult, "The table that is adopted is gone.")
        }
        return (part, parts.filter { $0.name != table })
    }
}

extension AdoptedPart {
    /// What is said of a partition that was added behind the step that makes what it lacks.
    fileprivate var late: SojournError {
        SojournError(.storeUnavailable, "\(name) became a partition meanwhile: run the command again.")
    }
}

/// The statements of an adoption.
private enum Step {
    static let lock = PostgresStatement("SELECT pg_advisory_xact_lock(hashtext('sojourn'), hashtext('adopt'))")

    /// What the table's index is called where we make it, and one on the session ids alone whose making was interrupted.
    static let index = PostgresStatement(
        """
        SELECT 'sojourn_adopt_' || $1::regclass::oid, (
            SELECT format('%I.%I', n.nspname, x.relname)
            FROM pg_index AS i
            JOIN pg_class AS x ON x.oid = i.indexrelid
            JOIN pg_namespace AS n ON n.oid = x.relnamespace
            JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attname = 'session_id' AND NOT a.attisdropped
            WHERE i.indrelid = $1::regclass AND i.indkey[0] = a.attnum AND i.indnatts = 1 AND NOT i.indisvalid
                AND NOT i.indisunique AND i.indpred IS NULL
            LIMIT 1)
        """, [.text])

    static let enter = PostgresStatement(
        """
        INSERT INTO sojourn.adoptions AS a (table_name, kind, session_type, time_zone, state)
        VALUES ($1, $2, $3, $4, CASE WHEN $5 THEN 'closing' ELSE 'filling' END)
        ON CONFLICT (table_name) DO UPDATE
        SET kind = $2, session_type = $3, time_zone = $4, state = excluded.state,
            after_id = CASE a.state WHEN excluded.state THEN a.after_id END,
            sessions_seen = CASE a.state WHEN excluded.state THEN a.sessions_seen ELSE 0 END,
            adopted_at = NULL, changed_at = sojourn.clock()
        """, [.text, .text, .text, .text, .bool])

    static let batch = PostgresStatement("SELECT seen, made FROM sojourn.adopt_batch($1, $2)", [.text, .int4])

    static let close = PostgresStatement(
        """
        UPDATE sojourn.adoptions
        SET state = 'closing', after_id = NULL, sessions_seen = 0, changed_at = sojourn.clock()
        WHERE table_name = $1 AND state = 'filling'
        """, [.text])

    static let finish = PostgresStatement(
        """
        UPDATE sojourn.adoptions
        SET state = 'adopted', changed_at = sojourn.clock(), adopted_at = sojourn.clock()
        WHERE table_name = $1
        """, [.text])

    static let adoptions = PostgresStatement(
        """
        SELECT table_name, kind, state, sessions_seen, sessions_made, started_at, changed_at, adopted_at
        FROM sojourn.adoptions
        ORDER BY table_name
        """)
}

extension PostgresRow {
    /// A row of `Step.adoptions`.
    fileprivate func adoption() throws -> Adoption {
        guard let kind: JournalKind = try optionalName(1), let state: Adoption.State = try optionalName(2) else {
            throw PostgresError(.unexpectedResult, "An adoption has no kind or state.")
        }
        return Adoption(
            table: try text(0), kind: kind, state: state, seen: try int(3), made: try int(4),
            startedAt: try time(5), changedAt: try time(6), adoptedAt: try optionalTime(7))
    }
}
