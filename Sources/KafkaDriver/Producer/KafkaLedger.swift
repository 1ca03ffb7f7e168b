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

    /// What became of some of its records.
    struct News {
        var delivered = 0
        var failed = 0
        /// Why the first of those was given up.
        var failure: KafkaError?
        /// Where the last of them stands that was delivered.
        var last: (partition: Int32, offset: Int64)?

        /// Counts a report and, where the record was given up, why.
        mutating func add(_ report: rd_kafka_message_t, _ failure: KafkaError?) {
            if let failure {
                failed += 1
                self.failure = self.failure ?? failure
            } else {
                delivered += 1
                last = (report.partition, report.offset)
            }
        }
    }

    private struct State {
        var counts = Counts()
        var last: (partition: Int32, offset: Int64) = (-1, -1)
        /// This ledger while records are pending, as librdkafka knows it by its address only.
        var kept: KafkaLedger?
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

    /// So many more records are on their way.
    func add(_ records: Int) {
        state.withLock { state in
            state.counts.pending += records
            state.kept = self
        }
    }

    /// So many records were not even taken.
    func takeBack(_ records: Int) {
        finish { $0.counts.pending -= records }
    }

    /// Records were delivered or given up.
    func settle(_ news: News) {
        finish { state in
            state.counts.pending -= news.delivered + news.failed
            state.counts.delivered += news.delivered
            state.counts.failed += news.failed
            state.counts.firstFailure = state.counts.firstFailure ?? news.failure
            state.last = news.last ?? state.last
        }
    }

    private func finish(_ change: (inout State) -> Void) {
        let isSettled = state.withLock { state in
            change(&state)
            guard state.counts.pending == 0 else { return false }
            state.kept = nil
            return true
        }
        if isSettled { settling.advance() }
    }
}
