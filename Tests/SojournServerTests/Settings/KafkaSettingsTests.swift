// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import SojournServer

/// Where Kafka is, and what goes through it.
@Suite("Settings of Kafka") struct KafkaSettingsTests {
    private static let postgres = ["DATABASE_URL": "postgres://u@h/d", "KAFKA_BROKERS": "k1:9092,k2:9092"]

    @Test("what is not set has a default, and the journal does not go through Kafka")
    func defaults() throws {
        let kafka = try Settings(variables: Self.postgres).kafka
        #expect(kafka.brokers == ["k1:9092", "k2:9092"] && kafka.topic == "orders" && kafka.group == "sojourn")
        #expect(kafka.journalMode == .direct && kafka.journalTopic == "journal")
        let through = try Settings(variables: Self.postgres.merging(["JOURNAL_MODE": "kafka"]) { $1 }).kafka
        #expect(through.journalMode == .kafka)
    }

    @Test(
        "what does not go together is named",
        arguments: [
            (["KAFKA_BROKERS": "k1"], "KAFKA_BROKERS"), (["JOURNAL_MODE": "later"], "JOURNAL_MODE"),
            (["JOURNAL_MODE": "kafka", "KAFKA_BROKERS": ""], "KAFKA_BROKERS"),
            (["JOURNAL_MODE": "kafka", "DATABASE_URL": ""], "JOURNAL_MODE"),
            (["JOURNAL_MODE": "kafka", "KAFKA_JOURNAL_TOPIC": "orders"], "KAFKA_JOURNAL_TOPIC"),
            (["KAFKA_USER": "u"], "KAFKA_PASSWORD"),
        ] as [([String: String], String)])
    func complaints(variables: [String: String], name: String) {
        let error = #expect(throws: SettingsError.self) {
            try Settings(variables: Self.postgres.merging(variables) { $1 })
        }
        #expect(error?.problems.map(\.name) == [name])
    }
}
