// SPDX-License-Identifier: Apache-2.0

internal import CPipe
internal import Glibc

/// Wakes a thread that polls: an eventfd, closed with its last reference.
package final class Bell: Sendable {
    /// The descriptor to poll for reading.
    package let descriptor: Int32

    /// A silent bell.
    package init() {
        descriptor = sojourn_eventfd()
        precondition(descriptor >= 0, "the process has no file descriptor left for waking a thread")
    }

    deinit {
        close(descriptor)
    }

    /// Wakes whoever polls, now or at the next poll.
    package func ring() {
        var one: UInt64 = 1
        // It can only fail where the counter is full, and then it rings already.
        _ = write(descriptor, &one, 8)
    }

    /// Forgets all rings so far.
    package func silence() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }
}
