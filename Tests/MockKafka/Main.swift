// SPDX-License-Identifier: Apache-2.0

internal import CKafka.Mock
internal import Foundation

/// Brokers for tests: librdkafka's mock cluster in a process of its own.
///
/// ```
/// MockKafka BROKERS [TOPIC=PARTITIONS]...
/// ```
///
/// The first line that it prints are the brokers' addresses, comma-separated. Then it obeys a command a line and answers each
/// with `ok` or with what is wrong; it ends with its input. See `Commands` for what the mock can do.
@main struct Main {
    static func main() {
        let words = CommandLine.arguments.dropFirst()
        guard let count = words.first.flatMap({ Int32($0) }), count > 0 else {
            stop("the number of brokers is missing")
        }
        var complaint = [CChar](repeating: 0, count: 512)
        let conf = rd_kafka_conf_new()
        // What the mock itself has to say would go to standard error.
        rd_kafka_conf_set(conf, "log_level", "0", &complaint, complaint.count)
        guard let client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, &complaint, complaint.count),
            let cluster = rd_kafka_mock_cluster_new(client, count),
            let addresses = rd_kafka_mock_cluster_bootstraps(cluster)
        else { stop("there is no cluster") }
        let commands = Commands(cluster: cluster)
        for topic in words.dropFirst() {
            let answer = commands.obey(["topic"] + topic.split(separator: "="))
            guard answer == "ok" else { stop(answer) }
        }
        say(String(cString: addresses))
        while let line = readLine() {
            say(commands.obey(line.split(separator: " ")))
        }
        rd_kafka_mock_cluster_destroy(cluster)
        rd_kafka_destroy(client)
    }

    /// A line, at once.
    private static func say(_ line: String) {
        FileHandle.standardOutput.write(Data("\(line)\n".utf8))
    }

    private static func stop(_ reason: String) -> Never {
        FileHandle.standardError.write(Data("MockKafka: \(reason)\n".utf8))
        exit(2)
    }
}

/// What can be done to a cluster.
struct Commands {
    let cluster: OpaquePointer

    /// Does what a line says: its answer.
    func obey(_ words: [Substring]) -> String {
        let numbers = words.map { Int32($0) }
        switch (words.first, words.count) {
        case ("topic", 3):
            // Its name and the number of its partitions.
            guard let count = numbers[2] else { return "how many partitions?" }
            return told(rd_kafka_mock_topic_create(cluster, String(words[1]), count, 1))
        case ("down", 2):
            guard let broker = numbers[1] else { return "which broker?" }
            return told(rd_kafka_mock_broker_set_down(cluster, broker))
        case ("up", 2):
            guard let broker = numbers[1] else { return "which broker?" }
            return told(rd_kafka_mock_broker_set_up(cluster, broker))
        case ("leader", 4):
            // A topic, a partition, and the broker that is to lead it.
            guard let partition = numbers[2], let broker = numbers[3] else { return "which partition, which broker?" }
            return told(rd_kafka_mock_partition_set_leader(cluster, String(words[1]), partition, broker))
        case ("coordinator", 3):
            // A group, and the broker that is to coordinate it.
            guard let broker = numbers[2] else { return "which broker?" }
            return told(rd_kafka_mock_coordinator_set(cluster, "group", String(words[1]), broker))
        case ("rtt", 3):
            // A broker, and how many milliseconds its answers take.
            guard let broker = numbers[1], let milliseconds = numbers[2] else { return "which broker, how long?" }
            return told(rd_kafka_mock_broker_set_rtt(cluster, broker, milliseconds))
        case ("errors", 3...):
            // The number of a request (Kafka's ApiKey), and what the next requests of that kind are answered with.
            guard let key = numbers[1].flatMap({ Int16(exactly: $0) }) else { return "which request?" }
            let codes = numbers.dropFirst(2).compactMap { $0.map { rd_kafka_resp_err_t(rawValue: $0) } }
            rd_kafka_mock_push_request_errors_array(cluster, key, codes.count, codes)
            return "ok"
        default: return "unknown command"
        }
    }

    private func told(_ failure: rd_kafka_resp_err_t) -> String {
        failure == RD_KAFKA_RESP_ERR_NO_ERROR
            ? "ok" : rd_kafka_err2str(failure).map { String(cString: $0) } ?? "failed"
    }
}
