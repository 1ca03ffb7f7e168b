// SPDX-License-Identifier: Apache-2.0

import Sojourn
import SojournPostgres
import SojournTesting
import Synchronization

/// Callers that do to a store what visitors do, as fast as it lets them, and keep the ledger.
struct Load: Sendable {
    /// How many callers there are.
    static let callerCount = 64
    /// Items in the catalogue.
    static let items: ClosedRange<ItemID> = 1...40

    /// What is tested.
    let store: PostgresStore
    /// What was asked and answered.
    let ledger: Ledger

    /// Runs the callers until `body` returns, and returns once all of them have had their last answer.
    func run(during body: () async throws -> Void) async throws {
        let isOver = Stop()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<Self.callerCount {
                group.addTask {
                    var caller = Caller(number: number, load: self)
                    while !isOver.isSet { await caller.step() }
                }
            }
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(try await body())
            } catch {
                outcome = .failure(error)
            }
            isOver.set()
            try await group.waitForAll()
            try outcome.get()
        }
    }
}

/// Whether callers are to go home.
private final class Stop: Sendable {
    private let flag = Atomic(false)

    var isSet: Bool { flag.load(ordering: .relaxed) }

    func set() { flag.store(true, ordering: .relaxed) }
}

/// What a caller heard.
private enum Answer<Value> {
    case value(Value)
    /// No, with a reason that may be right.
    case refusal(SojournError)
    /// Nothing is known.
    case doubt
}

/// One caller: a loop over calls chosen at random. It alone replaces metadata of its sessions and ends them, so that it
/// knows which version to name.
private struct Caller {
    /// A session of its own.
    private struct Own {
        let id: SessionID
        /// The version to name next.
        var version = 1
        /// How many replacements were tried.
        var replacements = 0
    }

    private let number: Int
    private let store: PostgresStore
    private let ledger: Ledger
    private var own: [Own] = []
    private static let random = RandomSource { .random(in: 0 ... .max) }

    init(number: Int, load: Load) {
        self.number = number
        store = load.store
        ledger = load.ledger
    }

    mutating func step() async {
        guard !own.isEmpty else { return await create() }
        switch Int.random(in: 0..<100) {
        case 0..<6: await create()
        case 6..<16: await replace()
        case 16..<26: await extend()
        case 26..<42: await add()
        case 42..<52 where own.count > 4: await end()
        default: await validate()
        }
    }

    /// Makes a call, and notes how long it took and with what error it failed.
    private func call<Value>(
        _ kind: Ledger.Kind, _ body: () async throws -> Value
    ) async -> Answer<Value> {
        let call = ledger.begin(kind)
        do {
            let value = try await body()
            ledger.finish(call, nil)
            return .value(value)
        } catch let error as SojournError where [.noSession, .staleVersion].contains(error.code) {
            // An answer too; whether it is a right one is for the caller to say.
            ledger.finish(call, nil)
            return .refusal(error)
        } catch let error as SojournError {
            ledger.finish(call, error)
        } catch {
            ledger.finish(call, SojournError(.storeUnavailable, "A foreign error.", underlying: error))
            ledger.breach("\(kind) failed with a foreign error: \(error)")
        }
        return .doubt
    }

    /// How to name a session: mostly by its secret.
    private func access(_ id: SessionID, _ account: Ledger.Account) -> SessionAccess {
        Int.random(in: 0..<4) == 0 ? .trusted(id, as: .service) : .digest(id, account.digest)
    }

    /// An answer that there is no such session: right only once somebody has asked for its end.
    private func refused(_ kind: Ledger.Kind, _ id: SessionID) {
        if ledger.account(id)?.isEndAsked != true {
            ledger.breach("\(kind): a session that nobody has ended was refused (law 11)")
        }
    }

    /// An answer from within a live session: wrong where its end had been acknowledged before the question.
    private func served(_ kind: Ledger.Kind, _ before: Ledger.Account) {
        if before.isEnded { ledger.breach("\(kind): a session whose end was acknowledged is live") }
    }
}

// MARK: - What it does

