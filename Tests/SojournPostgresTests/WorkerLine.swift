// SPDX-License-Identifier: Apache-2.0

import Foundation
import StoreWorker
import Synchronization

/// Our end of the socket to a worker: requests and answers by number, any number of them under way at once.
final class WorkerLine: Sendable {
    private struct State {
        /// The socket; nil once the worker has ended, since its number may be another file's then.
        var socket: Int32?
        /// Who waits for which answer.
        var waiting: [Int: CheckedContinuation<Data, any Error>] = [:]
        var lastNumber = 0
    }

    private static let gone = BrokenAnswer(reason: "The worker has ended.")

    private let state: Mutex<State>

    /// The line on a connected socket, which it closes when the other end is closed.
    init(socket: Int32) {
        state = Mutex(State(socket: socket))
        // A thread, as reading blocks; it ends when the other end is closed.
        Thread.detachNewThread {
            self.read(socket)
            let waiting = self.state.withLock { state in
                close(socket)
                state.socket = nil
                defer { state.waiting = [:] }
                return state.waiting
            }
            for waiter in waiting.values { waiter.resume(throwing: Self.gone) }
        }
    }

    /// Tells the other end that nothing more will be asked.
    func finish() {
        state.withLock { state in
            if let socket = state.socket { _ = shutdown(socket, Int32(SHUT_WR)) }
        }
    }

    /// Sends a request and waits for its answer.
    func answer(to request: Data) async throws -> Data {
        try await withCheckedThrowingContinuation { waiter in
            let isSent = state.withLock { state in
                guard let socket = state.socket else { return false }
                state.lastNumber += 1
                let line = Data("\(state.lastNumber) ".utf8) + request + Data("\n".utf8)
                // Under the lock, so that lines stay whole; the worker reads them as they come.
                guard Self.write(line, to: socket) else { return false }
                state.waiting[state.lastNumber] = waiter
                return true
            }
            if !isSent { waiter.resume(throwing: Self.gone) }
        }
    }

    private static func write(_ line: Data, to socket: Int32) -> Bool {
        line.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) -> Bool in
            var rest = bytes
            while !rest.isEmpty {
                // A worker that has ended is an error here and no signal that would end the tests as well.
                let count = send(socket, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
            return true
        }
    }

    /// Reads to the end, and hands every line to who waits for it.
    private func read(_ socket: Int32) {
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        var begun = Data()
        while true {
            let count = recv(socket, &buffer, buffer.count, 0)
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { return }
            begun += buffer[..<count]
            guard let end = begun.lastIndex(of: UInt8(ascii: "\n")) else { continue }
            for line in begun[..<end].split(separator: UInt8(ascii: "\n")) { answer(with: line) }
            begun = Data(begun[(end + 1)...])
        }
    }

    private func answer(with line: Data) {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 1)
        guard parts.count == 2, let number = Int(String(decoding: parts[0], as: UTF8.self)) else { return }
        state.withLock { $0.waiting.removeValue(forKey: number) }?.resume(returning: Data(parts[1]))
    }
}
