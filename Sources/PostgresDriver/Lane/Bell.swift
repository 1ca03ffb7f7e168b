// SPDX-License-Identifier: Apache-2.0

internal import CPostgres
internal import Glibc

/// Wakes a thread that polls: an eventfd, closed with its last reference.
final class Bell: Sendable {
    /// The descriptor to poll for reading.
    let descriptor: Int32

    /// A silent bell.
    init() {
        descriptor = sojourn_eventfd()
        precondition(descriptor >= 0, "the process has no file descriptor left for waking a thread")
    }

    deinit {
        close(descriptor)
    }

    /// Wakes whoever polls, now or at the next poll.
    func ring() {
        var one: UInt64 = 1
        // It can only fail where the counter is full, and then it rings already.
        _ = write(descriptor, &one, 8)
    }

    /// Forgets all rings so far.
    func silence() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }
}

/// A thread of our own, for calls into C that block. libpq has no other way, and the tasks' threads are too few to lend.
enum Thread {
    /// A thread's body on its way through C.
    private final class Body {
        let name: String
        let run: @Sendable () -> Void

        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// A quarter of a megabyte: nothing here recurses, and the resolver needs the most.
    private static let stackSize = 262_144

    /// Runs `body` on a new thread named `name` (at most 15 bytes); false where there can be no more threads.
    static func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, stackSize)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let boxed = Unmanaged.passRetained(Body(name: name, run: body))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument else { return nil }
                let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
                sojourn_name_thread(body.name)
                body.run()
                return nil
            }, boxed.toOpaque())
        if failure != 0 { boxed.release() }
        return failure == 0
    }
}
