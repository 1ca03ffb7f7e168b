// SPDX-License-Identifier: Apache-2.0

// The verbs that change what copies hold; the others are the database's alone.
extension TieredStore {
    public func create(_ sessions: [NewSession]) async throws -> [Result<Session, SojournError>] {
        // A new session has no copy; a cap may end others.
        var others: [SessionID] = []
        for user in Set(sessions.compactMap { $0.sessionsPerUserMax == nil ? nil : $0.userID }) {
            others += try await self.sessions(of: user)
        }
        guard !others.isEmpty else { return try await base.create(sessions) }
        return try await changing(others, mayReachOthers: true) { try await base.create(sessions) }
    }

    public func extend(_ access: SessionAccess, by life: Duration?) async throws -> Session {
        let session = try await base.extend(access, by: life)
        await refresh([access.id])
        return session
    }

    public func rotate(_ access: SessionAccess, to rotation: Rotation) async throws -> RotationOutcome {
        try await changing([access.id]) { try await base.rotate(access, to: rotation) }
    }

    public func bind(
        _ access: SessionAccess, to user: UserID, digest: SecretDigest, sessionsPerUserMax: Int?
    ) async throws -> Session {
        let others = sessionsPerUserMax == nil ? [] : try await sessions(of: user)
        return try await changing(
            [access.id] + others.filter { $0 != access.id }, mayReachOthers: sessionsPerUserMax != nil
        ) {
            try await base.bind(access, to: user, digest: digest, sessionsPerUserMax: sessionsPerUserMax)
        }
    }

    public func issueSecret(_ access: SessionAccess, digest: SecretDigest) async throws -> Session {
        try await changing([access.id]) { try await base.issueSecret(access, digest: digest) }
    }

    public func replace(
        _ field: SessionField, of access: SessionAccess, with document: JSONDocument, ifVersion version: Int
    ) async throws -> Session {
        try await changing([access.id]) {
            try await base.replace(field, of: access, with: document, ifVersion: version)
        }
    }

    public func end(_ accesses: [SessionAccess]) async throws -> [Bool] {
        try await changing(Array(Set(accesses.map(\.id)))) { try await base.end(accesses) }
    }

    public func delete(_ id: SessionID) async throws -> Bool {
        try await changing([id]) { try await base.delete(id) }
    }

    public func endAll(of user: UserID, by actor: Actor) async throws -> Int {
        try await changing(try await sessions(of: user), mayReachOthers: true) {
            try await base.endAll(of: user, by: actor)
        }
    }

    public func endOthers(_ access: SessionAccess) async throws -> Int {
        guard tiering.phase != .database else { return try await base.endOthers(access) }
        let user = try await base.find([access]).first.flatMap { $0?.session.userID }
        let ids = if let user { try await sessions(of: user) } else { [access.id] }
        return try await changing(ids, mayReachOthers: true) { try await base.endOthers(access) }
    }

    public func erase(_ user: UserID) async throws -> ErasureReceipt {
        try await changing(try await sessions(of: user), mayReachOthers: true) { try await base.erase(user) }
    }

    public func integrity() async throws -> IntegrityReport {
        let report = try await base.integrity()
        guard tiering.phase != .database else { return report }
        do {
            return IntegrityReport(findings: report.findings + (try await cache.findings()))
        } catch {
            let finding = IntegrityReport.Finding(
                check: "cache", isGood: false, detail: "does not answer; the database serves all: \(error)")
            return IntegrityReport(findings: report.findings + [finding])
        }
    }

    public func sweep(_ order: SweepOrder) async throws -> SweepOutcome {
        try await changing([], mayReachOthers: true) { try await base.sweep(order) }
    }
}

extension TieredStore: ItemStore where Base: ItemStore {
    public func add(_ ids: [ItemID], to access: SessionAccess, holdMax: Int) async throws -> ItemsAdded {
        let added = try await base.add(ids, to: access, holdMax: holdMax)
        await refresh([access.id])
        return added
    }
}

extension TieredStore: JournalStore where Base: JournalStore {
    public func append(
        _ entries: [NewEntry], to access: SessionAccess, expectedTurns: Int?, idempotency: IdempotencyKey?
    ) async throws -> [JournalEntry] {
        let written = try await base.append(
            entries, to: access, expectedTurns: expectedTurns, idempotency: idempotency)
        await refresh([access.id])
        return written
    }

    public func finish(
        _ turn: EntryID, of access: SessionAccess, response: String, extra: JSONDocument, expectedTurns: Int?
    ) async throws -> JournalEntry {
        let entry = try await base.finish(
            turn, of: access, response: response, extra: extra, expectedTurns: expectedTurns)
        await refresh([access.id])
        return entry
    }
}

extension TieredStore: PartitionStore where Base: PartitionStore {
    public func partitions() async throws -> PartitionStatus { try await base.partitions() }

    public func perform(_ step: PartitionStep) async throws -> PartitionOutcome { try await base.perform(step) }

    public func tidyPartitions() async throws { try await base.tidyPartitions() }

    public func leadingPartitions(_ body: @Sendable () async throws -> Void) async throws -> Bool {
        try await base.leadingPartitions(body)
    }
}

extension TieredStore: RetailStore where Base: RetailStore {}

extension TieredStore: DeadLetterStore where Base: DeadLetterStore {}

extension TieredStore: BacklogStore where Base: BacklogStore {
    public func sweepBacklog() async throws -> SweepBacklog { try await base.sweepBacklog() }
}
