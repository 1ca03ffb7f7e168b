// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

/// What several callers do to a store, said before anything ran: rounds of steps at once, with the clock moving only
/// between rounds.
///
/// Sessions, users, secrets and turns are named by number and never by what a store answered, so that a schedule stays
/// one when steps are dropped from it.
struct Schedule: Sendable, Hashable {
    /// One caller's steps, in order.
    typealias Caller = [Step]

    /// What is done between two barriers.
    struct Round: Sendable, Hashable {
        /// How far the clock moves before it.
        var pause: Duration
        /// The callers, all at once.
        var callers: [Caller]
    }

    /// The seed of the scheduler, where there is one.
    var interleaving: UInt64
    /// The rounds, in order.
    var rounds: [Round]

    /// All steps, in no order that means anything.
    var steps: [Step] { rounds.flatMap { $0.callers.joined() } }
}

/// One call.
struct Step: Sendable, Hashable {
    /// Another number for every step of a schedule. It also names the secret that the step would install, and the
    /// turn that it would begin.
    let number: Int
    /// The call.
    let verb: Verb
}

/// The calls that the explorer makes, and what goes wrong beside them.
enum Verb: Sendable, Hashable {
    case create(session: Int, user: Int?, policy: Int, cap: Int?)
    case validate(Key)
    case validateWithItems(Key)
    case get(Key)
    case extend(Key, seconds: Int?)
    case rotate(Key, graceSeconds: Int)
    case bind(session: Int, user: Int, cap: Int?)
    case replace(Key, SessionField, version: Int)
    case end([Key])
    case delete(session: Int)
    case endAll(user: Int)
    case endOthers(Key)
    case sweep(keepsEnded: Bool)
    case add(Key, [ItemID])
    case remove(Key, [ItemID]?)
    case held(Key)
    case append(Key, turns: Int, expected: Int?, repeatable: Int?)
    case finish(Key, turn: Int)
    case history(Key)
    case facts(session: Int)
    /// No call of a caller's: something goes wrong beneath the store.
    case suffer(Fault.Act)
}

/// Which session a call is for, and what it shows for it.
struct Key: Sendable, Hashable {
    /// The session's number.
    var session: Int
    /// What is shown.
    var proof: Proof

    /// What a caller shows.
    enum Proof: Sendable, Hashable {
        /// The secret that the step with this number would have installed.
        case secret(of: Int)
        /// A secret that was never issued.
        case forged
        /// Nothing: the caller is trusted.
        case trust
    }
}

extension Verb {
    /// The keys that the call shows.
    var keys: [Key] {
        switch self {
        case .validate(let key), .validateWithItems(let key), .get(let key), .extend(let key, _), .rotate(let key, _),
            .replace(let key, _, _), .endOthers(let key), .add(let key, _), .remove(let key, _), .held(let key),
            .append(let key, _, _, _), .finish(let key, _), .history(let key):
            [key]
        case .end(let keys): keys
        case .create, .bind, .delete, .endAll, .sweep, .facts, .suffer: []
        }
    }

    /// The sessions that the call names.
    var sessions: [Int] {
        switch self {
        case .create(let session, _, _, _), .bind(let session, _, _), .delete(let session), .facts(let session):
            [session]
        default: keys.map(\.session)
        }
    }

    /// The user that the call names.
    var user: Int? {
        switch self {
        case .create(_, let user, _, _): user
        case .bind(_, let user, _), .endAll(let user): user
        default: nil
        }
    }
}

extension Key: CustomStringConvertible {
    var description: String {
        switch proof {
        case .secret(let step): "s\(session) by the secret of #\(step)"
        case .forged: "s\(session) by a forged secret"
        case .trust: "s\(session) by trust"
        }
    }
}

extension Verb: CustomStringConvertible {
    var description: String {
        switch self {
        case .create(let session, let user, let policy, let cap):
            "create s\(session)\(user.map { " for u\($0)" } ?? "") policy \(policy)\(cap.map { " cap \($0)" } ?? "")"
        case .validate(let key): "validate \(key)"
        case .validateWithItems(let key): "validate with items \(key)"
        case .get(let key): "get \(key)"
        case .extend(let key, let seconds): "extend \(key)\(seconds.map { " by \($0) s" } ?? "")"
        case .rotate(let key, let grace): "rotate \(key), grace \(grace) s"
        case .bind(let session, let user, let cap): "bind s\(session) to u\(user)\(cap.map { " cap \($0)" } ?? "")"
        case .replace(let key, let field, let version): "replace \(field) of \(key) if version \(version)"
        case .end(let keys): "end \(keys.map(\.description).joined(separator: " + "))"
        case .delete(let session): "delete s\(session)"
        case .endAll(let user): "end all of u\(user)"
        case .endOthers(let key): "end others than \(key)"
        case .sweep(let keepsEnded): keepsEnded ? "sweep" : "sweep and delete the ended"
        case .add(let key, let ids): "add \(ids) to \(key)"
        case .remove(let key, let ids): "remove \(ids?.description ?? "all") from \(key)"
        case .held(let key): "items of \(key)"
        case .append(let key, let turns, let expected, let key2):
            "append \(turns) turns to \(key)\(expected.map { " expecting \($0)" } ?? "")"
                + (key2.map { " with idempotency key \($0)" } ?? "")
        case .finish(let key, let turn): "finish the turn of #\(turn) in \(key)"
        case .history(let key): "history of \(key)"
        case .facts(let session): "facts of s\(session)"
        case .suffer(let act): "FAULT: \(act.name)"
        }
    }
}

extension Schedule: CustomStringConvertible {
    var description: String {
        rounds.enumerated().map { index, round in
            let callers = round.callers.enumerated().flatMap { caller, steps in
                steps.map { "  caller \(caller): #\($0.number) \($0.verb)" }
            }
            let pause = round.pause == .zero ? "" : ", \(round.pause) later"
            return (["round \(index)\(pause)"] + callers).joined(separator: "\n")
        }.joined(separator: "\n")
    }
}
