// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Validations that the cache answered and the database has not heard of.
final class TouchBuffer: Sendable {
    private let touches = Mutex<[SessionID: SessionTouch]>([:])
    /// Most sessions with such validations; past it, the database is to answer.
    static let sessionsMax = 100_000

    /// Whether there is no room for another session.
    var isFull: Bool { touches.withLock { $0.count >= Self.sessionsMax } }

    /// Whether none wait.
    var isEmpty: Bool { touches.withLock { $0.isEmpty } }

    /// Notes a validation, and returns how many of the session wait now.
    func note(_ id: SessionID, at now: Timestamp) -> Int {
        put(SessionTouch(session: id, count: 1, last: now))
    }

    /// All that wait, which wait no longer.
    func take() -> [SessionTouch] {
        touches.withLock { touches in
            let taken = Array(touches.values)
            touches.removeAll(keepingCapacity: true)
            return taken
        }
    }

    /// Puts back what the database did not take.
    func putBack(_ taken: [SessionTouch]) {
        for touch in taken { _ = put(touch) }
    }

    private func put(_ touch: SessionTouch) -> Int {
        touches.withLock { touches in
            let known = touches[touch.session]
            let sum = SessionTouch(
                session: touch.session, count: touch.count + (known?.count ?? 0),
                last: max(touch.last, known?.last ?? touch.last))
            touches[touch.session] = sum
            return sum.count
        }
    }
}
