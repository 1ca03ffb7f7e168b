// SPDX-License-Identifier: Apache-2.0

internal import CPipe
internal import Glibc

/// A thread of our own, for calls into C that block. The tasks' threads are too few to lend.
package enum DriverThread {
    /// A thread's body on its way through C.
    private final class Body {
        let name: String
        let run: @Sendable () -> Void

        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Half a megabyte: nothing here recurses, and the resolver and the reader of statistics need the most.
    private static let stackSize = 524_288

    /// Runs `body` on a new thread named `name` (at most 15 bytes); false where there can be no more threads.
    package static func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
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
