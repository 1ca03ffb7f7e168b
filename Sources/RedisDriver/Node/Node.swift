// SPDX-License-Identifier: Apache-2.0

internal import DriverSupport
internal import NIOCore
internal import NIOPosix

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
        // As many loops as may be: whoever calls from a loop finds a lane of its own there, where there are as many.
        let loops = Array(MultiThreadedEventLoopGroup.singleton.makeIterator())
        let accord = Accord()
        lanes = (0..<max(1, surroundings.configuration.connections)).map {
            Lane(place, surroundings, accord, on: loops[$0 % loops.count])
        }
    }

    /// How many commands wait for an answer, sent or not.
    var waitingCount: Int { lanes.reduce(0) { $0 + $1.load.value } }

    /// Ends it: who waits is refused, what is under way is finished, then the connections are closed.
    func close() {
        for lane in lanes { lane.close() }
    }

    /// The lane that is served where the caller runs, so that no thread need be woken, unless it has much more to do than
    /// others, as one whose connection is gone; else the one with the least to do.
    private var lane: Lane {
        let idlest = lanes.min { $0.load.value < $1.load.value } ?? lanes[0]
        guard let own = lanes.first(where: { $0.eventLoop.inEventLoop }) else { return idlest }
        return own.load.value <= idlest.load.value + Self.backlogMax ? own : idlest
    }

    /// How many commands more a caller's own lane may have to do than another.
    private static let backlogMax = 64
}

extension Node {
    /// Sends a command and waits for its answer until `deadline`. A cancelled caller is answered at once.
    func send(
        _ command: RedisCommand, until deadline: ContinuousClock.Instant
    ) async throws(RedisError) -> RedisValue {
        let call = Call(command, deadline: deadline)
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

    /// Commands that go to one node, one right after the other.
    struct Parcel {
        let node: Node
        var commands: [RedisCommand]
    }

    /// Sends parcels to their nodes at once and waits for all answers until `deadline`: as many as there are commands, in
    /// their order.
    static func send(_ parcels: [Parcel], until deadline: ContinuousClock.Instant) async -> [Call.Outcome] {
        let all = parcels.map { parcel in
            (lane: parcel.node.lane, calls: parcel.commands.map { Call($0, deadline: deadline) })
        }
        let count = all.reduce(0) { $0 + $1.calls.count }
        guard count > 0 else { return [] }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let gathering = Gathering(count: count, continuation)
                var place = 0
                for (lane, calls) in all {
                    var waiting: [Call] = []
                    for call in calls {
                        if call.attach(.many(gathering, place: place)) { waiting.append(call) }
                        place += 1
                    }
                    if !waiting.isEmpty { lane.enqueue(waiting) }
                }
            }
        } onCancel: {
            for (_, calls) in all { for call in calls { call.cancel() } }
        }
    }
}
