// SPDX-License-Identifier: Apache-2.0

import KafkaDriver
import KafkaTestSupport
import Logging
import PostgresDriver
import ServiceLifecycle
import Sojourn
import SojournKafka
import SojournPostgres
import Testing

/// The stream of orders into PostgreSQL (K2, K3).
@Suite("The pipeline", .onPostgres, .timeLimit(.minutes(10)))
struct PipelineTests {
    private let partition = StreamPartition(group: "g", topic: "orders", number: 3)

    /// A database with users `u0`… and products `p0`…, ten of each, and its store.
    private func bench() async throws -> (database: ScratchDatabase, store: PostgresStore) {
        let database = try await ScratchDatabase()
        let store = try database.store()
        let users = (0..<10).map { number in
            var user = RetailUserDraft(id: UserID(stored: "u\(number)"), name: "Mina \(number)")
            user.gender = number.isMultiple(of: 2) ? .female : .male
            user.age = 20 + number
            user.region = "Seoul"
            return user
        }
        _ = try await store.putUsers(users, locale: .en)
        let products = (0..<10).map { number in
            var product = RetailProductDraft(id: "p\(number)", name: "Tofu \(number)", price: 100 * (number + 1))
            product.category = "c\(number)"
            return product
        }
        _ = try await store.putProducts(products)
        return (database, store)
    }

    private func order(_ number: UInt64, user: String? = nil, product: String? = nil) -> RetailOrderDraft {
        RetailOrderDraft(
            id: OrderID(UUIDBytes(high: 9, low: number)), userID: UserID(stored: user ?? "u\(number % 10)"),
            productID: product ?? "p\(number % 10)")
    }

    private func message(_ offset: Int64, _ order: RetailOrderDraft) -> StreamMessage {
        StreamMessage(offset: offset, key: Array("k".utf8), value: order.message)
    }

    private func step(_ orders: [RetailOrderDraft], from: Int64) -> StreamStep {
        let messages = orders.enumerated().map { message(from + Int64($0), $1) }
        return StreamStep(messages, of: partition, from: from, to: from + Int64(orders.count))
    }

    @Test("orders and the group's place are written together, once")
    func once() async throws {
        let (database, store) = try await bench()
        defer { store.close() }
        #expect(try await store.positions(of: [partition]) == [partition: 0])
        let first = step((0..<100).map { order($0) }, from: 0)
        #expect(try await store.take(first) == .taken(StreamTally(written: 100)))
        #expect(try await store.take(first) == .fenced)
        #expect(try await store.positions(of: [partition]) == [partition: 100])
        // Read again after a rewind: what is there is there.
        try await store.rewind(to: [partition: 50])
        let again = step((50..<120).map { order($0) }, from: 50)
        #expect(try await store.take(again) == .taken(StreamTally(written: 20, present: 50)))
        let rows = try await database.run(
            """
            SELECT count(*), count(*) FILTER (WHERE o.category = p.category AND o.user_region = u.region
                AND o.user_gender = u.gender AND o.user_age_group = u.age_group AND o.total_amount = p.price)
            FROM sojourn.orders AS o JOIN sojourn.users AS u USING (user_id) JOIN sojourn.products AS p USING (product_id)
            """)
        #expect(try rows[0].int(0) == 120 && rows[0].int(1) == 120)
    }

