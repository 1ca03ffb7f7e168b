// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import Metrics

/// Writes what a partition brings, whatever goes wrong (K2). Errors are of three classes: what is wrong with a message
/// makes it a dead letter, found by halving where the database does not say which; what passes is tried again, with
/// pauses that grow to five seconds; all else is thrown.
public struct PipelineWriter: Sendable {
    /// What came of some messages.
    public enum Outcome: Sendable, Hashable {
        /// They are written, by this call or by one before whose answer was lost.
        case written
        /// Somebody else moved the group, to this offset; what this call was given is written up to there at the most.
        case moved(to: Int64)
        /// The partition is somebody else's by now. Nothing more was written.
        case stale
    }

    private let store: any StreamStore
    private let logger: Logger
    private let restMax: Duration

    /// A writer into `store`.
    public init(_ store: any StreamStore, logger: Logger) {
        self.init(store, logger: logger, restMax: Self.restMax)
    }

    /// A writer that rests between attempts for no longer than `restMax`.
    init(_ store: any StreamStore, logger: Logger, restMax: Duration) {
        self.store = store
        self.logger = logger
        self.restMax = restMax
    }

    /// How long a stream rests at the most before a database that is not to be had is tried again.
    package static let restMax = Duration.seconds(5)
    /// The most bytes of messages in a step, unless it is of one message: so that it takes a second or a few, and not longer than
    /// the database may take to answer.
    static let stepBytesMax = 1 << 20

    /// Writes consecutive messages of a partition, where the group is at `from`, and brings it to `next`.
    ///
    /// - Parameter isCurrent: whether the partition is still this consumer's.
    /// - Throws: What will not pass: `storeDamaged`, `notAvailable`; `CancellationError`.
    public func write(
        _ messages: ArraySlice<StreamMessage>, of partition: StreamPartition, from: Int64, to next: Int64,
        while isCurrent: @Sendable () -> Bool
    ) async throws -> Outcome {
        do {
            let bytes = messages.reduce(0) { $0 + ($1.value?.count ?? 0) }
            if bytes <= Self.stepBytesMax || messages.count <= 1 {
                let step = StreamStep(messages, of: partition, from: from, to: next)
                return try await take(step, while: isCurrent)
            }
        } catch let error as SojournError where error.isAboutData {
            guard messages.count > 1 else {
                guard let message = messages.first else { throw error }
                let refusal = StreamStep.Refusal(message: message, reason: "\(error)")
                return try await take(
                    StreamStep(refusing: refusal, of: partition, from: from, to: next), while: isCurrent)
            }
        }
        let middle = messages.startIndex + messages.count / 2
        let offset = messages[middle].offset
        let first = try await write(messages[..<middle], of: partition, from: from, to: offset, while: isCurrent)
        guard first == .written else { return first }
        return try await write(messages[middle...], of: partition, from: offset, to: next, while: isCurrent)
    }

    /// Takes a step, as often as it needs.
    private func take(_ step: StreamStep, while isCurrent: () -> Bool) async throws -> Outcome {
        var rests = Rests(upTo: restMax)
        while isCurrent() {
            do {
                switch try await store.take(step) {
                case .taken(let tally):
                    count(tally, of: step.partition)
                    if tally.dead > 0 {
                        logger.warning(
                            "Messages became dead letters: `sojourn dead-letters` shows them.",
                            metadata: [
                                "partition": "\(step.partition)", "from": "\(step.from)", "count": "\(tally.dead)",
                            ])
                    }
                    return .written
                case .fenced:
                    let at = try await store.positions(of: [step.partition])[step.partition] ?? 0
                    return at == step.next ? .written : .moved(to: at)
                }
            } catch let error as SojournError where error.isPassing {
                let rest = rests.next()
                logger.warning(
                    "The stream waits for the database.",
                    metadata: ["partition": "\(step.partition)", "reason": "\(error)", "rest": "\(rest)"])
                try await Task.sleep(for: rest)
            }
        }
        return .stale
    }

    private func count(_ tally: StreamTally, of partition: StreamPartition) {
        let outcomes = [
            ("written", tally.written), ("present", tally.present), ("dropped", tally.dropped), ("dead", tally.dead),
        ]
        for (outcome, messages) in outcomes where messages > 0 {
            Counter(
                label: "sojourn_pipeline_messages_total",
                dimensions: [("content", partition.content.rawValue), ("outcome", outcome)]
            ).increment(by: messages)
        }
    }
}

extension SojournError {
    /// Whether the same may well succeed later.
    public var isPassing: Bool { [.storeUnavailable, .storeFull].contains(code) }

    /// Whether what was to be written is at fault: the same fails again.
    package var isAboutData: Bool {
        [.invalidInput, .tooLarge, .malformedJSON, .alreadyExists, .limitReached].contains(code)
    }
}
