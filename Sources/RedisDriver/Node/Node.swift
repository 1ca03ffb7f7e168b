// SPDX-License-Identifier: Apache-2.0

/// One server, over one or a few connections that all callers share.
final class Node: Sendable {
    /// Which server.
    struct Place: Sendable {
        /// What it is called in logs.
        let name: String
        /// Whether only a primary will do.
        let needsPrimary: Bool
        /// Where it may be; asked at every attempt to connect.
        let hosts: @Sendable () async throws(RedisError) -> [RedisConfiguration.Host]
    }

    /// Which server.
    let place: Place
    private let surroundings: Surroundings
    private let lanes: [Lane]

    /// The server at `place`, without a connection yet.
    init(_ place: Place, _ surroundings: Surroundings) {
        self.place = place
        self.surroundings = surroundings
        lanes = (0..<max(1, surroundings.configuration.connections)).map { _ in Lane(place, surroundings) }
    }

    /// Ends it: who waits is refused, what is under way is finished, then the connections are closed.
    func close() {
        for lane in lanes { lane.close() }
    }

    /// The lane with the least to do.
    private var lane: Lane {
        lanes.count == 1 ? lanes[0] : lanes.min { $0.load.value < $1.load.value } ?? lanes[0]
    }
}

extension Node {
    /// Sends a command and waits for its answer. A cancelled caller is answered at once.
    func send(_ command: RedisCommand) async throws(RedisError) -> RedisValue {
        let call = Call(command, deadline: .now + surroundings.configuration.answerTimeout)
        let lane = lane
        let outcome: Call.Outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if call.attach(.one(continuation)) { lane.enqueue(CollectionOfOne(call)) }
            }
        } onCancel: {
            call.cancel()
        }
        return try outcome.get()
    }

    /// Sends commands one right after the other on one connection and waits for all answers.
    func send(_ commands: [RedisCommand]) async -> [Call.Outcome] {
        guard !commands.isEmpty else { return [] }
        let deadline = ContinuousClock.now + surroundings.configuration.answerTimeout
        let calls = commands.map { Call($0, deadline: deadline) }
        let lane = lane
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let gathering = Gathering(count: calls.count, continuation)
                var waiting: [Call] = []
                for (place, call) in calls.enumerated() where call.attach(.many(gathering, place: place)) {
                    waiting.append(call)
                }
                if !waiting.isEmpty { lane.enqueue(waiting) }
            }
        } onCancel: {
            for call in calls { call.cancel() }
        }
    }
}
