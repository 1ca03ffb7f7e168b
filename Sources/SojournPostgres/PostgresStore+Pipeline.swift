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
            let pairs = try known.map { row in
                (
                    StreamPartition(group: try row.text(0), topic: try row.text(1), number: try row.int(2)),
                    Int64(try row.int(3))
                )
            }
            return Dictionary(pairs) { $1 }
        }
    }

    public func take(_ step: StreamStep) async throws -> StreamOutcome {
        try await answering {
            do {
                return try await client.withTransaction(until: .now + client.answerTimeout) { transaction in
                    // First of all, so that whoever reads the same messages waits here, and then finds them read.
                    guard try await transaction.run(Self.move(step)).affected == 1 else { throw Fenced() }
                    let outcomes = try await transaction.insert(step.orders.map(\.draft))
                    var dead = step.refusals
                    var present = 0
                    for (order, outcome) in zip(step.orders, outcomes) {
                        switch outcome {
                        case .inserted: break
                        case .present: present += 1
                        case .refused(let error):
                            dead.append(StreamStep.Refusal(message: order.message, reason: "\(error)"))
                        }
                    }
                    if !dead.isEmpty { transaction.enqueue(Self.bury(dead, of: step.partition)) }
                    let inserted = step.orders.count + step.refusals.count - dead.count - present
                    return .taken(orders: inserted, present: present, dead: dead.count)
                }
            } catch is Fenced {
                return .fenced
            }
        }
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
        var arguments = PostgresArguments()
        arguments.append(text: step.partition.group)
        arguments.append(text: step.partition.topic)
        arguments.append(int4: Int32(clamping: step.partition.number))
        arguments.append(int8: step.from)
        arguments.append(int8: step.next)
        return PostgresCall(moving, arguments)
    }

    private static func bury(_ refusals: [StreamStep.Refusal], of partition: StreamPartition) -> PostgresCall {
        var arguments = PostgresArguments()
        arguments.append(text: partition.group)
        arguments.append(text: partition.topic)
        arguments.append(int4: Int32(clamping: partition.number))
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
            consumer_group, topic, partition, message_offset, message_key, message_value, reason)
        SELECT $1, $2, $3, a.message_offset, a.message_key, a.message_value, a.reason
        FROM unnest($4, $5, $6, $7) AS a (message_offset, message_key, message_value, reason)
        ORDER BY a.message_offset
        ON CONFLICT (consumer_group, topic, partition, message_offset) DO UPDATE
        SET reason = excluded.reason, state = 'open', settled_at = NULL, announced_at = NULL
        """, [.text, .text, .int4, .int8s, .byteas, .byteas, .texts])

    private static let introducing = PostgresStatement(
        """
        INSERT INTO sojourn.pipeline_positions (consumer_group, topic, partition)
        SELECT * FROM unnest($1, $2, $3)
        ON CONFLICT DO NOTHING
        """, [.texts, .texts, .int4s])

    private static let positions = PostgresStatement(
        """
        SELECT p.consumer_group, p.topic, p.partition, p.next_offset
        FROM unnest($1, $2, $3) AS a (consumer_group, topic, partition)
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

extension PostgresArguments {
    /// Partitions, as three arrays.
    fileprivate init(_ partitions: [StreamPartition]) {
        self.init()
        append(texts: partitions.map(\.group))
        append(texts: partitions.map(\.topic))
        append(int4s: partitions.map { Int32(clamping: $0.number) })
    }
}
