// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Sojourn

/// A verb of `SessionStore`, `ItemStore`, `JournalStore` or `TruthStore` with its arguments: what one process asks of another.
public enum StoreCall: Codable, Sendable {
    /// Asks for an `Introduction`, which is no verb of a store.
    case introduce
    case create([NewSession])
    case validate(SessionAccess)
    case find([SessionAccess])
    case extend(SessionAccess, life: Duration?)
    case rotate(SessionAccess, Rotation)
    case bind(SessionAccess, UserID, SecretDigest, sessionsPerUserMax: Int?)
    case issueSecret(SessionAccess, SecretDigest)
    case replace(SessionField, SessionAccess, text: String, version: Int)
    case end([SessionAccess])
    case delete(SessionID)
    case sessions(SessionFilter, PageRequest)
    case endAll(UserID, Actor)
    case endOthers(SessionAccess)
    case erase(UserID)
    case facts(SessionID)
    case sweep(SweepOrder)
    case statistics
    case integrity
    case ping
    case put([Item])
    case items(prefix: String, PageRequest)
    case add([ItemID], SessionAccess, holdMax: Int)
    case held(SessionAccess)
    case remove([ItemID]?, SessionAccess)
    case validateWithItems(SessionAccess)
    case append([NewEntry], SessionAccess, expectedTurns: Int?, IdempotencyKey?)
    case finish(EntryID, SessionAccess, response: String, extra: String, expectedTurns: Int?)
    case entry(EntryID, SessionAccess?)
    case history(JournalKind, JournalScope, HistoryQuery, PageRequest)
    case pendingChanges(max: Int)
    case announce([SessionID])
    case settle([PendingChange])
    case images([SessionID])
    case addTouches([SessionTouch])
}

/// Who a store is and where it lives.
public struct Introduction: Codable, Sendable {
    /// The operating system's number of the process that it lives in.
    public let processID: Int32
    /// What it can do.
    public let capabilities: StoreCapabilities
}

/// What `validateWithItems` returns.
public struct SessionWithItems: Codable, Sendable {
    /// The session.
    public let session: Session
    /// What it holds.
    public let items: [HeldItem]
}

extension StoreCall {
    /// Makes the call, and returns an `Answer` of what its verb returns. A verb that returns nothing answers with true.
    public func answer(of store: any ItemStore & JournalStore & TruthStore) async -> any Encodable & Sendable {
        if let answer = await answerOfReads(store) { return answer }
        if let answer = await answerOfWrites(store) { return answer }
        if let answer = await answerOfItems(store) { return answer }
        if let answer = await answerOfTiering(store) { return answer }
        return await answerOfJournal(store) ?? Answer<Bool>.broken("no such verb")
    }

    /// The verbs of `SessionStore` that change nothing; nil for the others.
    private func answerOfReads(_ store: any ItemStore) async -> (any Encodable & Sendable)? {
        switch self {
        case .introduce:
            await Answer { Introduction(processID: getpid(), capabilities: store.capabilities) }
        case .find(let accesses): await Answer { try await store.find(accesses) }
        case .sessions(let filter, let page): await Answer { try await store.sessions(matching: filter, page: page) }
        case .facts(let id): await Answer { try await store.facts(of: id) }
        case .statistics: await Answer { try await store.statistics() }
        case .integrity: await Answer { try await store.integrity() }
        case .ping:
            await Answer {
                try await store.ping()
                return true
            }
        default: nil
        }
    }

    /// The verbs of `SessionStore` that change something; nil for the others.
    private func answerOfWrites(_ store: any ItemStore) async -> (any Encodable & Sendable)? {
        switch self {
        case .create(let sessions): await Answer { try await store.create(sessions).map { Answer($0) } }
        case .validate(let access): await Answer { try await store.validate(access) }
        case .extend(let access, let life): await Answer { try await store.extend(access, by: life) }
        case .rotate(let access, let rotation): await Answer { try await store.rotate(access, to: rotation) }
        case .bind(let access, let user, let digest, let cap):
            await Answer { try await store.bind(access, to: user, digest: digest, sessionsPerUserMax: cap) }
        case .issueSecret(let access, let digest):
            await Answer { try await store.issueSecret(access, digest: digest) }
        case .replace(let field, let access, let text, let version):
            await Answer {
                try await store.replace(field, of: access, with: JSONDocument(stored: text), ifVersion: version)
            }
        case .end(let accesses): await Answer { try await store.end(accesses) }
        case .delete(let id): await Answer { try await store.delete(id) }
        case .endAll(let user, let actor): await Answer { try await store.endAll(of: user, by: actor) }
        case .endOthers(let access): await Answer { try await store.endOthers(access) }
        case .erase(let user): await Answer { try await store.erase(user) }
        case .sweep(let order): await Answer { try await store.sweep(order) }
        default: nil
        }
    }

    /// The verbs of `ItemStore`; nil for the others.
    private func answerOfItems(_ store: any ItemStore) async -> (any Encodable & Sendable)? {
        switch self {
        case .put(let items): await Answer { try await store.put(items) }
        case .items(let prefix, let page): await Answer { try await store.items(prefix: prefix, page: page) }
        case .add(let ids, let access, let max): await Answer { try await store.add(ids, to: access, holdMax: max) }
        case .held(let access): await Answer { try await store.held(by: access) }
        case .remove(let ids, let access): await Answer { try await store.remove(ids, from: access) }
        case .validateWithItems(let access):
            await Answer {
                try await store.validateWithItems(access).map { SessionWithItems(session: $0, items: $1) }
            }
        default: nil
        }
    }

    /// The verbs of `JournalStore`; nil for the others.
    private func answerOfJournal(_ store: any JournalStore) async -> (any Encodable & Sendable)? {
        switch self {
        case .append(let entries, let access, let turns, let key):
            await Answer { try await store.append(entries, to: access, expectedTurns: turns, idempotency: key) }
        case .finish(let turn, let access, let response, let extra, let turns):
            await Answer {
                try await store.finish(
                    turn, of: access, response: response, extra: JSONDocument(stored: extra), expectedTurns: turns)
            }
        case .entry(let id, let access): await Answer { try await store.entry(id, of: access) }
        case .history(let kind, let scope, let query, let page):
            await Answer { try await store.history(kind, of: scope, query, page: page) }
        default: nil
        }
    }

    /// The verbs of `TruthStore`; nil for the others.
    private func answerOfTiering(_ store: any TruthStore) async -> (any Encodable & Sendable)? {
        switch self {
        case .pendingChanges(let max): await Answer { try await store.pendingChanges(max: max) }
        case .announce(let ids): await Answer { try await store.announce(ids) }
        case .settle(let changes):
            await Answer {
                try await store.settle(changes)
                return true
            }
        case .images(let ids): await Answer { try await store.images(of: ids) }
        case .addTouches(let touches):
            await Answer {
                try await store.add(touches)
                return true
            }
        default: nil
        }
    }
}
