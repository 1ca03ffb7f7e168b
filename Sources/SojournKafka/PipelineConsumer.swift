// SPDX-License-Identifier: Apache-2.0

internal import KafkaDriver
public import Logging
public import ServiceLifecycle
public import Sojourn

/// One consumer of the group that writes orders and entries of the journal into the database (K2, K4). How far the group is
/// stands in the database, beside the rows, and whoever moves it there moves the consumers; Kafka is told of it for those who
/// watch there. Any number of them may run, here and elsewhere, and any of them may die at any moment: nothing is lost or
/// written twice.
public final class PipelineConsumer: Service {
    private let consumer: KafkaConsumer
    private let topics: PipelineTopics
    private let store: any StreamStore
    private let writer: PipelineWriter
    private let logger: Logger
    /// From one look at where the group is, and one word to Kafka, to the next.
    private static let interval = Duration.seconds(2)

    /// A consumer that writes into `store`.
    ///
    /// - Parameter messagesMax: the most messages that are read at once, and so written in one transaction.
    public init(
        _ topics: PipelineTopics, into store: any StreamStore, messagesMax: Int = 2000, logger: Logger
    ) {
        var settings = KafkaConsumer.Settings(group: topics.group, topics: topics.read)
        settings.messagesMax = messagesMax
        settings.sessionTimeout = topics.sessionTimeout
        consumer = KafkaConsumer(topics.kafka, settings, logger: logger)
        writer = PipelineWriter(store, logger: logger)
        self.topics = topics
        self.store = store
        self.logger = logger
    }

    /// Reads and writes until the service group's graceful shutdown, or until the task is cancelled; leaves the group then.
    ///
    /// - Throws: What will not pass by itself: `KafkaError`, or `SojournError` of the store.
    public func run() async throws {
        do {
            try await withGracefulShutdownHandler {
                try await consume()
            } onGracefulShutdown: { [consumer] in
                // No broker that is silent holds the process up.
                Task {
                    try? await Task.sleep(for: .seconds(2))
                    consumer.close()
                }
            }
        } catch let error as KafkaError where error.code == .cancelled {
            logger.debug("The consumer was cancelled.")
        } catch is CancellationError {
            logger.debug("The consumer was cancelled.")
        } catch {
            await consumer.shutdown()
            throw error
        }
        await consumer.shutdown()
    }

    private func consume() async throws {
        // Where the group is in the partitions that are this consumer's, and where Kafka was told it is.
        var (places, told): ([KafkaPartition: Int64], [KafkaPartition: Int64]) = ([:], [:])
        var lookingAt = ContinuousClock.now + Self.interval
        while !Task.isShuttingDownGracefully {
            switch try await next(until: lookingAt) {
            case .assigned(let partitions):
                let stored = try await positions(of: partitions)
                places.merge(stored) { $1 }
                try await go(to: stored)
            case .revoked(let partitions, _):
                for partition in partitions { places[partition] = nil }
            case .messages(let batches):
                for (batch, outcome) in try await write(batches, from: places) {
                    switch outcome {
                    case .written: places[batch.partition] = batch.nextOffset
                    case .moved(let place):
                        places[batch.partition] = place
                        try await go(to: [batch.partition: place])
                    case .stale: break
                    }
                }
            case nil: break
            }
            if lookingAt <= .now {
                try await follow(&places)
                if places != told, await tell(places) { told = places }
                lookingAt = .now + Self.interval
            }
        }
        // Now: Kafka takes nothing from a consumer that has left the group.
        if places != told { _ = await tell(places) }
    }

    /// What is next; nil where nothing comes until then, or before the service group's graceful shutdown.
    private func next(until deadline: ContinuousClock.Instant) async throws -> KafkaConsumer.Event? {
        try await withThrowingTaskGroup(of: KafkaConsumer.Event?.self) { group in
            group.addTask { [consumer] in
                do throws(KafkaError) {
                    return try await consumer.next()
                } catch {
                    // Nothing is missed by asking again.
                    guard error.code == .cancelled else { throw error }
                    return nil
                }
            }
            group.addTask {
                try? await cancelWhenGracefulShutdown { try await Task.sleep(until: deadline) }
                return nil
            }
            // Also what comes as time is up.
            var event = try await group.next() ?? nil
            group.cancelAll()
            for try await other in group { event = event ?? other }
            try Task.checkCancellation()
            return event
        }
    }

