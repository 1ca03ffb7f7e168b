// SPDX-License-Identifier: Apache-2.0

internal import PostgresDriver
public import Sojourn

extension PostgresStore: PipelineStore {
    public func positions(of partitions: [StreamPartition]) async throws -> [StreamPartition: Int64] {
        let arguments = PostgresArguments(partitions)
        return try await answering {
            let known = try await client.send(
                [PostgresCall(Self.introducing, arguments), PostgresCall(Self.positions, arguments)],
                retry: .ifInterrupted)[1]
            let pairs = try known.map { (partitions[try $0.int(0) - 1], Int64(try $0.int(1))) }
            return Dictionary(pairs) { $1 }
        }
    }

    public func take(_ step: StreamStep) async throws -> StreamOutcome {
        try await answering {
            do {
                let times = step.appends.flatMap { $0.entries.entries.map(\.at) }
                return try await makingMonths(for: times) {
                    try await client.withTransaction(until: .now + client.answerTimeout) { transaction in
                        // First of all, so that whoever reads the same messages waits here, and then finds them read.
                        guard try await transaction.run(Self.move(step)).affected == 1 else { throw Fenced() }
                        var (tally, dead) = try await transaction.insert(step.orders)
                        dead += step.refusals
                        for outcome in try await transaction.write(step.appends.map(\.entries)) {
                            switch outcome {
                            case .written: tally.written += 1
                            case .present: tally.present += 1
                            case .gone: tally.dropped += 1
                            }
                        }
                        if tally.dropped > 0 { transaction.enqueue(Self.drop(tally.dropped, of: step.partition)) }
                        if !dead.isEmpty { transaction.enqueue(Self.bury(dead, of: step.partition)) }
                        tally.dead = dead.count
                        return .taken(tally)
                    }
                }
            } catch is Fenced {
                return .fenced
            }
        }
    }

    public func droppedMessages(of group: String) async throws -> Int {
        var arguments = PostgresArguments()
        arguments.append(text: group)
        return try await answering { try await read(PostgresCall(Self.dropped, arguments)).first?.int(0) ?? 0 }
    }

    public func rewind(to positions: [StreamPartition: Int64]) async throws {
        let sorted = positions.sorted { ($0.key.topic, $0.key.number) < ($1.key.topic, $1.key.number) }
        var arguments = PostgresArguments(sorted.map(\.key))
        arguments.append(int8s: sorted.map(\.value))
        try await answering { _ = try await client.query(PostgresCall(Self.rewinding, arguments)) }
    }

    /// The step found the group somewhere else.
    private struct Fenced: Error {}

    private static func move(_ step: StreamStep) -> PostgresCall {
        var arguments = PostgresArguments(step.partition)
        arguments.append(int8: step.from)
        arguments.append(int8: step.next)
        return PostgresCall(moving, arguments)
    }

    private static func bury(_ refusals: [StreamStep.Refusal], of partition: StreamPartition) -> PostgresCall {
        var arguments = PostgresArguments(partition)
        arguments.append(text: partition.content.rawValue)
        arguments.append(int8s: refusals.map(\.message.offset))
        arguments.append(bytes: refusals.map(\.message.key))
        arguments.append(bytes: refusals.map(\.message.value))
        arguments.append(texts: refusals.map(\.reason))
        return PostgresCall(burying, arguments)
    }

    static let moving = PostgresStatement(
        """
        UPDATE sojourn.pipeline_positions
        SET next_offset = $5, moved_at = sojourn.clock()
        WHERE consumer_group = $1 AND topic = $2 AND partition = $3 AND next_offset = $4
        """, [.text, .text, .int4, .int8, .int8])

    /// A message that is read once more after a rewind, and is still no good, is open again.
    private static let burying = PostgresStatement(
        """
        INSERT INTO sojourn.dead_letters (
            consumer_group, topic, partition, content, message_offset, message_key, message_value, reason)
        SELECT $1, $2, $3, $4, a.message_offset, a.message_key, a.message_value, a.reason
        FROM unnest($5, $6, $7, $8) AS a (message_offset, message_key, message_value, reason)
        ORDER BY a.message_offset
        ON CONFLICT (consumer_group, topic, partition, message_offset) DO UPDATE
        SET content = excluded.content, message_key = excluded.message_key, message_value = excluded.message_value,
            reason = excluded.reason, created_at = excluded.created_at, state = 'open', settled_at = NULL,
            announced_at = NULL
        """, [.text, .text, .int4, .text, .int8s, .byteas, .byteas, .texts])

    private static func drop(_ count: Int, of partition: StreamPartition) -> PostgresCall {
        var arguments = PostgresArguments(partition)
        arguments.append(int8: Int64(count))
        return PostgresCall(dropping, arguments)
    }

    private static let dropping = PostgresStatement(
        """
        UPDATE sojourn.pipeline_positions
        SET dropped = dropped + $4
        WHERE consumer_group = $1 AND topic = $2 AND partition = $3
        """, [.text, .text, .int4, .int8])

    private static let dropped = PostgresStatement(
        "SELECT coalesce(sum(dropped), 0)::bigint FROM sojourn.pipeline_positions WHERE consumer_group = $1", [.text])

    private static let introducing = PostgresStatement(
        """
        INSERT INTO sojourn.pipeline_positions (consumer_group, topic, partition)
        SELECT * FROM unnest($1, $2, $3)
        ON CONFLICT DO NOTHING
        """, [.texts, .texts, .int4s])

    private static let positions = PostgresStatement(
        """
        SELECT a.place, p.next_offset
        FROM unnest($1, $2, $3) WITH ORDINALITY AS a (consumer_group, topic, partition, place)
        JOIN sojourn.pipeline_positions AS p USING (consumer_group, topic, partition)
        """, [.texts, .texts, .int4s])

    private static let rewinding = PostgresStatement(
        """
        INSERT INTO sojourn.pipeline_positions (consumer_group, topic, partition, next_offset)
        SELECT * FROM unnest($1, $2, $3, $4)
        ON CONFLICT (consumer_group, topic, partition) DO UPDATE
        SET next_offset = excluded.next_offset, moved_at = sojourn.clock()
        """, [.texts, .texts, .int4s, .int8s])
}

extension PostgresTransaction {
    /// Inserts a step's orders: what became of them, and which are dead letters.
    fileprivate func insert(_ orders: [StreamStep.Order]) async throws -> (StreamTally, dead: [StreamStep.Refusal]) {
        var tally = StreamTally()
        var dead: [StreamStep.Refusal] = []
        for (order, outcome) in zip(orders, try await insert(orders.map(\.draft))) {
            switch outcome {
            case .inserted: tally.written += 1
            case .present: tally.present += 1
            case .refused(let error):
                dead.append(StreamStep.Refusal(message: order.message, reason: "\(error)"))
            }
        }
        return (tally, dead)
    }
}

extension PostgresArguments {
    /// A partition, as three arguments.
    fileprivate init(_ partition: StreamPartition) {
        self.init()
        append(text: partition.group)
        append(text: partition.topic)
        append(int4: Int32(clamping: partition.number))
    }

    /// Partitions, as three arrays.
    fileprivate init(_ partitions: [StreamPartition]) {
        self.init()
        append(texts: partitions.map(\.group))
        append(texts: partitions.map(\.topic))
        append(int4s: partitions.map { Int32(clamping: $0.number) })
    }
}
