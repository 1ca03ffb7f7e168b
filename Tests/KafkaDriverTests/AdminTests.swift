// SPDX-License-Identifier: Apache-2.0
import Foundation
import KafkaDriver
import KafkaTestSupport
import Testing

/// Questions about topics.
@Suite("Kafka: topics", .timeLimit(.minutes(5))) struct KafkaAdminTests {
    private func withAdmin(
        _ cluster: MockCluster, _ change: (inout KafkaConfiguration) -> Void = { _ in },
        _ body: (KafkaAdmin) async throws -> Void
    ) async throws {
        var configuration = cluster.configuration
        change(&configuration)
        let admin = KafkaAdmin(configuration, logger: quietLogger)
        do { try await body(admin) } catch {
            await admin.shutdown()
            throw error
        }
        await admin.shutdown()
    }

    @Test("a topic's partitions; asking for one that is missing does not make it") func partitions() async throws {
        try await MockCluster.run { cluster async throws in
            try await withAdmin(cluster) { admin async throws in
                #expect(try await admin.partitions(of: "orders") == (0..<9).map { KafkaPartition("orders", $0) })
                for _ in 0..<2 { #expect(try await admin.partitions(of: "missing").isEmpty) }
            }
        }
    }

    @Test("the offsets that are kept, and so how far a reader is behind") func offsets() async throws {
        try await MockCluster.run(topics: ["orders": 2]) { cluster async throws in
            try await cluster.produce(0..<70, partition: 1)
            try await withAdmin(cluster) { admin async throws in
                let partitions = try await admin.partitions(of: "orders")
                let offsets = try await admin.offsets(of: partitions)
                #expect(offsets == [partitions[0]: 0..<0, partitions[1]: 0..<70])
                let error = await expectFailure(.kafka) {
                    try await admin.offsets(of: [KafkaPartition("orders", 5)])
                }
                #expect(error?.message.contains("orders/5") == true)
            }
        }
    }

    @Test("offsets by time: the mock knows none, which reads as the end") func times() async throws {
        try await MockCluster.run(topics: ["orders": 1]) { cluster async throws in
            try await cluster.produce(0..<3, partition: 0)
            try await withAdmin(cluster) { admin async throws in
                let partition = KafkaPartition("orders", 0)
                #expect(try await admin.offsets(of: [partition], since: .now) == [partition: .end])
                await expectFailure(.invalidArgument) { try await admin.offsets(of: [partition], since: .distantPast) }
            }
        }
    }

    @Test("a topic that is there stays as it is") func existing() async throws {
        try await MockCluster.run { cluster async throws in
            try await withAdmin(cluster) { admin async throws in
                #expect(try await admin.createTopic("orders", partitions: 3, replicas: 1).count == 9)
            }
        }
    }

    @Test("brokers that take no orders may make a topic by themselves") func withoutOrders() async throws {
        try await MockCluster.run { cluster async throws in
            try await withAdmin(cluster) {
                $0.requestTimeout = .seconds(3)
            } _: { admin async throws in
                let made = try await admin.createTopic("events", partitions: 9, replicas: 1)
                #expect(!made.isEmpty)
                #expect(try await admin.partitions(of: "events") == made)
            }
        }
    }

    @Test("brokers that are gone: the answer comes in time, and may be asked for again") func gone() async throws {
        try await MockCluster.run(brokers: 1) { cluster async throws in
            try await cluster.takeDown(1)
            try await withAdmin(cluster) {
                $0.requestTimeout = .milliseconds(500)
            } _: { admin async throws in
                for _ in 0..<2 {
                    let error = await expectFailure(.kafka) {
                        try await admin.createTopic("events", partitions: 9, replicas: 1)
                    }
                    #expect(error?.isRetriable == true)
                }
                try await cluster.bringUp(1)
                try await wait { (try? await admin.partitions(of: "orders").count) == 9 }
            }
        }
    }

    @Test("a topic that cannot be is refused") func impossible() async throws {
        try await MockCluster.run { cluster async throws in
            try await withAdmin(cluster) { admin async throws in
                for (name, count) in [("", 1), ("events", 0), ("events", -1)] {
                    await expectFailure(.invalidArgument) {
                        try await admin.createTopic(name, partitions: count, replicas: 1)
                    }
                }
            }
        }
    }
}
