// SPDX-License-Identifier: Apache-2.0

public import Sojourn

/// Something that goes wrong beneath a store while the explorer calls it: acts that follow one another, such as "the
/// server is killed" and "the server starts again, empty".
///
/// A schedule's seed says which faults it meets, and between which calls every act comes. Other callers go on meanwhile.
/// A store has to keep all its promises nevertheless.
public struct Fault: Sendable {
    /// One thing that is done to what the store stands on.
    public struct Act: Sendable {
        /// What reports call it, as a sentence. Acts of the same name do the same.
        public let name: String
        let body: @Sendable (any SessionStore) async throws -> Void

        /// An act.
        ///
        /// - Parameter body: Does it to the store under test, which `StoreUnderTest` opened. Any act may come twice, or
        ///   without those before it, since shorter schedules are tried once one has failed. Where it throws, that is a
        ///   failure. Under `Scheduling.seeded` it waits for nothing.
        public init(_ name: String, _ body: @escaping @Sendable (any SessionStore) async throws -> Void) {
            self.name = name
            self.body = body
        }
    }

    let acts: [Act]

    /// A fault of these acts. The last one need not make all well again: `StoreUnderTest.open` does.
    public init(_ acts: [Act]) {
        self.acts = acts
    }
}

extension Fault.Act: Hashable {
    public static func == (one: Self, other: Self) -> Bool { one.name == other.name }

    public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}
