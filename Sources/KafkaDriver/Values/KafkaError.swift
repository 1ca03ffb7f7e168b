// SPDX-License-Identifier: Apache-2.0

internal import CKafka

/// What went wrong between us and Kafka.
///
/// `description` is safe to show to a client: it holds neither keys nor values. `debugDescription` is for logs and adds
/// what librdkafka said.
public struct KafkaError: Error, Sendable, Hashable {
    /// The kind of failure. Cases may be added: a switch needs a default.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Hidden: String {
            case kafka, undelivered, timedOut, shutDown, cancelled, invalidArgument, configuration
        }
        private let hidden: Hidden
        private init(_ hidden: Hidden) { self.hidden = hidden }

        /// A broker or librdkafka refused; `kafkaCode` says why.
        public static let kafka = Self(.kafka)
        /// A message was not delivered; `kafkaCode` says why, `outcome` whether it may be there all the same.
        public static let undelivered = Self(.undelivered)
        /// No answer within the time given.
        public static let timedOut = Self(.timedOut)
        /// The client was closed.
        public static let shutDown = Self(.shutDown)
        /// The calling task was cancelled.
        public static let cancelled = Self(.cancelled)
        /// An argument that no broker would take.
        public static let invalidArgument = Self(.invalidArgument)
        /// The configuration cannot be used.
        public static let configuration = Self(.configuration)

        public var description: String { hidden.rawValue }
    }

    /// What is known of the effect.
    public enum Outcome: Sendable, Hashable {
        /// There was none, for certain.
        case nothingHappened
        /// The message was sent, and what came of it was not seen.
        case unknown
    }

    /// The kind of failure.
    public let code: Code
    /// What is known of the effect.
    public var outcome = Outcome.nothingHappened
    /// Kafka's number for it, or librdkafka's where it is negative; nil where neither has been asked.
    public var kafkaCode: Int?
    /// Whether the client can do nothing any more and has to be made anew.
    public var isFatal = false
    /// One or two sentences of ours, or librdkafka's own.
    public let message: String
    /// Where in our source the failure was noticed.
    public let file: String
    /// See `file`.
    public let line: Int

    /// A failure of kind `code`, noticed where this is called.
    public init(_ code: Code, _ message: String, file: String = #fileID, line: Int = #line) {
        self.code = code
        self.message = message
        self.file = file
        self.line = line
    }

    /// A failure that librdkafka has a number for.
    ///
    /// - Parameter text: What it said beside the number, if anything.
    init(
        _ code: Code = .kafka, _ failure: rd_kafka_resp_err_t, _ text: String? = nil, file: String = #fileID,
        line: Int = #line
    ) {
        let name = rd_kafka_err2name(failure).map { String(cString: $0) } ?? "\(failure.rawValue)"
        let meaning = rd_kafka_err2str(failure).map { String(cString: $0) } ?? "unknown"
        self.init(code, "\(name): \(text ?? meaning)", file: file, line: line)
        kafkaCode = Int(failure.rawValue)
        isFatal = failure == RD_KAFKA_RESP_ERR__FATAL
    }

    /// Why `client` can do nothing any more; nil where it can.
    init?(fatalOf client: OpaquePointer, _ code: Code, file: String = #fileID, line: Int = #line) {
        var reason = [CChar](repeating: 0, count: 512)
        let failure = rd_kafka_fatal_error(client, &reason, reason.count)
        guard failure != RD_KAFKA_RESP_ERR_NO_ERROR else { return nil }
        self.init(code, failure, ClientSettings.text(reason), file: file, line: line)
        isFatal = true
    }

    /// Takes over an error object of librdkafka's, and frees it.
    init(consuming error: OpaquePointer, file: String = #fileID, line: Int = #line) {
        let text = rd_kafka_error_string(error).map { String(cString: $0) }
        self.init(.kafka, rd_kafka_error_code(error), text, file: file, line: line)
        isFatal = isFatal || rd_kafka_error_is_fatal(error) != 0
        rd_kafka_error_destroy(error)
    }

    /// Whether the same, done again later, may well succeed. A message of unknown outcome that is sent again may be there
    /// twice.
    public var isRetriable: Bool {
        guard !isFatal else { return false }
        if let kafkaCode { return Self.passing.contains(kafkaCode) }
        return code == .timedOut
    }

    /// Whether a record is too large, for the client or for a broker; for the latter, together with others at the most.
    public var isTooLarge: Bool { kafkaCode.map(Self.aboutSize.contains) ?? false }

    private static let aboutSize = Set(
        [RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE].map { Int($0.rawValue) })

    /// Codes of states that pass.
    private static let passing = Set(
        [
            RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__RESOLVE, RD_KAFKA_RESP_ERR__MSG_TIMED_OUT,
            RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, RD_KAFKA_RESP_ERR__TIMED_OUT, RD_KAFKA_RESP_ERR__QUEUE_FULL,
            RD_KAFKA_RESP_ERR__WAIT_COORD, RD_KAFKA_RESP_ERR__IN_PROGRESS, RD_KAFKA_RESP_ERR__PREV_IN_PROGRESS,
            RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE, RD_KAFKA_RESP_ERR__WAIT_CACHE, RD_KAFKA_RESP_ERR__RETRY,
            RD_KAFKA_RESP_ERR__STATE, RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST,
            RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_REPLICA_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
            RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND,
            RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
            RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
            RD_KAFKA_RESP_ERR_NOT_CONTROLLER, RD_KAFKA_RESP_ERR_FENCED_LEADER_EPOCH,
            RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH, RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE,
            RD_KAFKA_RESP_ERR_PREFERRED_LEADER_NOT_AVAILABLE, RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED,
        ].map { Int($0.rawValue) })

    /// The client was closed before it could be done.
    static func shutDown(file: String = #fileID, line: Int = #line) -> Self {
        Self(.shutDown, "The Kafka client has been closed.", file: file, line: line)
    }

    /// The calling task was cancelled.
    static func cancelled(file: String = #fileID, line: Int = #line) -> Self {
        Self(.cancelled, "The calling task was cancelled.", file: file, line: line)
    }
}

extension KafkaError: CustomStringConvertible, CustomDebugStringConvertible {
    public var description: String {
        switch code {
        case .kafka: "Kafka refused (\(kafkaCode.map { "\($0)" } ?? "no code"))."
        case .undelivered: "The message was not delivered to Kafka (\(kafkaCode.map { "\($0)" } ?? "no code"))."
        default: message
        }
    }

    public var debugDescription: String {
        let tail = (isFatal ? "; fatal" : "") + (outcome == .unknown ? "; outcome: unknown" : "")
        return "KafkaError.\(code) at \(file):\(line): \(message)\(tail)"
    }
}
