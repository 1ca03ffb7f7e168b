// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import Sojourn
import SojournHTTP
import Synchronization
import Testing

/// A store with dead letters, of which one can be written.
private final class LettersStore: ForwardingStore, DeadLetterStore {
    let base = MemoryStore()
    let capabilities: StoreCapabilities = [.sessions, .deadLetters]
    private let letters: Mutex<[Int64: DeadLetter]>
    /// The letter that has what it lacked.
    private let writable: Int64 = 2

    /// Three letters, all open.
    init() {
        let open = (1...3).map { (id: Int64) in
            DeadLetter(
                id: id, partition: StreamPartition(group: "g", topic: "orders", number: 4),
                message: StreamMessage(offset: 10 + id, key: nil, value: Array("{".utf8) + [0xFF]),
                reason: "Not JSON.", state: .open, createdAt: Timestamp(seconds: 1_800_000_000), settledAt: nil)
        }
        letters = Mutex(Dictionary(uniqueKeysWithValues: open.map { ($0.id, $0) }))
    }

    func deadLetters(_ page: PageRequest, state: DeadLetter.State?) async throws -> Page<DeadLetter> {
        let before = try page.after?.numberAndText().0 ?? .max
        let found = letters.withLock { $0.values.filter { $0.id < before && (state == nil || $0.state == state) } }
        return Page(fetched: found.sorted { $0.id > $1.id }, limit: page.limit) { PageCursor($0.id, "") }
    }

    func deadLetter(_ id: Int64) async throws -> DeadLetter? { letters.withLock { $0[id] } }

    func openDeadLetters() async throws -> Int { letters.withLock { $0.values.count { $0.state == .open } } }

    func retryDeadLetter(_ id: Int64) async throws -> DeadLetter? {
        try settle(id, as: .retried) {
            guard id == self.writable else {
                throw id == 1 ? SojournError(.malformedJSON, "The message is no JSON object.") : .noSession()
            }
        }
    }

    func dropDeadLetter(_ id: Int64) async throws -> DeadLetter? { try settle(id, as: .dropped) {} }

    func unannouncedDeadLetters(max: Int, bytesMax: Int) async throws -> [DeadLetter] { [] }

    func announced(_ letters: [Int64]) async throws {}

    private func settle(_ id: Int64, as state: DeadLetter.State, _ body: () throws -> Void) throws -> DeadLetter? {
        try letters.withLock { letters in
            guard let letter = letters[id] else { return nil }
            guard letter.state == .open else { throw SojournError(.alreadyFinished, "It is settled.") }
            try body()
            letters[id] = DeadLetter(
                id: id, partition: letter.partition, message: letter.message, reason: letter.reason, state: state,
                createdAt: letter.createdAt, settledAt: Timestamp(seconds: 1_800_000_060))
            return letters[id]
        }
    }
}

@Suite("The routes of the pipeline") struct PipelineRoutesTests {
    private let letters = "/v1/admin/dead-letters"

    @Test("an operator sees how far the pipeline is; where there is none, what it needs")
    func status() async throws {
        let status = PipelineStatus(
            group: "sojourn",
            partitions: [
                PartitionLag(topic: "orders", partition: 0, position: 7, end: 12),
                PartitionLag(topic: "orders", partition: 1, position: 30, end: 33),
            ], openDeadLetters: 2, dropped: 1, at: Timestamp(seconds: 1_800_000_000))
        let api = APITester { $0.pipelineStatus = { status } }
        let answer = try await api.send(.get, "/v1/admin/pipeline", token: APITester.key)
        #expect(answer.status == 200)
        #expect(answer.json["group"] as? String == "sojourn" && answer.json["lag"] as? Int == 8)
        #expect(answer.json["open_dead_letters"] as? Int == 2 && answer.json["dropped"] as? Int == 1)
        #expect(answer.json["timestamp"] as? String == status.at.text)
        let partitions = try #require(answer.json["partitions"] as? [[String: Any]])
        #expect(partitions.map { $0["lag"] as? Int } == [5, 3])
        #expect(partitions.map { $0["topic"] as? String } == ["orders", "orders"])
        #expect(partitions[1]["partition"] as? Int == 1)
        #expect(partitions[1]["position"] as? Int == 30 && partitions[1]["end"] as? Int == 33)
        #expect(try await api.send(.get, "/v1/admin/pipeline").status == 401)
        let token = try await api.begin()
        #expect(try await api.send(.get, "/v1/admin/pipeline", token: token).status == 403)

        let without = try await APITester().send(.get, "/v1/admin/pipeline", token: APITester.key)
        #expect(without.status == 501 && without.code == "not_available_on_this_store")
        #expect(without.text.contains("KAFKA_BROKERS") && without.text.contains("DATABASE_URL"))
    }

