// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Validations that the cache answered and the database has not heard of.
final class TouchBuffer: Sendable {
    /// Those of one session. Small, since each validation by a copy looks one up.
    private struct Waiting: Sendable {
        var count = 0
        var last = Timestamp(microseconds: .min)

        /// Adds validations, and returns how many there are then.
        mutating func add(_ count: Int, last: Timestamp) -> Int {
            self.count += count
            self.last = max(self.last, last)
            return self.count
        }
    }

    private let touches = Mutex<[SessionID: Waiting]>([:])
    /// Most sessions with such validations; past it, the database is to answer.
    static let sessionsMax = 100_000

    /// Whether there is no room for another session.
    var isFull: Bool { touches.withLock { $0.count >= Self.sessionsMax } }

    /// Of how many sessions some wait.
    var count: Int { touches.withLock { $0.count } }

    /// Notes a validation, and returns how many of the session wait now; nil where there was no room for it.
    func note(_ id: SessionID, at now: Timestamp) -> Int? {
        touches.withLock { touches in
            if touches.count >= Self.sessionsMax, touches[id] == nil { return nil }
            return touches[id, default: Waiting()].add(1, last: now)
        }
    }

    /// All that wait, which wait no longer.
    func take() -> [SessionTouch] {
        touches.withLock { touches in
            let taken = touches.map { SessionTouch(session: $0.key, count: $0.value.count, last: $0.value.last) }
            touches.removeAll(keepingCapacity: true)
            return taken
        }
    }

    /// Puts back what the database did not take.
    func putBack(_ taken: [SessionTouch]) {
        touches.withLock { touches in
            for touch in taken { _ = touches[touch.session, default: Waiting()].add(touch.count, last: touch.last) }
        }
    }
}
