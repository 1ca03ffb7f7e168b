// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// Keeps the connections of a node at one server, also where its name or the Sentinels lead to two for a while: whatever is
/// removed by one connection must not be found by another.
///
/// The connection that was made last is right. An older one that leads elsewhere writes nothing more, and what it reads is
/// not told to anybody.
final class Accord: Sendable {
    private let runID = Mutex<[UInt8]?>(nil)
    private let count = Atomic(0)

    /// Notes that a connection was made to a server; returns how many servers there have been.
    func arrived(at server: [UInt8]) -> Int {
        runID.withLock { runID in
            if runID != server {
                runID = server
                count.add(1, ordering: .releasing)
            }
            return count.load(ordering: .relaxed)
        }
    }

    /// Whether a connection with that return still leads to the server where the others are.
    func holds(_ arrival: Int) -> Bool { count.load(ordering: .acquiring) == arrival }
}
