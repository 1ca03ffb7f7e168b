// SPDX-License-Identifier: Apache-2.0

import NIOCore
import NIOPosix
import Testing

@testable import SojournServer

@Suite("Connections on their event loop")
struct LoopChannelTests {
    @Test("what a connection's task does, it does on the loop, after a pause and in its children as well")
    func staysOnTheLoop() async {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let places = await withTaskExecutorPreference(LoopExecutor(eventLoop)) {
            let before = eventLoop.inEventLoop
            await Task.yield()
            async let child = eventLoop.inEventLoop
            try? await Task.sleep(for: .milliseconds(1))
            return [before, await child, eventLoop.inEventLoop]
        }
        #expect(places == [true, true, true])
    }
}
