// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOPosix

/// One question on a connection that is made for it and closed again: for what is asked seldom, and of servers that may not
/// be there.
final class Inquiry: Sendable {
    /// Most time that one server is given: the next one may know as well.
    static let patience = Duration.seconds(1)

    /// Asks `host` and returns its answer, within `patience` at most for the connection and once more for the answer.
    ///
    /// - Parameter configuration: Who we are there, and how it is encrypted.
    static func ask(
        _ command: RedisCommand, of host: RedisConfiguration.Host, _ configuration: RedisConfiguration
    ) async throws(RedisError) -> RedisValue {
        var configuration = configuration
        configuration.connectTimeout = min(configuration.connectTimeout, patience)
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let place = Node.Place(name: host.name, needsPrimary: false) { () throws(RedisError) in [host] }
        let connector = Connector(configuration: configuration, place: place, eventLoop: eventLoop)
        let wire = try await connector.connect().get().0
        do {
            return try await eventLoop.flatSubmit { Reader(wire, eventLoop).ask(command) }.get()
        } catch {
            throw RedisError(connecting: error, to: host)
        }
    }

    /// Reads the one answer. Used on the wire's event loop only.
    private final class Reader: WireReader {
        private let wire: Wire
        private let eventLoop: any EventLoop
        private let promise: EventLoopPromise<RedisValue>
        private var isOver = false

        init(_ wire: Wire, _ eventLoop: any EventLoop) {
            self.wire = wire
            self.eventLoop = eventLoop
            promise = eventLoop.makePromise()
        }

        func ask(_ command: RedisCommand) -> EventLoopFuture<RedisValue> {
            let timeout = eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(Inquiry.patience)) { [self] in
                finish(.failure(RedisError(.timedOut, "The server did not answer in time.")))
            }
            promise.futureResult.whenComplete { _ in timeout.cancel() }
            guard wire.isOpen else {
                finish(.failure(RedisError(.connectionLost, "Redis closed the connection.")))
                return promise.futureResult
            }
            wire.reader = self
            wire.write(ByteBuffer(bytes: command.wire))
            return promise.futureResult
        }

        func received(_ frame: FrameDecoder.Frame) {
            guard case .reply(let value) = frame else { return }
            if case .error(let reply) = value { finish(.failure(RedisError(reply))) } else { finish(.success(value)) }
        }

        func ended(_ reason: RedisError) {
            finish(.failure(reason))
        }

        private func finish(_ outcome: Result<RedisValue, RedisError>) {
            guard !isOver else { return }
            isOver = true
            wire.close()
            promise.completeWith(outcome.mapError { $0 })
        }
    }
}
