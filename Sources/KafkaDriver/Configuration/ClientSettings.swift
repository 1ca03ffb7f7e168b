// SPDX-License-Identifier: Apache-2.0

internal import CKafka

extension Int {
    /// How many units of 1024 bytes, in which librdkafka counts, hold so many bytes.
    var kilobytes: Int { (self - 1) / 1024 + 1 }
}

/// All that librdkafka is told when a client is made.
struct ClientSettings: Sendable {
    /// What is common to all kinds.
    let configuration: KafkaConfiguration
    /// The kind of client.
    let kind: rd_kafka_type_t
    /// Properties of this kind.
    var properties: [(String, String)] = []
    /// Why these cannot work, or nil.
    var mistake: KafkaError?

    /// A new client. Blocks the thread while secrets are fetched.
    ///
    /// - Throws: `.configuration`, which names the property at fault.
    func open() throws(KafkaError) -> OpaquePointer {
        if let mistake = configuration.mistake ?? mistake { throw mistake }
        guard let conf = rd_kafka_conf_new() else {
            throw KafkaError(.configuration, "There is no memory for a client.")
        }
        var complaint = [CChar](repeating: 0, count: 512)
        do throws(KafkaError) {
            for (name, value) in plainProperties { try set(name, value, conf) }
            for (name, secret) in secretProperties {
                guard let value = try secret.read(name, timeout: configuration.requestTimeout) else { continue }
                try set(name, value, conf, isSecret: true)
            }
        } catch {
            rd_kafka_conf_destroy(conf)
            throw error
        }
        rd_kafka_conf_set_events(
            conf,
            RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_LOG | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_REBALANCE
                | RD_KAFKA_EVENT_OFFSET_COMMIT | RD_KAFKA_EVENT_STATS)
        guard let client = rd_kafka_new(kind, conf, &complaint, complaint.count) else {
            rd_kafka_conf_destroy(conf)
            throw KafkaError(.configuration, "The Kafka client cannot be made: \(Self.text(complaint))")
        }
        return client
    }

    /// What nobody minds to be seen, in the order in which it is set.
    private var plainProperties: [(String, String)] {
        var all = [
            ("bootstrap.servers", configuration.brokers.joined(separator: ",")), ("client.id", configuration.clientID),
            ("log.queue", "true"),
            ("statistics.interval.ms", "\(configuration.statisticsInterval?.milliseconds ?? 0)"),
        ]
        if let tls = configuration.tls {
            let files = [
                ("ssl.ca.location", tls.caFile), ("ssl.certificate.location", tls.certificateFile),
                ("ssl.key.location", tls.keyFile),
            ]
            all += files.compactMap { name, file in file.map { (name, $0) } }
            all.append(("ssl.endpoint.identification.algorithm", tls.verifiesHost ? "https" : "none"))
        }
        if let sasl = configuration.sasl {
            all += [("sasl.mechanisms", sasl.mechanism.rawValue), ("sasl.username", sasl.user)]
        }
        switch (configuration.tls != nil, configuration.sasl != nil) {
        case (true, true): all.append(("security.protocol", "sasl_ssl"))
        case (true, false): all.append(("security.protocol", "ssl"))
        case (false, true): all.append(("security.protocol", "sasl_plaintext"))
        case (false, false): break
        }
        return all + properties + configuration.properties.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private var secretProperties: [(String, KafkaPassword)] {
        var all = configuration.secrets.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        if let tls = configuration.tls { all.append(("ssl.key.password", tls.keyPassword)) }
        if let sasl = configuration.sasl { all.append(("sasl.password", sasl.password)) }
        return all
    }

    private func set(
        _ name: String, _ value: String, _ conf: OpaquePointer, isSecret: Bool = false
    ) throws(KafkaError) {
        var complaint = [CChar](repeating: 0, count: 512)
        switch rd_kafka_conf_set(conf, name, value, &complaint, complaint.count) {
        case RD_KAFKA_CONF_OK: return
        case RD_KAFKA_CONF_UNKNOWN: throw KafkaError(.configuration, "There is no Kafka property \(name).")
        default:
            // What librdkafka says quotes the value.
            let reason = isSecret ? "its value cannot be used." : Self.text(complaint)
            throw KafkaError(.configuration, "The Kafka property \(name): \(reason)")
        }
    }

    /// What librdkafka has written into a buffer.
    static func text(_ buffer: [CChar]) -> String {
        String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

extension Duration {
    /// Whole milliseconds, at least one for more than nothing, at most what librdkafka takes.
    var milliseconds: Int32 {
        let (seconds, attoseconds) = components
        guard seconds < 2_000_000 else { return 2_000_000_000 }
        let whole = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        return self > .zero ? max(1, Int32(clamping: whole)) : 0
    }
}
