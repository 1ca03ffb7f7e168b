// SPDX-License-Identifier: Apache-2.0

import Sojourn
import SojournTesting

/// One caller of the journal's load: visits, each of a session that begins, is used at either node, and ends somehow.
struct JournalCaller {
    private let number: Int
    private let nodes: [RemoteStore]
    private let ledger: JournalLedger
    /// Months ahead that no caller has come to yet.
    private var ahead = 0

    init(number: Int, nodes: [RemoteStore], ledger: JournalLedger) {
        self.number = number
        self.nodes = nodes
        self.ledger = ledger
    }

    private var node: RemoteStore { nodes.randomElement() ?? nodes[0] }

    /// A moment in one of the months that are retired while they are written to.
    static func archived() -> Timestamp { SystemWallClock().now - .days(31 * Int.random(in: 40...45)) }

    /// A session from its beginning to its end.
    mutating func visit() async {
        do {
            let user = Bool.random() ? UserID(stored: "user-\(Int.random(in: 0..<40))") : nil
            let id = SessionID(UUIDBytes(version7At: SystemWallClock().now, random: .system))
            ledger.change(id) { $0.mayBeGone = user != nil }
            _ = try await node.create([NewSession(id: id, digest: nil, userID: user)])[0].get()
            let access = SessionAccess.trusted(id, as: .service)
            for _ in 0..<Int.random(in: 3...12) {
                try await use(access)
                try await Task.sleep(for: .milliseconds(Int.random(in: 5...40)))
            }
            try await leave(access, user)
        } catch let error as SojournError where error.code == .noSession {
            // Somebody erased the user.
        } catch {
            ledger.note("\(error)")
        }
    }

    private mutating func use(_ access: SessionAccess) async throws {
        switch Int.random(in: 0..<20) {
        case 0..<10: try await append(access, at: nil)
        case 10: try await append(access, at: SystemWallClock().now - .days(Int.random(in: 1...400)))
        case 11: try await append(access, at: Self.archived())
        case 12:
            // The turn of a month that nobody has made.
            ahead += 1
            try await append(access, at: SystemWallClock().now + .days(31 * (4 + (number * 7 + ahead) % 60)))
        case 13: try await append(access, .interaction(type: "click", data: .empty))
        case 14: try await append(access, .recommendations(shopID: nil, recommendations: .array([]), count: 0))
        case 15:
            try await append(
                access, .feedback(type: "stars", targetType: nil, targetID: nil, rating: 5, comment: nil))
        default:
            let begin = ContinuousClock.now
            guard try await node.validate(access) != nil else { throw SojournError.noSession() }
            ledger.noteValidation(begin.duration(to: .now))
        }
    }

    private func append(_ access: SessionAccess, at: Timestamp?) async throws {
        let turns = (0..<Int.random(in: 1...3)).map { _ in
            entry(.conversation(input: "냉장고에 뭐가 있어요?", response: "김치", extra: .empty), at: at)
        }
        // What stands in a month that is being retired goes with it.
        let isKept = at.map { $0 > SystemWallClock().now - .days(500) } ?? true
        let ids = isKept ? turns.map(\.id) : []
        ledger.change(access.id) { $0.doubtful += ids }
        let key = Bool.random() ? IdempotencyKey("\(turns[0].id)", access: access, route: "load", body: [1]) : nil
        let begin = ContinuousClock.now
        _ = try await node.append(turns, to: access, expectedTurns: nil, idempotency: key)
        ledger.noteAppend(begin.duration(to: .now))
        ledger.change(access.id) { account in
            account.turns += ids
            account.doubtful.removeLast(ids.count)
        }
    }

    private func append(_ access: SessionAccess, _ body: JournalBody) async throws {
        _ = try await node.append([entry(body, at: nil)], to: access, expectedTurns: nil, idempotency: nil)
    }

    private func entry(_ body: JournalBody, at: Timestamp?) -> NewEntry {
        let time = at ?? SystemWallClock().now
        return NewEntry(id: EntryID(UUIDBytes(version7At: time, random: .system)), at: at, body: body)
    }

    private func leave(_ access: SessionAccess, _ user: UserID?) async throws {
        switch Int.random(in: 0..<10) {
        case 0..<4: _ = try await node.end([access])
        case 4..<6:
            ledger.change(access.id) { $0.mayBeGone = true }
            _ = try await node.delete(access.id)
        case 6: if let user { _ = try await node.erase(user) }
        default: break
        }
    }
}