    /// Goes where others moved the group. A step finds out, but where nothing comes there is none.
    private func follow(_ places: inout [KafkaPartition: Int64]) async throws {
        guard !places.isEmpty else { return }
        let stored: [KafkaPartition: Int64]
        do {
            stored = try await self.stored(Array(places.keys))
        } catch let error as SojournError where error.isPassing {
            return logger.debug("Where the group is was not looked at.", metadata: ["reason": "\(error)"])
        }
        let moved = stored.filter { places[$0.key] != $0.value }
        guard !moved.isEmpty else { return }
        logger.info("The group was moved.", metadata: ["to": "\(moved)"])
        places.merge(moved) { $1 }
        try await go(to: moved)
    }

    /// Writes batches, all at once.
    private func write(
        _ batches: [KafkaBatch], from places: [KafkaPartition: Int64]
    ) async throws -> [(KafkaBatch, PipelineWriter.Outcome)] {
        try await withThrowingTaskGroup(of: (KafkaBatch, PipelineWriter.Outcome).self) { group in
            for batch in batches {
                guard batch.isCurrent, let place = places[batch.partition] else { continue }
                try check(batch, place)
                group.addTask { [writer, topics] in
                    let messages = batch.messages.map { message in
                        StreamMessage(
                            offset: message.offset, key: message.key.map(Array.init),
                            value: message.value.map(Array.init))
                    }
                    return (
                        batch,
                        try await writer.write(
                            messages[...], of: topics.partition(batch.partition), from: place, to: batch.nextOffset,
                            while: { batch.isCurrent && !Task.isShuttingDownGracefully })
                    )
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
    }

    /// Holds what was read against where the group is.
    private func check(_ batch: KafkaBatch, _ place: Int64) throws {
        guard batch.firstOffset >= place else {
            throw SojournError(
                .storeDamaged,
                """
                \(batch.partition) begins at \(batch.firstOffset), but the group has come to \(place): was the topic made \
                anew? `sojourn consume --rewind beginning --topic \(batch.partition.topic)` reads it from its beginning.
                """)
        }
        if batch.firstOffset > place {
            logger.warning(
                "Kafka keeps these messages no more, or they are not for readers.",
                metadata: [
                    "partition": "\(batch.partition)", "from": "\(place)", "to": "\(batch.firstOffset)",
                ])
        }
    }

    /// Where the group is, however long the database takes to say.
    private func positions(of partitions: [KafkaPartition]) async throws -> [KafkaPartition: Int64] {
        var rests = Rests(upTo: PipelineWriter.restMax)
        while true {
            do {
                return try await stored(partitions)
            } catch let error as SojournError where error.isPassing {
                guard !Task.isShuttingDownGracefully else { throw CancellationError() }
                logger.warning("The stream waits for the database.", metadata: ["reason": "\(error)"])
                try await Task.sleep(for: rests.next())
            }
        }
    }

    private func stored(_ partitions: [KafkaPartition]) async throws -> [KafkaPartition: Int64] {
        let stored = try await store.positions(of: partitions.map(topics.partition))
        return Dictionary(uniqueKeysWithValues: partitions.map { ($0, stored[topics.partition($0)] ?? 0) })
    }

    /// Reads on from these places, as far as the partitions are still this consumer's.
    private func go(to places: [KafkaPartition: Int64]) async throws {
        try await consumer.seek(to: places.mapValues { .at($0) })
    }

    /// Tells Kafka where the group is, for those who watch there; whether it took that. Nothing rests on it.
    private func tell(_ places: [KafkaPartition: Int64]) async -> Bool {
        do {
            return try await consumer.commit(places)
        } catch {
            logger.debug("Kafka was not told where the group is.", metadata: ["reason": "\(error)"])
            return false
        }
    }
}
