// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization

/// Stands between a client and its server on loopback, and does harm when it is told to.
///
/// A thread takes connections and one more carries each of them, with plain blocking sockets: nothing here may depend on
/// what is tested.
package final class FaultyProxy: Sendable {
    /// How a silence comes about.
    package enum Silence: CaseIterable {
        /// What the client sends still arrives, and the answers get lost: the server works on.
        case repliesLost
        /// What the client sends gets lost.
        case requestsLost
        /// Nothing moves, and all of it arrives once the silence is over, however late that is.
        case stalled
    }

    private struct State {
        var silence: Silence?
        /// Open connections by number, each with how many more bytes of reply it lives for; nil for no limit.
        var open: [Int: Int?] = [:]
        var carried = 0
        var cut = 0
        var isStopped = false
    }

    /// Where the client connects.
    package let port: Int
    private let serverPort: Int
    private let listening: Int32
    private let state = Mutex(State())

    /// A proxy before the server on `serverPort`, which works until `stop`.
    package init(to serverPort: Int) throws {
        (listening, port) = try Sockets.listener()
        self.serverPort = serverPort
        Thread.detachNewThread { [self] in takeConnections() }
    }

    /// How many connections were cut in the middle of a reply.
    package var cutCount: Int { state.withLock { $0.cut } }

    /// How many of the connections that are to be cut still live.
    package var doomedCount: Int { state.withLock { $0.open.values.count { $0 != nil } } }

    /// Cuts every connection that is open now after so many bytes more of its reply, drawn for each.
    package func cutEach(after bytes: () -> Int) {
        state.withLock { state in
            for number in state.open.keys { state.open[number] = bytes() }
        }
    }

    /// Falls silent, on connections that are open and on those to come.
    package func fallSilent(_ silence: Silence) {
        state.withLock { $0.silence = silence }
    }

    /// Carries again. Connections on which something got lost are closed: they can make no sense any more.
    package func speak() {
        state.withLock { $0.silence = nil }
    }

    /// Takes no more connections, and closes those that are open.
    package func stop() {
        state.withLock { $0.isStopped = true }
        Sockets.end(listening)
    }

    private func takeConnections() {
        while true {
            let client = accept(listening, nil, nil)
            guard client >= 0 else { return }
            let number = state.withLock { state in
                state.carried += 1
                state.open[state.carried] = .some(nil)
                return state.carried
            }
            Thread.detachNewThread { [self] in
                carry(number, client)
                _ = state.withLock { $0.open.removeValue(forKey: number) }
            }
        }
    }
}

// MARK: - Carrying

extension FaultyProxy {
    /// One connection on its way: its two sockets, and whether something of it got lost.
    private struct Passage {
        let client: Int32
        let server: Int32
        var isTorn = false
        var chunk = [UInt8](repeating: 0, count: 65_536)
    }

    /// Carries bytes both ways until one side ends, or the connection is to be cut.
    private func carry(_ number: Int, _ client: Int32) {
        let server = Sockets.connect(to: serverPort)
        var passage = Passage(client: client, server: server)
        defer { for socket in [client, server] where socket >= 0 { Sockets.end(socket) } }
        guard server >= 0 else { return }
        while true {
            let (silence, isStopped) = state.withLock { ($0.silence, $0.isStopped) }
            if isStopped || passage.isTorn && silence == nil { return }
            let events = silence == .stalled ? 0 : Int16(POLLIN)
            var ends = [
                pollfd(fd: silence == .stalled ? -1 : client, events: events, revents: 0),
                pollfd(fd: silence == .stalled ? -1 : server, events: events, revents: 0),
            ]
            // 20 ms: how soon a new order is noticed on a connection where nothing moves.
            _ = poll(&ends, 2, 20)
            // An order that came meanwhile is for what comes now.
            guard state.withLock({ $0.silence == silence }) else { continue }
            if ends[0].revents != 0, !carryRequest(&passage, isLost: silence == .requestsLost) { return }
            if ends[1].revents != 0, !carryReply(&passage, number, isLost: silence == .repliesLost) { return }
        }
    }

    /// False at the connection's end.
    private func carryRequest(_ passage: inout Passage, isLost: Bool) -> Bool {
        let count = read(passage.client, &passage.chunk, passage.chunk.count)
        guard count > 0 else { return false }
        if isLost { passage.isTorn = true }
        // Nothing follows on what was lost, or the server would read from the middle of a message.
        return passage.isTorn || Self.write(&passage.chunk, count, to: passage.server)
    }

    /// False at the connection's end.
    private func carryReply(_ passage: inout Passage, _ number: Int, isLost: Bool) -> Bool {
        let count = read(passage.server, &passage.chunk, passage.chunk.count)
        guard count > 0 else { return false }
        if isLost { passage.isTorn = true }
        guard !passage.isTorn else { return true }
        let (passed, isLast): (Int, Bool) = state.withLock { state in
            guard let left = state.open[number] ?? nil else { return (count, false) }
            guard left < count else {
                state.open[number] = left - count
                return (count, false)
            }
            state.cut += 1
            return (left, true)
        }
        return Self.write(&passage.chunk, passed, to: passage.client) && !isLast
    }
}

extension FaultyProxy {
    private static func write(_ chunk: inout [UInt8], _ count: Int, to socket: Int32) -> Bool {
        var written = 0
        while written < count {
            let sent = chunk.withUnsafeBytes { bytes in
                bytes.baseAddress.map { send(socket, $0 + written, count - written, Int32(MSG_NOSIGNAL)) } ?? -1
            }
            guard sent > 0 else { return false }
            written += sent
        }
        return true
    }
}
