// SPDX-License-Identifier: Apache-2.0
internal import CoreMetrics
internal import Synchronization

/// The figures of one metric with one set of dimensions.
protocol PrometheusSeries: AnyObject, Sendable {
    /// Appends the samples as they are at this moment.
    func render(_ name: String, _ labels: String, into text: inout PrometheusText)
}

/// A whole number that counts.
final class Tally: PrometheusSeries, CounterHandler {
    /// The count.
    private let count = Atomic<Int64>(0)

    /// The count at this moment.
    var value: Int64 { count.load(ordering: .relaxed) }

    /// Adds to the count, wrapping around after 2^63.
    func increment(by amount: Int64) {
        count.wrappingAdd(amount, ordering: .relaxed)
    }

    /// Begins again at zero.
    func reset() {
        count.store(0, ordering: .relaxed)
    }

    /// Appends one sample.
    func render(_ name: String, _ labels: String, into text: inout PrometheusText) {
        text.sample(name, labels, Double(value))
    }
}

/// A number that goes up and down: the bits of a double in one atomic word.
final class Level: PrometheusSeries, MeterHandler, RecorderHandler, FloatingPointCounterHandler {
    /// The bit pattern of the number.
    private let bits = Atomic<UInt64>(0)

    /// The number at this moment.
    var value: Double { Double(bitPattern: bits.load(ordering: .relaxed)) }

    /// Adds to the number.
    func increment(by amount: Double) {
        var old = bits.load(ordering: .relaxed)
        while true {
            let new = (Double(bitPattern: old) + amount).bitPattern
            let (exchanged, found) = bits.weakCompareExchange(expected: old, desired: new, ordering: .relaxed)
            if exchanged { return }
            old = found
        }
    }

    /// Takes from the number.
    func decrement(by amount: Double) { increment(by: -amount) }
    /// Replaces the number.
    func set(_ value: Double) { bits.store(value.bitPattern, ordering: .relaxed) }
    /// Replaces the number.
    func set(_ value: Int64) { set(Double(value)) }
    /// Replaces the number.
    func record(_ value: Double) { set(value) }
    /// Replaces the number.
    func record(_ value: Int64) { set(Double(value)) }
    /// Begins again at zero.
    func reset() { set(0.0) }

    /// Appends one sample.
    func render(_ name: String, _ labels: String, into text: inout PrometheusText) {
        text.sample(name, labels, value)
    }
}

/// How values are distributed: a count for each bucket, and their sum.
///
/// A value is recorded by two atomic additions. A reader may see one without the other; the count it is shown is always
/// the sum of the buckets it is shown.
final class Histogram: PrometheusSeries, RecorderHandler, TimerHandler {
    /// The buckets' upper bounds, ascending, each included; a last bucket takes the rest.
    private let bounds: [Double]
    /// One count for each bound, and one for the rest.
    private let counts: [Tally]
    /// The sum of all values.
    private let sum = Level()

    /// Makes an empty histogram with ascending bounds.
    init(bounds: [Double]) {
        self.bounds = bounds
        counts = (0...bounds.count).map { _ in Tally() }
    }

    /// Counts a value.
    func record(_ value: Double) {
        counts[bounds.firstIndex { value <= $0 } ?? bounds.count].increment(by: 1)
        sum.increment(by: value)
    }

    /// Counts a value.
    func record(_ value: Int64) { record(Double(value)) }
    /// Counts a duration, in seconds.
    func recordNanoseconds(_ duration: Int64) { record(Double(duration) / 1e9) }

    /// Appends a sample for each bucket, counted from below as Prometheus wants them, then the sum and the count.
    func render(_ name: String, _ labels: String, into text: inout PrometheusText) {
        var below = 0.0
        for (bound, count) in zip(bounds + [.infinity], counts) {
            below += Double(count.value)
            let bucket = "le=\"\(PrometheusText.number(bound))\""
            text.sample(name + "_bucket", labels.isEmpty ? bucket : "\(labels),\(bucket)", below)
        }
        text.sample(name + "_sum", labels, sum.value)
        text.sample(name + "_count", labels, below)
    }
}
