// SPDX-License-Identifier: Apache-2.0
import Foundation
import PostgresTestSupport
import Synchronization

/// Stands between a client and the server, and does harm when it is told to.
final class Proxy: Sendable {
    /// What it does with what comes back from the server.
    enum Mode: Equatable {
        /// Hands it on.
        case pass
        /// Keeps it to itself, and says nothing.
        case silent
        /// Hands on so many bytes more, then cuts all connections and passes again.
        case cut(after: Int)
    }

    /// Where clients connect.
    let port: Int
    private let server: Int
    private let listening: Int32
    private let state = Mutex((mode: Mode.pass, generation: 0))

    /// A proxy before the server on `server`, which works until `stop`.
    init(to server: Int) throws {
        (listening, port) = try Sockets.listener()
        self.server = server
        // A thread each, as the proxy blocks; it ends when its socket is closed.
        Thread.detachNewThread { [self] in
            while true {
                let client = accept(listening, nil, nil)
                guard client >= 0 else { return }
                Thread.detachNewThread { [self] in carry(client) }
            }
        }
    }

    /// From now on, do that.
    func set(_ mode: Mode) {
        state.withLock { $0.mode = mode }
    }

    /// Takes no more connections.
    func stop() {
        Sockets.end(listening)
    }

    /// Carries bytes both ways until one side ends.
    private func carry(_ client: Int32) {
        let server = Sockets.connect(to: server)
        defer { for end in [client, server] where end >= 0 { Sockets.end(end) } }
        guard server >= 0 else { return }
        let generation = state.withLock { $0.generation }
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            var ends = [
                pollfd(fd: client, events: Int16(POLLIN), revents: 0),
                pollfd(fd: server, events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&ends, 2, 20)
            if state.withLock({ $0.generation != generation }) { return }
            if ends[0].revents != 0 {
                let count = read(client, &chunk, chunk.count)
                guard count > 0, send(server, chunk, count, Int32(MSG_NOSIGNAL)) == count else { return }
            }
            if ends[1].revents != 0 {
                let count = read(server, &chunk, chunk.count)
                guard count > 0 else { return }
                let passed = allowance(for: count)
                guard passed == 0 || send(client, chunk, passed, Int32(MSG_NOSIGNAL)) == passed else { return }
                if state.withLock({ $0.generation != generation }) { return }
            }
        }
    }

    /// How many of `count` bytes are to be handed on.
    private func allowance(for count: Int) -> Int {
        state.withLock { state in
            switch state.mode {
            case .pass: return count
            case .silent: return 0
            case .cut(let left) where count < left:
                state.mode = .cut(after: left - count)
                return count
            case .cut(let left):
                state.mode = .pass
                state.generation += 1
                return left
            }
        }
    }
}
