// SPDX-License-Identifier: Apache-2.0

public import Sojourn

/// The in-memory store with one planted bug, of the kind that stores really have: a decision and its write that are
/// two steps. It proves the explorer, which has to find each.
public struct FaultyStore: ForwardingStore, ItemStore, JournalStore, TruthStore {
    /// The bugs.
    public enum Fault: String, Sendable, Hashable, CaseIterable {
        /// A save that finds its session ended or deleted meanwhile writes the record that it had read, as an upsert
        /// does: the session comes back (laws 1 and 3).
        case saveUpserts
        /// A validation reads the counter and writes back one more: of two at once one is lost (law 4).
        case countIsLost
        /// A save compares the version, and only then writes: of two at once both win (S7).
        case staleVersionWins
    }

    public let base: MemoryStore
    public var capabilities: StoreCapabilities { base.capabilities }
    /// The bug of this store.
    public let fault: Fault

    /// An empty store with a bug.
    public init(_ fault: Fault, clock: any WallClock) {
        base = MemoryStore(clock: clock)
        self.fault = fault
    }

    public func validate(_ access: SessionAccess) async throws -> Session? {
        guard fault == .countIsLost else { return try await base.validate(access) }
        let count = base.run { model, _ in model[record: access.id]?.session.requestCount }
        await Turn.pass()
        return base.run { model, now in
            guard var session = model.validate(access, at: now), let count else { return nil }
            session.requestCount = count + 1
            model[record: access.id]?.session.requestCount = count + 1
            return session
        }
    }

    public func replace(
        _ field: SessionField, of access: SessionAccess, with document: JSONDocument, ifVersion version: Int
    ) async throws -> Session {
        switch fault {
        case .saveUpserts:
            // The rules are asked on a copy; only its outcome reaches the store.
            let saved = try base.run { model, now in
                var copy = model
                _ = try copy.replace(field, of: access, with: document, ifVersion: version, at: now)
                return copy[record: access.id]
            }
            await Turn.pass()
            return try base.run { model, now in
                if let current = model[record: access.id], current.session.end == nil {
                    return try model.replace(field, of: access, with: document, ifVersion: version, at: now)
                }
                guard let saved else { throw SojournError.noSession() }
                model[record: access.id] = saved
                return saved.session
            }
        case .staleVersionWins:
            guard let read = try await base.find([.trusted(access.id, as: access.actor)]).first ?? nil else {
                throw SojournError.noSession()
            }
            await Turn.pass()
            return try base.run { model, now in
                let current = model[record: access.id]?.session.version ?? version
                return try model.replace(
                    field, of: access, with: document, ifVersion: read.session.version == version ? current : version,
                    at: now)
            }
        case .countIsLost:
            return try await base.replace(field, of: access, with: document, ifVersion: version)
        }
    }
}

extension StoreUnderTest {
    /// The in-memory store with a planted bug.
    public static func faulty(_ fault: FaultyStore.Fault) -> StoreUnderTest {
        StoreUnderTest("FaultyStore(\(fault))", scheduling: .seeded) { FaultyStore(fault, clock: $0) }
    }
}
