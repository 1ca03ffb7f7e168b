// SPDX-License-Identifier: Apache-2.0

import Sojourn

/// A store that keeps sessions and nothing else, and fails at everything in one way.
struct BrokenStore: SessionStore {
    /// How it fails.
    let code: SojournError.Code

    private var failure: SojournError { SojournError(code, "It failed.", underlying: Cause()) }

    /// What an operator should see, and nobody else.
    private struct Cause: Error {
        let path = "/var/lib/sojourn"
    }

    var capabilities: StoreCapabilities { [.sessions] }

    func create(_ sessions: [NewSession]) async throws -> [Result<Session, SojournError>] { throw failure }
    func validate(_ access: SessionAccess) async throws -> Session? { throw failure }
    func find(_ accesses: [SessionAccess]) async throws -> [StoredSession?] { throw failure }
    func extend(_ access: SessionAccess, by life: Duration?) async throws -> Session { throw failure }
    func rotate(_ access: SessionAccess, to rotation: Rotation) async throws -> RotationOutcome { throw failure }
    func bind(_ access: SessionAccess, to user: UserID, digest: SecretDigest, sessionsPerUserMax: Int?) async throws
        -> Session
    { throw failure }
    func issueSecret(_ access: SessionAccess, digest: SecretDigest) async throws -> Session { throw failure }
    func replace(_ field: SessionField, of access: SessionAccess, with document: JSONDocument, ifVersion version: Int)
        async throws -> Session
    { throw failure }
    func end(_ accesses: [SessionAccess]) async throws -> [Bool] { throw failure }
    func delete(_ id: SessionID) async throws -> Bool { throw failure }
    func sessions(matching filter: SessionFilter, page: PageRequest) async throws -> Page<StoredSession> {
        throw failure
    }
    func endAll(of user: UserID, by actor: Actor) async throws -> Int { throw failure }
    func endOthers(_ access: SessionAccess) async throws -> Int { throw failure }
    func erase(_ user: UserID) async throws -> ErasureReceipt { throw failure }
    func facts(of id: SessionID) async throws -> SessionFacts? { throw failure }
    func sweep(_ order: SweepOrder) async throws -> SweepOutcome { throw failure }
    func statistics() async throws -> SessionStatistics { throw failure }
    func integrity() async throws -> IntegrityReport {
        IntegrityReport(findings: [.init(check: "orphans", isGood: false, detail: "3 orphans")])
    }
    func ping() async throws { throw failure }
}
