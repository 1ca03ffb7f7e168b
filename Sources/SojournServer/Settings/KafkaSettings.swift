// SPDX-License-Identifier: Apache-2.0

internal import KafkaDriver
internal import SojournKafka

/// Where Kafka is and what of it is ours (K1): values alone, which whoever composes the pipeline hands to the driver.
public struct KafkaSettings: Sendable, Hashable {
    /// Whether connections are encrypted (`KAFKA_SECURITY`).
    public enum Security: String, Sendable, Hashable, CaseIterable {
        /// They are not.
        case plaintext
        /// By TLS.
        case tls
    }

    /// How the password is shown to be known (`KAFKA_SASL`).
    public enum Mechanism: String, Sendable, Hashable, CaseIterable {
        /// As it is: with TLS only.
        case plain
        /// By a proof.
        case scramSHA256 = "scram-sha-256"
        /// By a proof.
        case scramSHA512 = "scram-sha-512"
    }

    /// How entries of the journal are written (`JOURNAL_MODE`).
    public enum JournalMode: String, Sendable, Hashable, CaseIterable {
        /// By the call that brings them.
        case direct
        /// Through Kafka, by `sojourn consume` (K4).
        case kafka
    }

    /// Brokers to begin with, as `host:port` (`KAFKA_BROKERS`); none where there is no Kafka.
    public var brokers: [String] = []
    /// The topic of orders (`KAFKA_TOPIC`).
    public var topic = "orders"
    /// The topic of entries of the journal (`KAFKA_JOURNAL_TOPIC`).
    public var journalTopic = "journal"
    /// How entries of the journal are written (`JOURNAL_MODE`).
    public var journalMode = JournalMode.direct
    /// Whether consumers read that topic: where entries are written to it, or it was named.
    public var readsJournal = false
    /// The group of consumers (`KAFKA_GROUP`).
    public var group = "sojourn"
    /// Whether connections are encrypted (`KAFKA_SECURITY`).
    public var security = Security.plaintext
    /// The authorities to trust (`KAFKA_CA`); nil for the system's.
    public var caFile: String?
    /// The name for the brokers (`KAFKA_USER`); nil for none.
    public var user: String?
    /// How the password is shown to be known (`KAFKA_SASL`).
    public var mechanism = Mechanism.scramSHA512
    /// Where the password comes from (`KAFKA_PASSWORD`).
    var password = PostgresSettings.PasswordSource.none

    /// The topics and their group.
    var topics: PipelineTopics {
        var topics = PipelineTopics(configuration)
        topics.orders = topic
        topics.group = group
        topics.journal = journalTopic
        topics.readsJournal = readsJournal
        return topics
    }

    /// What the driver needs to know.
    private var configuration: KafkaConfiguration {
        var configuration = KafkaConfiguration(brokers: brokers)
        if security == .tls { configuration.tls = KafkaTLS(caFile: caFile) }
        if let user {
            let own: KafkaSASL.Mechanism =
                switch mechanism {
                case .plain: .plain
                case .scramSHA256: .scramSHA256
                case .scramSHA512: .scramSHA512
                }
            configuration.sasl = KafkaSASL(own, user: user, password: password.forDriver)
        }
        return configuration
    }
}

extension KafkaSettings {
    /// Reads `KAFKA_*`, and `JOURNAL_MODE`.
    mutating func read(_ reader: inout SettingsReader, beside database: Settings.Database) {
        brokers = reader.readList("KAFKA_BROKERS", .broker)
        topic = reader.read("KAFKA_TOPIC", .topic, default: topic)
        journalTopic = reader.read("KAFKA_JOURNAL_TOPIC", .topic, default: journalTopic)
        group = reader.read("KAFKA_GROUP", .topic, default: group)
        security = reader.read("KAFKA_SECURITY", .word, default: security)
        caFile = reader.readIfSet("KAFKA_CA", .readableFile)
        user = reader.readIfSet("KAFKA_USER", .text)
        mechanism = reader.read("KAFKA_SASL", .word, default: mechanism)
        password = reader.readPassword("KAFKA") ?? .none
        journalMode = reader.read("JOURNAL_MODE", .word, default: journalMode)
        readsJournal = journalMode == .kafka || reader.isSet("KAFKA_JOURNAL_TOPIC")
        if journalMode == .kafka {
            if brokers.isEmpty {
                reader.complainIfNotWrong("KAFKA_BROKERS", expected: "host:port: JOURNAL_MODE is kafka")
            }
            if case .postgres = database {
            } else {
                reader.complain(
                    "JOURNAL_MODE", expected: "direct: what comes from Kafka is written into PostgreSQL alone")
            }
        }
        if readsJournal, topic == journalTopic {
            reader.complain("KAFKA_JOURNAL_TOPIC", expected: "another topic than that of orders, KAFKA_TOPIC")
        }
        if user != nil, password == PostgresSettings.PasswordSource.none {
            reader.complainIfNotWrong(
                "KAFKA_PASSWORD", expected: "a password beside KAFKA_USER, or KAFKA_PASSWORD_FILE or _COMMAND")
        }
        if mechanism == .plain, user != nil, security == .plaintext {
            reader.complain("KAFKA_SECURITY", expected: "tls: KAFKA_SASL=plain sends the password as it is")
        }
    }
}

extension Grammar where Value == String {
    /// The address of a broker.
    fileprivate static let broker = Grammar(
        expected: "host:port",
        parse: { text in
            guard let colon = text.lastIndex(of: ":"), colon > text.startIndex,
                let port = Int(text[text.index(after: colon)...]), (1...65_535).contains(port)
            else { return nil }
            return text
        })

    /// The name of a topic or a group.
    fileprivate static let topic = Grammar(
        expected: "1 to 200 letters, digits, dots, dashes and underscores",
        parse: { text in
            let isFine = text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                    || [0x2D, 0x2E, 0x5F].contains($0)
            }
            return isFine && (1...200).contains(text.utf8.count) ? text : nil
        }, show: { $0 })
}
