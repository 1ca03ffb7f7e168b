// SPDX-License-Identifier: Apache-2.0

/// What a subscription tells.
public enum RedisSubscriptionEvent: Sendable, Hashable {
    /// The subscription stands. What was published before this may have gone unheard.
    case established
    /// Somebody published to the channel.
    case message(channel: String, payload: [UInt8])
    /// What was published may go unheard until the subscription is established again, which is being tried.
    case lost
}

/// What the tracking of keys tells.
public enum RedisTrackingEvent: Sendable, Hashable {
    /// Keys are tracked. What was read before this may have changed unnoticed.
    case began
    /// These keys were changed, or are gone.
    case invalidated([String])
    /// All keys are gone, or are to be taken for it.
    case flushed
    /// Changes may go unnoticed until the tracking has begun again, which is being tried: whatever rests on it must not be
    /// used any more.
    case lost
}

/// Events in their order, until the client is closed, or the last copy of this is given up, or the task that iterates is
/// cancelled. For one reader.
///
/// A reader that falls 1024 events behind is told, instead of all that wait, that the connection was lost and stands again:
/// it has to do what it does then.
public struct RedisEvents<Event: Sendable>: AsyncSequence, Sendable {
    public typealias Failure = Never

    fileprivate let subscription: Subscription<Event>

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(subscription: subscription, bell: subscription.bell.makeAsyncIterator())
    }

    /// Waits for events.
    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let subscription: Subscription<Event>
        fileprivate var bell: AsyncStream<Void>.Iterator

        public mutating func next() async -> Event? {
            while true {
                if let event = subscription.events.take() { return event }
                guard await bell.next() != nil else { return subscription.events.take() }
            }
        }
    }
}

extension RedisClient {
    /// Subscribes to `channels`, on a connection of its own, which is made again whenever it is lost. In a cluster it is one
    /// to any node, as they tell each other what is published.
    ///
    /// - Throws: `.configuration` where the configuration or an empty list cannot work; `.shutDown` once the client is
    ///   closed.
    public func subscribe(to channels: [String]) throws(RedisError) -> RedisEvents<RedisSubscriptionEvent> {
        guard !channels.isEmpty else { throw RedisError(.configuration, "A subscription needs a channel.") }
        return try events(
            Watching(
                began: .established, lost: .lost,
                opening: { _ in .success([RedisCommand("SUBSCRIBE", channels.map { .init($0) }).withoutAnswer]) },
                read: { push in
                    guard push.count == 3, push[0] == .bytes(Array("message".utf8)), case .bytes(let payload) = push[2],
                        let channel = try? push[1].string()
                    else { return nil }
                    return .message(channel: channel, payload: payload)
                }), at: .anyServer)
    }

    /// Tells of changes to all keys that begin with one of `prefixes`, whoever makes them, on a connection of its own
    /// (`CLIENT TRACKING ON BCAST`), which is made again whenever it is lost. It needs RESP3: over RESP2 it never begins.
    /// In a cluster it is one to each primary: keys are tracked while all of them stand.
    ///
    /// - Parameter prefixes: None of them the beginning of another, which Redis refuses. None at all: every key.
    /// - Throws: `.configuration` where the configuration cannot work; `.shutDown` once the client is closed.
    public func track(prefixes: [String]) throws(RedisError) -> RedisEvents<RedisTrackingEvent> {
        let arguments: [RedisArgument] = ["TRACKING", "ON", "BCAST"] + prefixes.flatMap { ["PREFIX", .init($0)] }
        return try events(
            Watching(
                began: .began, lost: .lost,
                opening: { server in
                    guard server.protocolVersion == 3 else {
                        return .failure(RedisError(.unexpectedResult, "Keys can be tracked over RESP3 only."))
                    }
                    return .success([RedisCommand("CLIENT", arguments)])
                },
                read: { push in
                    guard push.count == 2, push[0] == .bytes(Array("invalidate".utf8)) else { return nil }
                    if push[1].isNull { return .flushed }
                    guard let keys = try? push[1].array() else { return nil }
                    return .invalidated(keys.compactMap { try? $0.string() })
                }), at: .allPrimaries)
    }

    private func events<Event>(
        _ watching: Watching<Event>, at extent: Route.Extent
    ) throws(RedisError) -> RedisEvents<Event> {
        if let mistake { throw mistake }
        let (bell, ringer) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let events = EventQueue(watching, ringer, surroundings)
        guard listeners.add(events) else { throw .shutDown() }
        ringer.onTermination = { [listeners, route] _ in
            route.dismiss(events)
            listeners.remove(events)
            events.close()
        }
        route.post(events, at: extent)
        return RedisEvents(subscription: Subscription(events: events, bell: bell, ringer: ringer))
    }
}

/// Ends with the last copy of a sequence of events.
private final class Subscription<Event: Sendable>: Sendable {
    let events: EventQueue<Event>
    let bell: AsyncStream<Void>
    private let ringer: AsyncStream<Void>.Continuation

    init(events: EventQueue<Event>, bell: AsyncStream<Void>, ringer: AsyncStream<Void>.Continuation) {
        self.events = events
        self.bell = bell
        self.ringer = ringer
    }

    deinit {
        ringer.finish()
    }
}
