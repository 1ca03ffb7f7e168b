// SPDX-License-Identifier: Apache-2.0

internal import CKafka
internal import Synchronization

/// Counts what becomes of records that were handed to a producer, for whoever does not wait for each of them. A ledger may
/// be used for any number of records and by any number of tasks.
public final class KafkaLedger: Sendable {
    /// What is known now.
    public struct Counts: Sendable {
        /// Records that are neither delivered nor given up.
        public fileprivate(set) var pending = 0
        /// Records that all brokers that count have.
        public fileprivate(set) var delivered = 0
        /// Records that were given up.
        public fileprivate(set) var failed = 0
        /// Why the first of them was, nil where none was.
        public fileprivate(set) var firstFailure: KafkaError?
    }

    private struct State {
        var counts = Counts()
        var last: (partition: Int32, offset: Int64) = (-1, -1)
    }

    private let state = Mutex(State())
    private let settling = Signal()

    /// An empty ledger.
    public init() {}

    /// What is known now.
    public var counts: Counts { state.withLock { $0.counts } }

    /// Waits until no record is pending.
    ///
    /// - Throws: Why the first record was given up, if any was; `.cancelled` where the task is.
    public func settled() async throws(KafkaError) {
        while true {
            let round = settling.round
            let counts = counts
            guard counts.pending > 0 else {
                if let failure = counts.firstFailure { throw failure }
                return
            }
            try await settling.wait(past: round)
        }
    }

    /// Where the record that was delivered last stands.
    var last: (partition: Int32, offset: Int64) { state.withLock { $0.last } }

    /// One more record is on its way.
    func add() {
        state.withLock { $0.counts.pending += 1 }
    }

    /// A record was not even taken.
    func takeBack() {
        finish { $0.counts.pending -= 1 }
    }

    /// A record was delivered or given up.
    func settle(_ report: rd_kafka_message_t, _ failure: KafkaError?) {
        finish { state in
            state.counts.pending -= 1
            if let failure {
                state.counts.failed += 1
                state.counts.firstFailure = state.counts.firstFailure ?? failure
            } else {
                state.counts.delivered += 1
                state.last = (report.partition, report.offset)
            }
        }
    }

    private func finish(_ change: (inout State) -> Void) {
        let isSettled = state.withLock { state in
            change(&state)
            return state.counts.pending == 0
        }
        if isSettled { settling.advance() }
    }
}
