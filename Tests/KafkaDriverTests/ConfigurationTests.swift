// SPDX-License-Identifier: Apache-2.0
import Foundation
import KafkaDriver
import Testing

/// Settings that cannot work are told apart by name, and secrets stay secret. None of this needs a broker.
@Suite("Kafka: configuration", .timeLimit(.minutes(5))) struct KafkaConfigurationTests {
    private func refusal(_ change: (inout KafkaConfiguration) -> Void) async -> KafkaError? {
        var configuration = KafkaConfiguration(brokers: ["127.0.0.1:1"])
        change(&configuration)
        let admin = KafkaAdmin(configuration, logger: quietLogger)
        let error = await expectFailure(.configuration) { try await admin.partitions(of: "orders") }
        await admin.shutdown()
        return error
    }

    @Test(
        "a property that is unknown, malformed or our own is named",
        arguments: [
            ("no.such.thing", "1", "There is no Kafka property no.such.thing."),
            ("socket.timeout.ms", "soon", "socket.timeout.ms"),
            ("socket.keepalive.enable", "perhaps", "socket.keepalive.enable"),
            ("compression.type", "tar", "compression.type"),
            ("security.protocol", "carrier-pigeon", "security.protocol"),
            ("enable.auto.commit", "true", "enable.auto.commit cannot be set: the driver rests on its own value."),
            ("enable.auto.offset.store", "true", "enable.auto.offset.store"),
            ("enable.idempotence", "false", "enable.idempotence"),
            ("acks", "1", "acks"),
            ("partition.assignment.strategy", "range", "KafkaConsumer.Settings.strategy"),
            ("bootstrap.servers", "elsewhere:9092", "the field `brokers` does it"),
            ("message.timeout.ms", "1", "KafkaProducer.Settings.deliveryTimeout"),
            ("sasl.password", "hunter2", "sasl.password is a secret"),
            ("ssl.keystore.password", "hunter2", "ssl.keystore.password is a secret"),
        ]) func properties(name: String, value: String, part: String) async throws
    {
        let error = await refusal { $0.properties[name] = value }
        #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("hunter2") == false)
    }

    @Test("a field that cannot work is named") func fields() async throws {
        #expect(await refusal { $0.brokers = [] }?.message == "There is no Kafka broker to connect to.")
        #expect(await refusal { $0.brokers = ["a:1,b:2"] }?.message.contains("a:1,b:2") == true)
        #expect(await refusal { $0.requestTimeout = .zero }?.message.contains("requestTimeout") == true)
        #expect(await refusal { $0.statisticsInterval = .zero }?.message.contains("statisticsInterval") == true)
        let tls = await refusal { $0.tls = KafkaTLS(caFile: "/nowhere/ca.pem") }
        #expect(tls?.message.contains("ssl.ca.location") == true, "\(tls?.message ?? "")")
        let secret = await refusal { $0.secrets["ssl.keystore.password"] = .file("/nowhere/secret") }
        #expect(secret?.message.contains("ssl.keystore.password") == true)
    }

    @Test("settings of producers and consumers are looked at as well") func settings() async throws {
        let configuration = KafkaConfiguration(brokers: ["127.0.0.1:1"])
        var settings = KafkaProducer.Settings()
        settings.queueMessagesMax = 0
        let producer = KafkaProducer(configuration, settings, logger: quietLogger)
        let refused = await expectFailure(.configuration) {
            try await producer.send(KafkaRecord(topic: "orders", value: [1]))
        }
        #expect(refused?.message.contains("queueMessagesMax") == true)
        for group in [("", ["orders"]), ("group", []), ("group", [""])] as [(String, [String])] {
            let consumer = KafkaConsumer(
                configuration, KafkaConsumer.Settings(group: group.0, topics: group.1), logger: quietLogger)
            await expectFailure(.configuration) { try await consumer.next() }
        }
        var hasty = KafkaConsumer.Settings(group: "group", topics: ["orders"])
        hasty.sessionTimeout = .seconds(10_000)
        let consumer = KafkaConsumer(configuration, hasty, logger: quietLogger)
        let long = await expectFailure(.configuration) { try await consumer.next() }
        #expect(long?.message.contains("session.timeout.ms") == true, "\(long?.message ?? "")")
    }

    @Test("secrets do not show") func secrets() async throws {
        var configuration = KafkaConfiguration(brokers: ["127.0.0.1:1"])
        configuration.sasl = KafkaSASL(.scramSHA512, user: "u", password: .fixed("hunter2"))
        var tls = KafkaTLS()
        tls.keyPassword = .fixed("hunter2")
        configuration.tls = tls
        configuration.secrets["ssl.keystore.password"] = .fixed("hunter2")
        var dumped = ""
        dump(configuration, to: &dumped)
        #expect(!"\(configuration)".contains("hunter2") && !dumped.contains("hunter2"))
        let wrong = await refusal { $0.secrets["socket.timeout.ms"] = .fixed("hunter2") }
        #expect(wrong?.message.contains("socket.timeout.ms") == true && wrong?.message.contains("hunter2") == false)
    }
}
