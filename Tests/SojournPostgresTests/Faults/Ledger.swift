// SPDX-License-Identifier: Apache-2.0

import Sojourn
import Synchronization

/// What callers asked for and what they were told.
///
/// An answer is an acknowledgement: what it says must be found in the database. After an error the call may have been
/// done or not: it is in doubt. Whatever can be judged when the answer comes is judged here; the rest by `Audit`.
final class Ledger: Sendable {
    /// What callers do.
    enum Kind: String, CaseIterable {
        case create, validate, addItems, extend, replace, end
    }

    /// How often something was asked with one result.
    struct Count {
        /// With an answer.
        var acknowledged = 0
        /// With an error.
        var doubtful = 0

        /// How often it may have been done.
        var range: ClosedRange<Int> { acknowledged...acknowledged + doubtful }
    }

    /// What is known of one session.
    struct Account {
        /// What its secret hashes to.
        let digest: SecretDigest
        /// Whether its creation was acknowledged.
        var isCreated = false
        /// Whether anybody has asked for its end, whatever came of it.
        var isEndAsked = false
        /// Whether its end was acknowledged.
        var isEnded = false
        var validations = Count()
        var extensions = Count()
        var replacements = Count()
        /// Items that it was asked to take, each with whether that was acknowledged.
        var items: [ItemID: Bool] = [:]
        /// Items that an answer called added by that call.
        var added: Set<ItemID> = []
        /// The request counts that validations were told: each is one validation's own.
        var requestNumbers: Set<Int> = []
        /// Which replacement was the last one that was acknowledged; 0 for none.
        var document = 0
    }

    /// Sums over all calls.
    struct Figures {
        var acknowledged: [Kind: Int] = [:]
        var failed: [Kind: Int] = [:]
        /// The longest call.
        var longest = Duration.zero
        /// How often each message of an error came.
        var messages: [String: Int] = [:]
    }

    private struct State {
        var accounts: [SessionID: Account] = [:]
        /// Sessions that anybody may use.
        var live: [SessionID] = []
        var figures = Figures()
        var faults: [String] = []
        var faultCount = 0
        /// Counts what the load is told of as over; calls of an earlier era say nothing about recovery.
        var era = 0
        /// How many calls of this era were acknowledged since the last error among them, and when the first was.
        var calm = 0
        var calmSince: ContinuousClock.Instant?
    }

    private let state = Mutex(State())
    private let callMax: Duration

    /// An empty ledger, in which no call may take longer than `callMax`.
    init(callMax: Duration) {
        self.callMax = callMax
    }

    /// What is known of every session.
    var accounts: [SessionID: Account] { state.withLock { $0.accounts } }

    /// The sums so far.
    var figures: Figures { state.withLock { $0.figures } }

    /// What went against the promises, the first few in words.
    var breaches: (count: Int, first: [String]) { state.withLock { ($0.faultCount, $0.faults) } }
}

// MARK: - Sessions

extension Ledger {
    /// Opens accounts for sessions that are about to be created.
    func open(_ sessions: [(id: SessionID, digest: SecretDigest)]) {
        state.withLock { state in
            for session in sessions { state.accounts[session.id] = Account(digest: session.digest) }
        }
    }

    /// Notes that creations were acknowledged: from now on anybody may use the sessions.
    func created(_ ids: [SessionID]) {
        state.withLock { state in
            for id in ids { state.accounts[id]?.isCreated = true }
            state.live += ids
        }
    }

    /// A session that nobody has ended yet, as far as is known; one of a few half of the time, so that callers meet.
    func anyLive() -> (id: SessionID, account: Account)? {
        state.withLock { state in
            let candidates = Bool.random() ? state.live.prefix(8) : state.live[...]
            guard let id = candidates.randomElement(), let account = state.accounts[id] else { return nil }
            return (id, account)
        }
    }

    /// Notes that somebody is about to ask for a session's end.
    func ending(_ id: SessionID) {
        state.withLock { state in
            state.accounts[id]?.isEndAsked = true
            if let place = state.live.firstIndex(of: id) { state.live.remove(at: place) }
        }
    }

    /// What is known of a session.
    func account(_ id: SessionID) -> Account? { state.withLock { $0.accounts[id] } }

    /// Notes what came of a call about a session.
    func note(_ id: SessionID, _ change: (inout Account) -> Void) {
        state.withLock { state in
            guard var account = state.accounts.removeValue(forKey: id) else { return }
            change(&account)
            state.accounts[id] = account
        }
    }

    /// Notes that a promise was broken.
    func breach(_ sentence: String) {
        state.withLock { state in
            state.faultCount += 1
            if state.faults.count < 20 { state.faults.append(sentence) }
        }
    }
}

// MARK: - Calls

extension Ledger {
    /// A call that has begun.
    struct Call {
        fileprivate let kind: Kind
        fileprivate let era: Int
        fileprivate let begin = ContinuousClock.now
    }

    /// Notes the beginning of a call.
    func begin(_ kind: Kind) -> Call { Call(kind: kind, era: state.withLock { $0.era }) }

    /// Notes that a call was answered, or failed with `error`.
    func finish(_ call: Call, _ error: SojournError?) {
        let now = ContinuousClock.now
        let took = call.begin.duration(to: now)
        state.withLock { state in
            state.figures.longest = max(state.figures.longest, took)
            if let error {
                state.figures.failed[call.kind, default: 0] += 1
                state.figures.messages[error.message, default: 0] += 1
            } else {
                state.figures.acknowledged[call.kind, default: 0] += 1
            }
            guard call.era == state.era else { return }
            if error != nil {
                state.calm = 0
                state.calmSince = nil
            } else {
                state.calm += 1
                if state.calmSince == nil { state.calmSince = now }
            }
        }
        if took > callMax { breach("\(call.kind) took \(took)\(error.map { ": \($0)" } ?? "")") }
        if let error, error.code != .storeUnavailable {
            breach("\(call.kind) failed with \(String(reflecting: error))")
        }
    }

    /// A new era: only calls that begin from now on count for `calm`.
    func beginEra() {
        state.withLock { state in
            state.era += 1
            state.calm = 0
            state.calmSince = nil
        }
    }

    /// How many calls of this era were acknowledged since the last error among them, and when the first was.
    var calm: (calls: Int, since: ContinuousClock.Instant?) { state.withLock { ($0.calm, $0.calmSince) } }
}
