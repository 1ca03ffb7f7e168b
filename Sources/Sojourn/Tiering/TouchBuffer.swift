// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Validations that the cache answered and the database has not heard of.
final class TouchBuffer: Sendable {
    private let touches = Mutex<[SessionID: SessionTouch]>([:])
    /// Most sessions with such validations; past it, the database is to answer.
    static let sessionsMax = 100_000

    /// Whether there is no room for another session.
    var isFull: Bool { touches.withLock { $0.count >= Self.sessionsMax } }

    /// Of how many sessions some wait.
    var count: Int { touches.withLock { $0.count } }

    /// Notes a validation, and returns how many of the session wait now; nil where there was no room for it.
    func note(_ id: SessionID, at now: Timestamp) -> Int? {
        touches.withLock { touches in
            let isFull = touches.count >= Self.sessionsMax
            return Self.add(SessionTouch(session: id, count: 1, last: now), to: &touches[id], unlessNew: isFull)
        }
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
        touches.withLock { touches in
            for touch in taken { _ = Self.add(touch, to: &touches[touch.session], unlessNew: false) }
        }
    }

    /// Adds validations to those of the session that wait, and returns how many these are then; nil, and adds nothing,
    /// where none wait and the session must not be a new one.
    private static func add(_ touch: SessionTouch, to sum: inout SessionTouch?, unlessNew isFull: Bool) -> Int? {
        if sum == nil, isFull { return nil }
        let count = touch.count + (sum?.count ?? 0)
        sum = SessionTouch(session: touch.session, count: count, last: max(touch.last, sum?.last ?? touch.last))
        return count
    }
}
