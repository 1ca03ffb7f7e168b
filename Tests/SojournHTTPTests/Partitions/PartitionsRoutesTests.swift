// SPDX-License-Identifier: Apache-2.0

import HTTPTypes
import Sojourn
import SojournTesting
import Testing

/// A store whose partitions are as a test says.
private struct MonthsStore: ForwardingStore, PartitionStore {
    let base = MemoryStore()
    let capabilities: StoreCapabilities = [.sessions, .partitions]
    let status: PartitionStatus

    /// One month, and a moment so long before its end.
    init(left: Duration) throws {
        let month = try #require(PartitionMonth("2026-11"))
        let partition = Partition(name: month.table, state: .attached, span: month.span, rows: nil, bytes: 8192)
        status = PartitionStatus(now: month.span.upperBound - left, partitions: [partition])
    }

    func partitions() async throws -> PartitionStatus { status }
    func perform(_ step: PartitionStep) async throws -> PartitionOutcome { .unneeded }
    func tidyPartitions() async throws {}
    func leadingPartitions(_ body: @Sendable () async throws -> Void) async throws -> Bool { false }
}

@Suite("The routes of partitions") struct PartitionsRoutesTests {
    @Test("an operator sees the months; a store without has none to show")
    func shown() async throws {
        let api = APITester(store: try MonthsStore(left: .days(8)))
        let answer = try await api.send(.get, "/v1/admin/partitions", token: APITester.key)
        #expect(answer.status == 200)
        #expect(answer.json["seconds_ahead"] as? Int == 8 * 86400)
        #expect(answer.json["reach"] as? String == "2026-12-01T00:00:00.000Z")
        let month = try #require(answer.items.first)
        #expect(month["name"] as? String == "conversations_2026_11" && month["state"] as? String == "attached")
        #expect(month["from"] as? String == "2026-11-01T00:00:00.000Z" && month["bytes"] as? Int == 8192)
        #expect(try await api.send(.get, "/v1/admin/partitions").status == 401)
        let without = try await APITester().send(.get, "/v1/admin/partitions", token: APITester.key)
        #expect(without.status == 501 && without.code == "not_available_on_this_store")
    }

    @Test(
        "with room for less than seven days a node is not ready",
        arguments: [(Duration.days(7), 200), (.days(7) - .seconds(1), 503)])
    func readiness(left: Duration, status: Int) async throws {
        let answer = try await APITester(store: try MonthsStore(left: left)).send(.get, "/readyz")
        #expect(answer.status == status)
        guard status == 503 else { return }
        #expect(answer.code == "partitions_missing")
        #expect(answer.json["seconds_ahead"] as? Int == 7 * 86400 - 1)
    }
}
