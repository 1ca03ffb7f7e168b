// SPDX-License-Identifier: Apache-2.0
import Foundation
import KafkaDriver
import KafkaTestSupport
import Synchronization
import Testing

/// What one task has found and others look at.
private final class Note<Value: Sendable>: Sendable {
    private let state = Mutex<Value?>(nil)

    var value: Value? {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

/// Several consumers of a group: who has what, and what becomes of work when it changes.
@Suite("Kafka: rebalances", .timeLimit(.minutes(5))) struct KafkaRebalanceTests {
    typealias Strategy = KafkaConsumer.Settings.Strategy

    /// Offsets and what was done, kept as a database would: both change together, and only from the offset that is stored.
    private final class Books: Sendable {
        private struct State {
            var offsets: [KafkaPartition: Int64] = [:]
            var numbers: [Int] = []
            var holders: [KafkaPartition: Int] = [:]
        }

        private let state = Mutex(State())

        var numbers: [Int] { state.withLock { $0.numbers } }
        /// By member, how many partitions were given to it last.
        var shares: [Int: Int] { state.withLock { $0.holders.values.reduce(into: [:]) { $0[$1, default: 0] += 1 } } }

        func offsets(of partitions: [KafkaPartition], for member: Int) -> [KafkaPartition: KafkaOffset] {
            state.withLock { state in
                for partition in partitions { state.holders[partition] = member }
                return Dictionary(uniqueKeysWithValues: partitions.map { ($0, .at(state.offsets[$0] ?? 0)) })
            }
        }

        /// Whether the batch was the next one; if not, nothing is done.
        func store(_ batch: KafkaBatch) -> Bool {
            state.withLock { state in
                guard state.offsets[batch.partition, default: 0] == batch.firstOffset else { return false }
                state.offsets[batch.partition] = batch.nextOffset
                state.numbers += batch.numbers
                return true
            }
        }
    }

    /// Serves as a member until the consumer is closed.
    private func serve(_ consumer: KafkaConsumer, as member: Int, _ books: Books) async throws {
        while let event = try await consumer.next() {
            switch event {
            case .assigned(let partitions):
                try await consumer.seek(to: books.offsets(of: partitions, for: member))
            case .messages(let batches):
                for batch in batches where batch.isCurrent {
                    await Task.yield()
                    guard !books.store(batch), batch.isCurrent else { continue }
                    // Who had the partition before has stored more since we asked.
                    try await consumer.seek(to: books.offsets(of: [batch.partition], for: member))
                }
                let offsets = batches.map { ($0.partition, $0.nextOffset) }
                _ = try await consumer.commit(Dictionary(uniqueKeysWithValues: offsets))
            case .revoked: break
            }
        }
    }

    private func withMembers(
        _ cluster: MockCluster, _ count: Int, _ strategy: Strategy, _ books: Books,
        _ body: ([KafkaConsumer]) async throws -> Void
    ) async throws {
        var settings = MockCluster.member()
        settings.strategy = strategy
        settings.messagesMax = 50
        let consumers = (0..<count).map { _ in KafkaConsumer(cluster.configuration, settings, logger: quietLogger) }
        try await withThrowingTaskGroup { group in
            for (member, consumer) in consumers.enumerated() {
                group.addTask { try await serve(consumer, as: member, books) }
            }
            do { try await body(consumers) } catch {
                for consumer in consumers { await consumer.shutdown() }
                throw error
            }
            for consumer in consumers { await consumer.shutdown() }
            try await group.waitForAll()
        }
    }

    @Test("two, three and nine members share nine partitions", arguments: [2, 3, 9], [Strategy.eager, .cooperative])
    func share(count: Int, strategy: Strategy) async throws {
        try await MockCluster.run { cluster async throws in
            let books = Books()
            try await withMembers(cluster, count, strategy, books) { _ async throws in
                try await wait { books.shares.count == count && (books.shares.values.max() ?? 0) <= 9 / count + 1 }
                #expect(books.shares.values.reduce(0, +) == 9)
                try await cluster.produce(0..<3000)
                try await wait { books.numbers.count >= 3000 }
            }
            #expect(books.numbers.sorted() == Array(0..<3000))
        }
    }

    @Test(
        "members that come and go under load: everything is done, and once", arguments: [Strategy.eager, .cooperative])
    func comeAndGo(strategy: Strategy) async throws {
        try await MockCluster.run { cluster async throws in
            let books = Books()
            try await withMembers(cluster, 3, strategy, books) { consumers async throws in
                try await cluster.produce(0..<2000)
                try await wait { books.shares.count >= 2 }
                await consumers[1].shutdown()
                try await cluster.produce(2000..<4000)
                try await wait { books.numbers.count >= 4000 }
            }
            #expect(books.numbers.sorted() == Array(0..<4000))
        }
    }

    @Test(
        "who comes waits for the work in flight of who is there, which is stale at once",
        arguments: [Strategy.eager, .cooperative]) func revoked(strategy: Strategy) async throws
    {
        try await MockCluster.run { cluster async throws in
            for partition in 0..<9 {
                try await cluster.produce(partition * 100..<partition * 100 + 100, partition: partition)
            }
            try await cluster.withConsumer {
                $0.strategy = strategy
            } _: { (old: KafkaConsumer) async throws in
                #expect(try await old.assigned().count == 9)
                let inFlight = try await old.read(900)
                #expect(inFlight.allSatisfy { $0.isCurrent })
                try await cluster.withConsumer {
                    $0.strategy = strategy
                } _: { (new: KafkaConsumer) async throws in
                    let given = Note<[KafkaPartition]>()
                    let arriving = Task {
                        var partitions: [KafkaPartition] = []
                        // Under the cooperative strategy the first round gives nothing.
                        while partitions.isEmpty { partitions = try await new.assigned() }
                        given.value = partitions
                        try await new.seek(
                            to: Dictionary(uniqueKeysWithValues: partitions.map { ($0, KafkaOffset.at(99)) }))
                        return try await new.read(partitions.count)
                    }
                    try await wait { inFlight.contains { !$0.isCurrent } }
                    #expect(given.value == nil, "given away while the work is in flight")
                    let stale = Set(inFlight.filter { !$0.isCurrent }.map(\.partition))
                    guard case .revoked(let revoked, isLost: false) = try await old.event() else {
                        Issue.record("no revocation was told")
                        return
                    }
                    #expect(Set(revoked) == stale)
                    #expect(strategy == .eager ? stale.count == 9 : stale.count < 9)
                    // Asking again lets go of them; what is left, or given anew, goes on.
                    let asking = Task { while try await old.next() != nil {} }
                    let fresh = try await arriving.value
                    #expect(Set(fresh.map(\.partition)) == Set(try #require(given.value)))
                    #expect(fresh.allSatisfy { $0.firstOffset == 99 && $0.isCurrent })
                    if strategy == .cooperative {
                        #expect(inFlight.allSatisfy { $0.isCurrent != stale.contains($0.partition) })
                    }
                    await old.shutdown()
                    try await asking.value
                }
            }
        }
    }

    @Test("a member that its group has thrown out is told that all is lost", arguments: [Strategy.eager, .cooperative])
    func lost(strategy: Strategy) async throws {
        try await MockCluster.run { cluster async throws in
            try await cluster.produce(0..<90)
            try await cluster.withConsumer {
                $0.strategy = strategy
            } _: { consumer async throws in
                let partitions = try await consumer.assigned()
                let batches = try await consumer.read(90)
                // UNKNOWN_MEMBER_ID
                try await cluster.fail(.heartbeat, with: 25)
                try await wait { batches.allSatisfy { !$0.isCurrent } }
                guard case .revoked(let lost, isLost: true) = try await consumer.event() else {
                    Issue.record("no loss was told")
                    return
                }
                #expect(lost == partitions)
                // It joins again, and may begin anew.
                #expect(try await consumer.assigned() == partitions)
                try await consumer.seek(
                    to: Dictionary(uniqueKeysWithValues: partitions.map { ($0, KafkaOffset.beginning) }))
                #expect(try await consumer.read(90).flatMap(\.numbers).sorted() == Array(0..<90))
            }
        }
    }

    @Test("a member that leaves before it was told its share takes nobody along") func early() async throws {
        try await MockCluster.run { cluster async throws in
            // REBALANCE_IN_PROGRESS, for as long as it takes.
            try await cluster.fail(.syncGroup, with: 27, times: 100)
            let book = LogBook()
            var configuration = cluster.configuration
            configuration.properties["debug"] = "cgrp"
            let consumer = KafkaConsumer(configuration, MockCluster.member(), logger: book.logger)
            let asking = Task { try await consumer.next() }
            try await wait { book.lines.contains { $0.message.contains("synchronization failed") } }
            await consumer.shutdown()
            #expect(try await asking.value == nil)
        }
    }

    @Test("a member that was given nothing leaves before it asks again") func empty() async throws {
        try await MockCluster.run(topics: ["orders": 1]) { cluster async throws in
            try await cluster.withConsumer { old async throws in
                #expect(try await old.assigned().count == 1)
                let asking = Task { while try await old.next() != nil {} }
                try await cluster.withConsumer { new async throws in
                    // Nothing, unless the mock has lost patience with the other one, on a busy machine.
                    _ = try await new.assigned()
                    #expect(await end(of: new) < .seconds(30))
                }
                await old.shutdown()
                try await asking.value
            }
        }
    }

    @Test("a member leaves while it owes what it was told", arguments: [Strategy.eager, .cooperative])
    func owing(strategy: Strategy) async throws {
        try await MockCluster.run { cluster async throws in
            try await cluster.withConsumer {
                $0.strategy = strategy
            } _: { (old: KafkaConsumer) async throws in
                #expect(try await old.assigned().count == 9)
                let asking = Task { try await old.event() }
                try await cluster.withConsumer {
                    $0.strategy = strategy
                } _: { (new: KafkaConsumer) async throws in
                    let arriving = Task {
                        var partitions: [KafkaPartition] = []
                        while partitions.isEmpty {
                            if case .assigned(let given) = try await new.event() { partitions = given }
                        }
                    }
                    guard case .revoked(_, isLost: false) = try await asking.value else {
                        Issue.record("no revocation was told")
                        return
                    }
                    #expect(await end(of: old) < .seconds(30))
                    try await arriving.value
                    #expect(await end(of: new) < .seconds(30))
                }
            }
        }
    }

    @Test("a commit while the group is divided anew is answered, and is no failure") func commit() async throws {
        try await MockCluster.run { cluster async throws in
            try await cluster.withConsumer {
                $0.strategy = .eager
            } _: { (old: KafkaConsumer) async throws in
                let partitions = try await old.assigned()
                try await cluster.produce(0..<90)
                let batches = try await old.read(90)
                try await cluster.withConsumer {
                    $0.strategy = .eager
                } _: { (new: KafkaConsumer) async throws in
                    let arriving = Task { try await new.next() }
                    try await wait { batches.allSatisfy { !$0.isCurrent } }
                    let offsets = Dictionary(uniqueKeysWithValues: partitions.map { ($0, Int64(1)) })
                    #expect(try await old.commit(offsets) == false)
                    await new.shutdown()
                    _ = try await arriving.value
                }
            }
        }
    }
}
