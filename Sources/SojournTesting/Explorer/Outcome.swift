// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

/// What a call came to, in a form that can be compared.
enum Outcome: Sendable, Hashable {
    case session(Session?)
    case both(Session, [HeldItem])
    case stored(StoredSession?)
    case repeated(Session, sealed: [UInt8])
    case flag(Bool)
    case count(Int)
    case added(ItemsAdded)
    case held([HeldItem])
    case entries([JournalEntry])
    case facts(SessionFacts?)
    case swept(SweepOutcome)
    /// A fault's act was done.
    case done
    /// Refused, as a rule of ours demands.
    case refused(SojournError.Code, [String: JSONValue])
    /// The store could not answer, or answered with something that is no answer.
    case broken(String)

    /// Refused or broken, by what was thrown.
    init(_ error: any Error) {
        guard let error = error as? SojournError else {
            self = .broken("\(error)")
            return
        }
        switch error.code {
        case .storeUnavailable, .storeDamaged, .storeFull, .malformedJSON, .notAvailable, .fuse:
            self = .broken(error.debugDescription)
        default: self = .refused(error.code, error.details)
        }
    }

    /// The outcome of a create.
    init(_ results: [Result<Session, SojournError>]) {
        switch results.first {
        case .success(let session): self = .session(session)
        case .failure(let error): self = Outcome(error)
        case nil: self = .broken("no result")
        }
    }

    /// The outcome of a rotation.
    init(_ rotation: RotationOutcome) {
        switch rotation {
        case .rotated(let session): self = .session(session)
        case .repeated(let session, let sealed): self = .repeated(session, sealed: sealed)
        }
    }

    /// The outcome of a validation with items.
    init(_ both: (session: Session, items: [HeldItem])?) {
        self = both.map { .both($0.session, $0.items) } ?? .session(nil)
    }
}

extension Outcome: CustomStringConvertible {
    var description: String {
        switch self {
        case .session(nil), .stored(nil): "none"
        case .session(let session?): Self.line(session)
        case .both(let session, let items): "\(Self.line(session)) with \(items.map(\.item.id))"
        case .stored(let stored?): "\(stored.status) \(Self.line(stored.session))"
        case .repeated(let session, let sealed):
            "repeated \(String(decoding: sealed, as: UTF8.self)), \(Self.line(session))"
        case .flag(let flag): "\(flag)"
        case .count(let count): "\(count)"
        case .added(let added): "added \(added.added), already present \(added.alreadyPresent)"
        case .held(let items): "\(items.map { "\($0.item.id) at \($0.addedAt)" })"
        case .entries(let entries): "\(entries.map { "\($0.seq ?? 0): \($0.body)" })"
        case .facts(nil): "none"
        case .facts(let facts?):
            "\(facts.facts.map { "\($0.kind) by \($0.actor) at \($0.at) \($0.detail ?? "")" })"
        case .swept(let outcome):
            "expired \(outcome.expired), revoked \(outcome.revoked), inactive \(outcome.inactive), "
                + "deleted \(outcome.deleted)"
        case .done: "done"
        case .refused(let code, let details): "refused, \(code)\(details.isEmpty ? "" : " \(details)")"
        case .broken(let reason): "BROKEN: \(reason)"
        }
    }

    private static func line(_ session: Session) -> String {
        let end = session.end.map { ", ended \($0.at) \($0.reason)" } ?? ""
        return "session (user \(session.userID?.text ?? "none"), version \(session.version), requests "
            + "\(session.requestCount), turns \(session.turnCount), active \(session.lastActivity), expires "
            + "\(session.expiresAt), metadata \(session.metadata), claims \(session.claims)\(end))"
    }
}