extension Caller {
    private mutating func create() async {
        let user = Int.random(in: 0..<2) == 0 ? nil : UserID("user-\(number % 16)")
        // A cap that is never reached: another way to create, which ends nobody.
        let cap = Int.random(in: 0..<8) == 0 ? 1_000_000 : nil
        let new = (0..<Int.random(in: 1...3)).map { _ in
            NewSession(
                id: SessionID(UUIDBytes(high: .random(in: 0 ... .max), low: .random(in: 0 ... .max))),
                digest: TestSecrets.digest(.random(in: 0 ... .max)), userID: user, sessionsPerUserMax: cap)
        }
        ledger.open(new.compactMap { session in session.digest.map { (session.id, $0) } })
        guard case .value(let results) = await call(.create, { try await store.create(new) }) else { return }
        guard results.count == new.count else {
            return ledger.breach("create: \(results.count) of \(new.count) answers")
        }
        var made: [SessionID] = []
        for (session, result) in zip(new, results) {
            switch result {
            case .success: made.append(session.id)
            case .failure(let error) where error.code == .storeUnavailable: break
            case .failure(let error): ledger.breach("create: a new session was refused: \(String(reflecting: error))")
            }
        }
        ledger.created(made)
        own += made.map { Own(id: $0) }
    }

    private func validate() async {
        guard let (id, before) = ledger.anyLive() else { return }
        switch await call(.validate, { try await store.validate(access(id, before)) }) {
        case .value(let session?):
            served(.validate, before)
            var isNew = true
            ledger.note(id) { account in
                account.validations.acknowledged += 1
                isNew = account.requestNumbers.insert(session.requestCount).inserted
            }
            if !isNew { ledger.breach("validate: request \(session.requestCount) of a session was told twice") }
        case .value(nil), .refusal: refused(.validate, id)
        case .doubt: ledger.note(id) { $0.validations.doubtful += 1 }
        }
    }

    private func add() async {
        guard let (id, before) = ledger.anyLive() else { return }
        let items = Array(Set((0..<Int.random(in: 1...5)).map { _ in ItemID.random(in: Load.items) }))
        switch await call(.addItems, { try await store.add(items, to: access(id, before), holdMax: 1000) }) {
        case .value(let answer):
            served(.addItems, before)
            var twice: Set<ItemID> = []
            ledger.note(id) { account in
                for item in items { account.items[item] = true }
                twice = account.added.intersection(answer.added)
                account.added.formUnion(answer.added)
            }
            if !twice.isEmpty { ledger.breach("addItems: an item was told to be added twice") }
        case .refusal: refused(.addItems, id)
        case .doubt:
            ledger.note(id) { account in
                for item in items where account.items[item] == nil { account.items[item] = false }
            }
        }
    }

    private func extend() async {
        guard let (id, before) = ledger.anyLive() else { return }
        switch await call(.extend, { try await store.extend(access(id, before), by: nil) }) {
        case .value:
            served(.extend, before)
            ledger.note(id) { $0.extensions.acknowledged += 1 }
        case .refusal: refused(.extend, id)
        case .doubt: ledger.note(id) { $0.extensions.doubtful += 1 }
        }
    }

    private mutating func replace() async {
        let place = own.indices.randomElement() ?? 0
        let id = own[place].id
        guard let before = ledger.account(id) else { return }
        own[place].replacements += 1
        let serial = own[place].replacements
        let version = own[place].version
        let answer = await call(.replace) {
            try await store.replace(
                .metadata, of: access(id, before), with: JSONDocument(["serial": .integer(Int64(serial))]),
                ifVersion: version)
        }
        switch answer {
        case .value(let session):
            own[place].version = session.version
            if session.version != version + 1 {
                ledger.breach("replace: from version \(version) to \(session.version)")
            }
            ledger.note(id) { account in
                account.replacements.acknowledged += 1
                account.document = serial
            }
        case .refusal(let error) where error.code == .staleVersion:
            // Right where a replacement in doubt was done after all; which version is current says how many were.
            guard case .integer(let current)? = error.details["version"] else {
                return ledger.breach("replace: no current version was told")
            }
            own[place].version = Int(current)
            if !before.replacements.range.contains(Int(current) - 1) || Int(current) == version {
                ledger.breach("replace: version \(current), though \(before.replacements) were asked for")
            }
        case .refusal: refused(.replace, id)
        case .doubt: ledger.note(id) { $0.replacements.doubtful += 1 }
        }
    }

    private mutating func end() async {
        let ids = (0..<Int.random(in: 1...2)).map { _ in own.remove(at: .random(in: own.indices)).id }
        let accesses = ids.compactMap { id in ledger.account(id).map { access(id, $0) } }
        for id in ids { ledger.ending(id) }
        switch await call(.end, { try await store.end(accesses) }) {
        case .value(let answers) where answers == ids.map({ _ in true }):
            for id in ids { ledger.note(id) { $0.isEnded = true } }
            // From here on they must not validate, whoever asks.
            for access in accesses {
                if case .value(.some) = await call(.validate, { try await store.validate(access) }) {
                    ledger.breach("validate: a session whose end was acknowledged is live")
                }
            }
        case .value, .refusal: ledger.breach("end: a session that nobody else ends was not there")
        case .doubt: break
        }
    }
}
