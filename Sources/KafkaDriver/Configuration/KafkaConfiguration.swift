// SPDX-License-Identifier: Apache-2.0

/// Where the brokers are, who we are there, and how patient we are: what all kinds of clients have in common.
public struct KafkaConfiguration: Sendable {
    /// Brokers to begin with, as `host:port`; the others are learnt from them.
    public var brokers: [String]
    /// What the brokers' logs and quotas call us. Default: `sojourn`.
    public var clientID = "sojourn"
    /// Encryption. Default, nil: none.
    public var tls: KafkaTLS?
    /// Who we are. Default, nil: nobody in particular, or whom the certificate names.
    public var sasl: KafkaSASL?
    /// Most time for a question to the brokers, and for a secret. Default: 10 s.
    public var requestTimeout = Duration.seconds(10)
    /// Most time from `close` until the last thread has ended: for what is still to be delivered, or for leaving the
    /// group. Default: 10 s.
    public var shutdownTimeout = Duration.seconds(10)
    /// How often metrics are taken from librdkafka; nil for never. Default: 15 s.
    public var statisticsInterval: Duration? = .seconds(15)
    /// Further properties of librdkafka, by its names. Those that the driver rests on, or has a field for, are refused,
    /// and so are unknown ones and values that librdkafka does not take. Those that are for another kind of client are
    /// ignored, with a warning in the log. Default: none.
    public var properties: [String: String] = [:]
    /// Properties of librdkafka that are secret, such as `ssl.keystore.password`. Default: none.
    public var secrets: [String: KafkaPassword] = [:]

    /// The cluster of `brokers`, with everything else at its default.
    public init(brokers: [String]) {
        self.brokers = brokers
    }
}

/// How connections are encrypted and the brokers identified.
public struct KafkaTLS: Sendable {
    /// The certificates to trust, as PEM; nil trusts the system's. Default: nil.
    public var caFile: String?
    /// Our own certificate, as PEM; nil for none. Default: nil.
    public var certificateFile: String?
    /// The key of our certificate, as PEM. Default: nil.
    public var keyFile: String?
    /// What the key is encrypted with. Default: none.
    public var keyPassword = KafkaPassword.none
    /// Whether the broker's certificate has to name its host. Default: true.
    public var verifiesHost = true

    /// Encryption that trusts what `caFile` holds.
    public init(caFile: String? = nil) {
        self.caFile = caFile
    }
}

/// A name and a password for the brokers. Kerberos and OAuth are reached by `KafkaConfiguration.properties`.
public struct KafkaSASL: Sendable {
    /// How the password is shown to be known.
    public enum Mechanism: String, Sendable, Hashable {
        /// As it is: with TLS only.
        case plain = "PLAIN"
        /// By a proof.
        case scramSHA256 = "SCRAM-SHA-256"
        /// By a proof.
        case scramSHA512 = "SCRAM-SHA-512"
    }

    /// How the password is shown to be known.
    public var mechanism: Mechanism
    /// The name.
    public var user: String
    /// The password.
    public var password: KafkaPassword

    /// Such a name and password.
    public init(_ mechanism: Mechanism, user: String, password: KafkaPassword) {
        self.mechanism = mechanism
        self.user = user
        self.password = password
    }
}

extension KafkaConfiguration {
    /// Why nothing can be done with it, or nil. What librdkafka has to say comes later.
    var mistake: KafkaError? {
        let sentence: String? =
            if brokers.isEmpty {
                "There is no Kafka broker to connect to."
            } else if let broker = brokers.first(where: { $0.isEmpty || $0.contains(",") }) {
                "\"\(broker)\" is not the address of one Kafka broker: host:port is expected."
            } else if requestTimeout <= .zero || shutdownTimeout <= .zero {
                "requestTimeout and shutdownTimeout must be more than nothing."
            } else if let interval = statisticsInterval, interval < .milliseconds(1) {
                "statisticsInterval must be at least a millisecond, or nil."
            } else if let name = properties.keys.sorted().first(where: Self.isSecret) {
                "The Kafka property \(name) is a secret: it belongs into `secrets`."
            } else if let name = (Array(properties.keys) + secrets.keys).sorted().first(where: { Self.own[$0] != nil })
            {
                "The Kafka property \(name) cannot be set: \(Self.own[name] ?? "")."
            } else {
                nil
            }
        return sentence.map { KafkaError(.configuration, $0) }
    }

    /// Whether a property of this name holds what nobody should read.
    private static func isSecret(_ name: String) -> Bool {
        name.hasSuffix("password") || name.hasSuffix("secret") || name.hasSuffix("key.pem")
            || name == "sasl.oauthbearer.config"
    }

    /// Properties that are the driver's own, and why.
    private static let own: [String: String] = {
        var own: [String: String] = [:]
        let fields = [
            "brokers": ["bootstrap.servers", "metadata.broker.list"], "clientID": ["client.id"],
            "statisticsInterval": ["statistics.interval.ms"],
            "sasl": ["sasl.username", "sasl.password"],
            "tls": [
                "ssl.ca.location", "ssl.certificate.location", "ssl.key.location", "ssl.key.password",
                "ssl.endpoint.identification.algorithm",
            ],
            "KafkaProducer.Settings.deliveryTimeout": ["message.timeout.ms", "delivery.timeout.ms"],
            "KafkaProducer.Settings.linger": ["linger.ms", "queue.buffering.max.ms"],
            "KafkaProducer.Settings.queueMessagesMax": ["queue.buffering.max.messages"],
            "KafkaProducer.Settings.queueBytesMax": ["queue.buffering.max.kbytes"],
            "KafkaConsumer.Settings.group": ["group.id"],
            "KafkaConsumer.Settings.strategy": ["partition.assignment.strategy"],
            "KafkaConsumer.Settings.fallback": ["auto.offset.reset"],
            "KafkaConsumer.Settings.sessionTimeout": ["session.timeout.ms"],
            "KafkaConsumer.Settings.prefetchBytesMax": ["queued.max.messages.kbytes"],
        ]
        for (field, names) in fields {
            for name in names { own[name] = "the field `\(field)` does it" }
        }
        for name in [
            "log.queue", "enable.idempotence", "acks", "request.required.acks", "delivery.report.only.error",
            "transactional.id", "enable.auto.commit", "enable.auto.offset.store", "auto.commit.enable",
            "enable.partition.eof",
        ] { own[name] = "the driver rests on its own value" }
        return own
    }()
}