    @Test("of many who take the same step, one does")
    func race() async throws {
        let (database, store) = try await bench()
        defer { store.close() }
        _ = try await store.positions(of: [partition])
        let same = step((0..<50).map { order($0) }, from: 0)
        let taken = try await withThrowingTaskGroup(of: StreamOutcome.self) { group in
            for _ in 0..<8 { group.addTask { try await store.take(same) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(taken.count { $0 == .fenced } == 7)
        #expect(try await database.run("SELECT count(*) FROM sojourn.orders")[0].int(0) == 50)
    }

    @Test("an order of nobody, or for nothing, is a dead letter, which is written once its user is there, or dropped")
    func deadLetters() async throws {
        let (_, store) = try await bench()
        defer { store.close() }
        _ = try await store.positions(of: [partition])
        let mixed = step([order(1), order(2, user: "late"), order(3, product: "gone"), order(4)], from: 0)
        #expect(try await store.take(mixed) == .taken(StreamTally(written: 2, dead: 2)))
        #expect(try await store.openDeadLetters() == 2)
        let letters = try await store.deadLetters(PageRequest(limit: 10), state: .open).items
        #expect(letters.map(\.message.offset) == [2, 1])
        #expect(letters[0].reason.hasPrefix("product_id:") && letters[1].reason.hasPrefix("user_id:"))
        #expect(letters[1].message == message(1, order(2, user: "late")) && letters[1].partition == partition)

        let early = await #expect(throws: SojournError.self) { try await store.retryDeadLetter(letters[1].id) }
        #expect(early?.field == "user_id")
        #expect(try await store.deadLetter(letters[1].id)?.state == .open)
        _ = try await store.putUsers([RetailUserDraft(id: UserID(stored: "late"), name: "Late")], locale: .en)
        #expect(try await store.retryDeadLetter(letters[1].id)?.state == .retried)
        #expect(try await store.order(order(2).id)?.userID == UserID(stored: "late"))
        #expect(try await store.dropDeadLetter(letters[0].id)?.state == .dropped)
        let twice = await #expect(throws: SojournError.self) { try await store.dropDeadLetter(letters[0].id) }
        #expect(twice?.code == .alreadyFinished)
        #expect(try await store.retryDeadLetter(999) == nil)
        #expect(try await store.openDeadLetters() == 0)
        #expect(try await store.deadLetters(PageRequest(limit: 1), state: nil).next != nil)
    }

    @Test("a message that a trigger refuses is a dead letter, the others are written")
    func trigger() async throws {
        let (database, store) = try await bench()
        defer { store.close() }
        _ = try await store.positions(of: [partition])
        for statement in [
            """
            CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF NEW.user_id = 'u3' THEN RAISE EXCEPTION 'no more credit for %', NEW.user_id; END IF;
                RETURN NEW;
            END $$
            """,
            """
            CREATE TRIGGER refuse BEFORE INSERT ON sojourn.orders FOR EACH ROW EXECUTE FUNCTION public.refuse()
            """,
        ] { try await database.run(statement) }
        let messages = (0..<10).map { message(Int64($0), order(UInt64($0))) }
        let outcome = try await PipelineWriter(store, logger: TestServer.logger)
            .write(messages[...], of: partition, from: 0, to: 10) { true }
        #expect(outcome == .written)
        #expect(try await database.run("SELECT count(*) FROM sojourn.orders")[0].int(0) == 9)
        let letters = try await store.deadLetters(PageRequest(limit: 10), state: .open).items
        #expect(letters.map(\.message) == [messages[3]])
        #expect(letters[0].reason.contains("trigger"))
        let again = await #expect(throws: SojournError.self) { try await store.retryDeadLetter(letters[0].id) }
        #expect(again?.code == .invalidInput)
        try await database.run("DROP TRIGGER refuse ON sojourn.orders")
        #expect(try await store.retryDeadLetter(letters[0].id)?.state == .retried)
    }

    @Test("what is to be announced is no more than fits, and at least one")
    func unannounced() async throws {
        let (database, store) = try await bench()
        defer { store.close() }
        try await database.run(
            """
            INSERT INTO sojourn.dead_letters (
                consumer_group, topic, partition, content, message_offset, message_key, message_value, reason)
            SELECT 'g', 'orders', 0, 'orders', number, CASE WHEN number > 2 THEN 'kk'::bytea END,
                convert_to(repeat('x', 98), 'UTF8'), 'x'
            FROM generate_series(1, 6) AS number
            """)
        func offsets(_ max: Int, _ bytesMax: Int) async throws -> [Int64] {
            try await store.unannouncedDeadLetters(max: max, bytesMax: bytesMax).map(\.message.offset)
        }
        #expect(try await offsets(10, 1) == [1])
        #expect(try await offsets(10, 196) == [1, 2])
        #expect(try await offsets(10, 297) == [1, 2, 3, 4])
        #expect(try await offsets(3, 10_000) == [1, 2, 3])
        #expect(try await offsets(10, 10_000) == [1, 2, 3, 4, 5, 6])
    }

    @Test("topics are made, those of dead letters too; a topic that is not there yet is not caught up with")
    func topics() async throws {
        let (_, store) = try await bench()
        defer { store.close() }
        try await MockCluster.run(topics: [:]) { cluster in
            let topics = PipelineTopics(KafkaConfiguration(brokers: cluster.brokers))
            let pipeline = PipelineAdmin(topics, store: store, logger: TestServer.logger)
            #expect(try await pipeline.lags().isEmpty)
            let unknown = await #expect(throws: SojournError.self) { try await pipeline.allLags() }
            #expect(unknown?.code == .storeUnavailable)
            try await pipeline.createTopics()
            await pipeline.createLetterTopics()
            #expect(try await pipeline.allLags().allSatisfy { $0.lag == 0 })
            let admin = KafkaAdmin(topics.kafka, logger: TestServer.logger)
            let letters = try await admin.partitions(of: PipelineTopics.deadLetterTopic(of: topics.orders))
            #expect(!letters.isEmpty)
            await admin.shutdown()
            await pipeline.shutdown()
        }
    }

    /// A pipeline that misses its consumers soon, and what writes into its topics.
    private func pipeline(
        on cluster: MockCluster, _ store: PostgresStore
    ) -> (topics: PipelineTopics, admin: PipelineAdmin, producer: KafkaProducer) {
        var topics = PipelineTopics(KafkaConfiguration(brokers: cluster.brokers))
        topics.sessionTimeout = .seconds(6)
        return (
            topics, PipelineAdmin(topics, store: store, logger: TestServer.logger),
            KafkaProducer(topics.kafka, logger: TestServer.logger)
        )
    }

    @Test("three consumers, of whom two leave and two come, write every order of nine partitions once")
    func consumers() async throws {
        let (database, store) = try await bench()
        defer { store.close() }
        try await MockCluster.run { cluster in
            let (topics, pipeline, producer) = pipeline(on: cluster, store)
            let ledger = KafkaLedger()
            let (good, bad) = (3000, 30)
            for number in 0..<good {
                let order = order(UInt64(number))
                try await producer.enqueue(
                    KafkaRecord(
                        topic: "orders", key: Array(order.userID.text.utf8), value: order.message),
                    in: ledger)
                if number % (good / bad) == 0 {
                    try await producer.enqueue(KafkaRecord(topic: "orders", value: Array("no".utf8)), in: ledger)
                }
            }
            try await ledger.settled()
            await producer.shutdown()

            func consumer() -> Task<Void, any Error> {
                Task { [topics] in
                    try await PipelineConsumer(topics, into: store, messagesMax: 100, logger: TestServer.logger).run()
                }
            }
            let announcing = Task { [topics] in
                try await DeadLetterAnnouncer(topics, store: store, logger: TestServer.logger).run()
            }
            var consumers = [consumer(), consumer(), consumer()]
            func lag() async throws -> Int64 { try await pipeline.lags().reduce(0) { $0 + $1.lag } }
            while try await lag() > Int64(good / 2) { await Task.yield() }
            for left in 0..<2 {
                consumers[left].cancel()
                try await consumers[left].value
                consumers[left] = consumer()
            }
            while try await lag() > 0 { try await Task.sleep(for: .milliseconds(20)) }
            while try await !store.unannouncedDeadLetters(max: 1, bytesMax: 1).isEmpty {
                try await Task.sleep(for: .milliseconds(20))
            }
            for consumer in consumers + [announcing] { consumer.cancel() }
            for consumer in consumers + [announcing] { try await consumer.value }

            #expect(try await database.run("SELECT count(*) FROM sojourn.orders")[0].int(0) == good)
            #expect(try await store.openDeadLetters() == bad)
            let admin = KafkaAdmin(topics.kafka, logger: TestServer.logger)
            let told = try await admin.offsets(
                of: try await admin.partitions(of: PipelineTopics.deadLetterTopic(of: topics.orders)))
            #expect(told.values.reduce(0) { $0 + $1.count } >= bad)
            await admin.shutdown()
            let lags = try await pipeline.lags()
            #expect(lags.map(\.partition) == Array(0..<9) && lags.allSatisfy { $0.topic == topics.orders })
            #expect(try await pipeline.rewind("orders", to: .beginning).values.allSatisfy { $0 == 0 })
            #expect(try await lag() == Int64(good + bad))
            await pipeline.shutdown()
        }
    }

    @Test(
        """
        consumers that have caught up go on where the group is rewound to; Kafka is told where they are by one that is shut \
        down, and by two that idle
        """, arguments: [1, 2])
    func rewind(count: Int) async throws {
        let (database, store) = try await bench()
        defer { store.close() }
        try await MockCluster.run { cluster in
            let (topics, pipeline, producer) = pipeline(on: cluster, store)
            for number in 0..<90 {
                let record = KafkaRecord(
                    topic: "orders", value: order(UInt64(number)).message, partition: number % topics.partitions)
                _ = try await producer.send(record)
            }
            let group = ServiceGroup(
                services: (0..<count).map { _ in PipelineConsumer(topics, into: store, logger: TestServer.logger) },
                logger: TestServer.logger)
            let running = Task { try await group.run() }
            func catchUp() async throws {
                while try await pipeline.lags().contains(where: { $0.lag > 0 }) {
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            try await catchUp()
            #expect(try await pipeline.rewind("orders", to: .beginning).count == topics.partitions)
            try await catchUp()
            #expect(try await database.run("SELECT count(*) FROM sojourn.orders")[0].int(0) == 90)
            if count == 1 {
                await group.triggerGracefulShutdown()
            } else {
                try await Task.sleep(for: .seconds(5))
                running.cancel()
            }
            try await running.value

            for number in 0..<topics.partitions {
                _ = try await producer.send(KafkaRecord(topic: "orders", value: [1], partition: number))
            }
            await producer.shutdown()
            var settings = KafkaConsumer.Settings(group: topics.group, topics: ["orders"])
            settings.sessionTimeout = topics.sessionTimeout
            let next = KafkaConsumer(topics.kafka, settings, logger: TestServer.logger)
            var offsets: [Int64] = []
            while offsets.count < topics.partitions, let event = try await next.next() {
                if case .messages(let batches) = event { offsets += batches.flatMap(\.messages).map(\.offset) }
            }
            #expect(offsets == Array(repeating: 10, count: topics.partitions))
            await next.shutdown()
            await pipeline.shutdown()
        }
    }
}
