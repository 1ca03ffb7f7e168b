// SPDX-License-Identifier: Apache-2.0
import Foundation
import KafkaDriver
import KafkaTestSupport
import Testing

/// One consumer by itself: where it begins, how it is moved, and how it ends.
@Suite("Kafka: consumer", .timeLimit(.minutes(5))) struct KafkaConsumerTests {
    private let first = KafkaPartition("orders", 0)
    private let second = KafkaPartition("orders", 1)

    @Test("it begins where its owner says") func namedOffsets() async throws {
        try await MockCluster.run(topics: ["orders": 2]) { cluster async throws in
            try await cluster.produce(0..<100, partition: 0)
            try await cluster.produce(100..<200, partition: 1)
            try await cluster.withConsumer { consumer async throws in
                #expect(try await consumer.assigned() == [first, second])
                try await consumer.seek(to: [first: .at(90), second: .at(97)])
                let batches = try await consumer.read(13)
                #expect(batches.filter { $0.partition == first }.flatMap(\.numbers) == Array(90..<100))
                #expect(batches.filter { $0.partition == second }.flatMap(\.numbers) == [197, 198, 199])
                #expect(batches.first { $0.partition == first }?.firstOffset == 90)
                #expect(batches.last { $0.partition == first }?.nextOffset == 100)
                #expect(batches.allSatisfy { $0.isCurrent })
            }
        }
    }

    @Test("it begins behind what the group has committed, where its owner says nothing") func committed() async throws {
        try await MockCluster.run(topics: ["orders": 1]) { cluster async throws in
            try await cluster.produce(0..<100, partition: 0)
            try await cluster.withConsumer { consumer async throws in
                #expect(try await consumer.assigned() == [first])
                #expect(try await consumer.read(100).flatMap(\.numbers) == Array(0..<100))
                #expect(try await consumer.commit([first: 60]))
            }
            try await cluster.withConsumer { consumer async throws in
                #expect(try await consumer.assigned() == [first])
                #expect(try await consumer.read(40).flatMap(\.numbers) == Array(60..<100))
            }
        }
    }

    @Test("an offset that is not kept goes by the fallback") func fallback() async throws {
        try await MockCluster.run(topics: ["orders": 1]) { cluster async throws in
            try await cluster.produce(0..<10, partition: 0)
            try await cluster.withConsumer { consumer async throws in
                _ = try await consumer.assigned()
                try await consumer.seek(to: [first: .at(5000)])
                #expect(try await consumer.read(10).flatMap(\.numbers) == Array(0..<10))
            }
            try await cluster.withConsumer(group: "strict") {
                $0.fallback = .failure
            } _: { consumer async throws in
                _ = try await consumer.assigned()
                try await consumer.seek(to: [first: .at(5000)])
                let error = await expectFailure(.kafka) { try await consumer.next() }
                #expect(error?.isRetriable == false && error?.isFatal == false)
            }
        }
    }

    @Test("no more than was asked for comes at once, a batch for each partition") func batches() async throws {
        try await MockCluster.run(topics: ["orders": 2]) { cluster async throws in
            try await cluster.produce(0..<500, partition: 0)
            try await cluster.produce(500..<1000, partition: 1)
            try await cluster.withConsumer {
                $0.messagesMax = 7
            } _: { consumer async throws in
                _ = try await consumer.assigned()
                var numbers: [Int] = []
                while numbers.count < 1000 {
                    guard case .messages(let batches) = try await consumer.event() else { continue }
                    #expect((1...7).contains(batches.reduce(0) { $0 + $1.messages.count }))
                    #expect(Set(batches.map(\.partition)).count == batches.count)
                    numbers += batches.flatMap(\.numbers)
                }
                #expect(numbers.sorted() == Array(0..<1000))
            }
        }
    }

    @Test("a seek makes what was read stale, and brings it again") func seek() async throws {
        try await MockCluster.run(topics: ["orders": 2]) { cluster async throws in
            try await cluster.produce(0..<100, partition: 0)
            try await cluster.withConsumer {
                $0.messagesMax = 10
            } _: { consumer async throws in
                _ = try await consumer.assigned()
                let before = try await consumer.read(20)
                #expect(before.allSatisfy { $0.isCurrent })
                try await consumer.seek(to: [first: .at(95)])
                #expect(before.allSatisfy { !$0.isCurrent })
                let after = try await consumer.read(5)
                #expect(after.flatMap(\.numbers) == [95, 96, 97, 98, 99])
                #expect(after[0].isCurrent && after[0].generation > before[0].generation)
                try await consumer.seek(to: [first: .beginning])
                #expect(try await consumer.read(100).flatMap(\.numbers) == Array(0..<100))
                // Partitions of others are left out.
                try await consumer.seek(to: [first: .at(99), KafkaPartition("orders", 7): .beginning])
                #expect(try await consumer.read(1).flatMap(\.numbers) == [99])
                await expectFailure(.invalidArgument) { try await consumer.seek(to: [first: .at(-1)]) }
            }
        }
    }

    @Test("nothing comes from a partition that is paused, and nothing is missing afterwards") func pause() async throws
    {
        try await MockCluster.run(topics: ["orders": 2]) { cluster async throws in
            try await cluster.produce(0..<50, partition: 0)
            try await cluster.withConsumer {
                $0.messagesMax = 5
            } _: { consumer async throws in
                _ = try await consumer.assigned()
                var numbers = try await consumer.read(5).flatMap(\.numbers)
                try await consumer.pause([first, KafkaPartition("orders", 7)])
                try await cluster.produce(1000..<1050, partition: 1)
                let others = try await consumer.read(50)
                #expect(others.allSatisfy { $0.partition == second })
                try await consumer.resume([first])
                numbers += try await consumer.read(45).flatMap(\.numbers)
                #expect(numbers == Array(0..<50))
            }
        }
    }

    @Test("who gives up asking misses nothing") func cancelled() async throws {
        try await MockCluster.run(topics: ["orders": 1]) { cluster async throws in
            try await cluster.withConsumer { consumer async throws in
                _ = try await consumer.assigned()
                var numbers: [Int] = []
                for round in 0..<20 {
                    let asking = Task { try await consumer.next() }
                    try await cluster.produce(round..<round + 1, partition: 0)
                    asking.cancel()
                    do {
                        if case .messages(let batches) = try await asking.value {
                            numbers += batches.flatMap(\.numbers)
                        }
                    } catch let error as KafkaError {
                        #expect(error.code == .cancelled)
                    }
                }
                numbers += try await consumer.read(20 - numbers.count).flatMap(\.numbers)
                #expect(numbers == Array(0..<20))
            }
        }
    }

    @Test("who has given up before asking is told so, and misses nothing") func cancelledBefore() async throws {
        try await MockCluster.run(topics: ["orders": 1]) { cluster async throws in
            try await cluster.withConsumer { consumer async throws in
                _ = try await consumer.assigned()
                try await cluster.produce(0..<10)
                // Read on, and leave something that could be the answer.
                var numbers = try await consumer.read(1).flatMap(\.numbers)
                try await cluster.produce(10..<20)
                let asking = Task {
                    withUnsafeCurrentTask { $0?.cancel() }
                    return try await consumer.next()
                }
                guard await expectFailure(.cancelled, { try await asking.value }) != nil else { return }
                numbers += try await consumer.read(20 - numbers.count).flatMap(\.numbers)
                #expect(numbers.sorted() == Array(0..<20))
            }
        }
    }

    @Test("one task asks at a time") func secondTask() async throws {
        try await MockCluster.run(topics: ["orders": 1]) { cluster async throws in
            try await cluster.withConsumer { consumer async throws in
                _ = try await consumer.assigned()
                try await withThrowingTaskGroup(of: Bool.self) { group in
                    for _ in 0..<2 {
                        group.addTask {
                            do throws(KafkaError) {
                                _ = try await consumer.next()
                                return true
                            } catch {
                                #expect(error.code == .invalidArgument)
                                return false
                            }
                        }
                    }
                    // The one that came too late says so; the other waits for a message.
                    #expect(try await group.next() == false)
                    try await cluster.produce(0..<1)
                    #expect(try await group.next() == true)
                }
            }
        }
    }

    @Test("a consumer that is closed answers nil, its batches are stale, and its group goes on without it")
    func closed() async throws {
        try await MockCluster.run(topics: ["orders": 1]) { cluster async throws in
            try await cluster.produce(0..<10, partition: 0)
            let batches = try await cluster.withConsumer { consumer async throws in
                _ = try await consumer.assigned()
                let batches = try await consumer.read(10)
                let asking = Task { try await consumer.next() }
                await consumer.shutdown()
                #expect(try await asking.value == nil)
                #expect(try await consumer.next() == nil)
                // An owner in the middle of something is not disturbed.
                try await consumer.seek(to: [first: .beginning])
                try await consumer.pause([first])
                #expect(try await consumer.commit([first: 10]) == false)
                return batches
            }
            #expect(batches.allSatisfy { !$0.isCurrent })
            try await cluster.withConsumer { consumer async throws in
                #expect(try await consumer.assigned() == [first])
            }
        }
    }

    @Test("the end comes in time though no broker answers, and though an assignment waits for the owner")
    func closedLate() async throws {
        try await MockCluster.run(brokers: 1, topics: ["orders": 1]) { cluster async throws in
            var configuration = cluster.configuration
            configuration.shutdownTimeout = .milliseconds(500)
            let consumer = KafkaConsumer(configuration, MockCluster.member(), logger: quietLogger)
            _ = try await consumer.assigned()
            try await cluster.takeDown(1)
            await consumer.shutdown()
            #expect(try await consumer.next() == nil)
        }
    }

    @Test("the end comes in time though the answer to a commit does not") func leftLate() async throws {
        try await MockCluster.run(brokers: 1, topics: ["orders": 1]) { cluster async throws in
            var configuration = cluster.configuration
            configuration.shutdownTimeout = .milliseconds(500)
            var settings = MockCluster.member()
            settings.sessionTimeout = .seconds(60)
            let consumer = KafkaConsumer(configuration, settings, logger: quietLogger)
            _ = try await consumer.assigned()
            try await cluster.produce(0..<1)
            _ = try await consumer.read(1)
            try await cluster.delay(1, milliseconds: 50_000)
            let committing = Task { try await consumer.commit([first: 1]) }
            try await Task.sleep(for: .milliseconds(500))
            #expect(await end(of: consumer) < .seconds(25))
            #expect(try await committing.value == false)
        }
    }

    @Test("after a fatal error there is nothing to wait for at the end") func fatal() async throws {
        try await MockCluster.run(brokers: 1, topics: ["orders": 1]) { cluster async throws in
            var configuration = cluster.configuration
            configuration.properties["group.instance.id"] = "one"
            let consumer = KafkaConsumer(configuration, MockCluster.member(), logger: quietLogger)
            _ = try await consumer.assigned()
            // FENCED_INSTANCE_ID
            try await cluster.fail(.heartbeat, with: 82)
            let error = await expectFailure(.kafka) { try await consumer.read(1) }
            #expect(error?.isFatal == true)
            #expect(await end(of: consumer) < .seconds(30))
        }
    }

    @Test("a broker that goes while it is read: what its partitions hold comes from their next leader")
    func leaderMoves() async throws {
        try await MockCluster.run { cluster in
            for partition in 0..<9 { try await cluster.move("orders", partition, to: 1 + partition % 2) }
            try await cluster.coordinate("group", by: 3)
            try await cluster.produce(0..<900)
            try await cluster.withConsumer {
                $0.messagesMax = 50
            } _: { consumer async throws in
                _ = try await consumer.assigned()
                var numbers = try await consumer.read(100).flatMap(\.numbers)
                try await cluster.takeDown(1)
                for partition in 0..<9 { try await cluster.move("orders", partition, to: 2 + partition % 2) }
                try await cluster.produce(900..<1800)
                numbers += try await consumer.read(1800 - numbers.count).flatMap(\.numbers)
                #expect(numbers.sorted() == Array(0..<1800))
            }
        }
    }

    @Test("commits that a rebalance has overtaken are no failure, others are", arguments: [22, 25, 27, 29])
    func commit(code: Int) async throws {
        try await MockCluster.run(topics: ["orders": 1]) { cluster async throws in
            try await cluster.withConsumer { consumer async throws in
                _ = try await consumer.assigned()
                try await cluster.produce(0..<1)
                _ = try await consumer.read(1)
                try await cluster.fail(.offsetCommit, with: code)
                if code == 29 {
                    let error = await expectFailure(.kafka) { try await consumer.commit([first: 1]) }
                    #expect(error?.kafkaCode == 29)
                    await expectFailure(.invalidArgument) { try await consumer.commit([first: -1]) }
                } else {
                    #expect(try await consumer.commit([first: 1]) == false)
                }
            }
        }
    }
}