    @Test("brokers that do not answer are nothing of ours: 503 says so")
    func brokersDown() async throws {
        let api = APITester {
            $0.pipelineStatus = { throw SojournError(.storeUnavailable, "Kafka's brokers cannot be reached.") }
        }
        let answer = try await api.send(.get, "/v1/admin/pipeline", token: APITester.key)
        #expect(answer.status == 503 && answer.code == "store_unavailable")
        #expect(answer.json["detail"] as? String == "Kafka's brokers cannot be reached.")
        #expect(answer.headers[.retryAfter] != nil)
    }

    @Test("dead letters are listed by state, page by page, and read")
    func listed() async throws {
        let api = APITester(store: LettersStore())
        let first = try await api.send(.get, letters + "?limit=2", token: APITester.key)
        #expect(first.items.map { $0["letter_id"] as? Int } == [3, 2])
        let next = try #require(first.json["next"] as? String)
        let second = try await api.send(.get, letters + "?limit=2&cursor=\(next)", token: APITester.key)
        #expect(second.items.map { $0["letter_id"] as? Int } == [1])
        #expect(second.json["next"] is NSNull)
        #expect(try await api.send(.get, letters + "?state=dropped", token: APITester.key).items.isEmpty)
        let unknown = try await api.send(.get, letters + "?state=lost", token: APITester.key)
        #expect(unknown.status == 422 && unknown.field == "state")

        let one = try await api.send(.get, letters + "/3", token: APITester.key)
        #expect(one.json["offset"] as? Int == 13 && one.json["partition"] as? Int == 4)
        #expect(one.json["value"] as? String == "{\u{FFFD}" && one.json["key"] is NSNull)
        #expect(one.json["reason"] as? String == "Not JSON." && one.json["state"] as? String == "open")
        #expect(try await api.send(.get, letters + "/4", token: APITester.key).status == 404)
        for name in ["x", "0", "-1", "+1", "9223372036854775808"] {
            let answer = try await api.send(.get, "\(letters)/\(name)", token: APITester.key)
            #expect(answer.status == 422 && answer.field == "id", "\(name)")
        }
    }

    @Test("a letter is written once what it lacked is there, or dropped, and neither twice")
    func settled() async throws {
        let api = APITester(store: LettersStore())
        let refused = try await api.send(.post, letters + "/1/retry", token: APITester.key)
        #expect(refused.status == 422 && refused.code == "letter_refused")
        #expect(refused.json["detail"] as? String == "The letter stays open. The message is no JSON object.")
        #expect(try await api.send(.get, letters + "/1", token: APITester.key).json["state"] as? String == "open")
        let homeless = try await api.send(.post, letters + "/3/retry", token: APITester.key)
        #expect(homeless.status == 422 && homeless.code == "letter_refused")
        let written = try await api.send(.post, letters + "/2/retry", token: APITester.key)
        #expect(written.status == 200 && written.json["state"] as? String == "retried")
        #expect(written.json["settled_at"] as? String == "2027-01-15T08:01:00.000Z")
        let dropped = try await api.send(.post, letters + "/1/drop", token: APITester.key)
        #expect(dropped.status == 200 && dropped.json["state"] as? String == "dropped")
        for path in ["/1/retry", "/1/drop", "/2/retry"] {
            let again = try await api.send(.post, letters + path, token: APITester.key)
            #expect(again.status == 409 && again.code == "already_finished", "\(path)")
        }
        for path in ["/9/retry", "/9/drop"] {
            #expect(try await api.send(.post, letters + path, token: APITester.key).status == 404, "\(path)")
        }
        let all = try await api.send(.get, letters + "?state=all", token: APITester.key)
        #expect(all.items.map { $0["state"] as? String } == ["open", "retried", "dropped"])
        #expect(try await api.send(.get, letters, token: APITester.key).items.count == 1)
    }

    @Test("only service keys may, and a store without letters says so")
    func refused() async throws {
        let api = APITester(store: LettersStore())
        let token = try await api.begin()
        #expect(try await api.send(.get, letters).status == 401)
        #expect(try await api.send(.post, letters + "/1/drop", token: token).status == 403)
        let without = try await APITester().send(.post, letters + "/1/drop", token: APITester.key)
        #expect(without.status == 501 && without.code == "not_available_on_this_store")
        await #expect(throws: SojournError.self) { try await APITester().sessions.deadLetters.drop(1) }
    }
}
