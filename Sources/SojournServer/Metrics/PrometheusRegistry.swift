// SPDX-License-Identifier: Apache-2.0

// Every series is an object of atomics which swift-metrics holds on to, so that counting costs an atomic addition and
// meets no lock. The registry's own lock is taken where a series is made, destroyed or listed: making one is rare,
// because whoever counts keeps the Counter or Timer, and rendering copies the list and reads outside the lock.
// The number of series is bounded: labels that somebody lets a visitor choose must cost figures, not memory.

public import CoreMetrics
internal import Synchronization

/// The metrics of this process, as Prometheus reads them: a backend for swift-metrics and the page `/metrics`.
///
/// A counter named `hits` is exposed as `hits_total`, a timer named `wait` as the histogram `wait_seconds`, a recorder
/// that aggregates as a histogram of its values, any other recorder and a meter as a gauge. What Prometheus does not
/// allow in a name becomes `_`. Two metrics of one name and the same dimensions share one series.
public final class PrometheusRegistry: Sendable {
    /// The upper bounds of a timer's histogram, in seconds: half a millisecond to ten seconds.
    public static let secondsBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
    /// The upper bounds of a recorder's histogram, without a unit: powers of four up to 4^10.
    public static let sizeBuckets = (0...10).map { Double(1 << (2 * $0)) }

    /// The series of one name.
    private struct Family {
        /// What all of them are, as the TYPE line says.
        var kind: Kind
        /// The metric's name as the code that counts spells it.
        var label: String
        /// The series by their dimensions in Prometheus' notation.
        var series: [String: any PrometheusSeries] = [:]
    }

    /// Prometheus' types of metric, as far as they are in use here.
    private enum Kind: String {
        case counter, gauge, histogram
    }

    /// What the lock protects.
    private struct State {
        /// The families by their exposed names.
        var families: [String: Family] = [:]
        /// How many series they hold together.
        var count = 0
        /// How many times a series was asked for and refused.
        var dropped = 0
    }

    /// How many series are kept; those asked for beyond it count into the void.
    private let seriesMax: Int
    /// The texts of HELP lines by the label of the metric.
    private let help: [String: String]
    /// The families.
    private let state = Mutex(State())

    /// Makes an empty registry.
    ///
    /// - Parameters:
    ///   - seriesMax: how many series are kept, 10,000 by default. A series that is asked for beyond it works and is
    ///     not exposed; `sojourn_metrics_dropped_total` counts such refusals.
    ///   - help: the explanation of a metric by its label; a metric without one is explained by its label.
    public init(seriesMax: Int = 10_000, help: [String: String] = [:]) {
        self.seriesMax = seriesMax
        self.help = help
    }
}

extension PrometheusRegistry {
    /// Every metric in the text format 0.0.4, sorted by name and labels, for `text/plain; version=0.0.4`.
    public func render() -> String {
        let (families, dropped) = state.withLock { ($0.families, $0.dropped) }
        var text = PrometheusText()
        for (name, family) in families.sorted(by: { $0.key < $1.key }) where !family.series.isEmpty {
            text.header(name, kind: family.kind.rawValue, help: help[family.label] ?? family.label)
            for (labels, series) in family.series.sorted(by: { $0.key < $1.key }) {
                series.render(name, labels, into: &text)
            }
        }
        let name = "sojourn_metrics_dropped_total"
        text.header(
            name, kind: Kind.counter.rawValue, help: "Series refused: too many, or of two types under one name.")
        text.sample(name, "", Double(dropped))
        return text.value
    }

    /// The series of that name and dimensions; a new one where there is none yet.
    private func series<Series: PrometheusSeries>(
        _ name: String, _ kind: Kind, label: String, _ dimensions: [(String, String)], make: () -> Series
    ) -> Series {
        let labels = PrometheusText.labels(dimensions)
        return state.withLock { state in
            var family = state.families[name] ?? Family(kind: kind, label: label)
            if let known = family.series[labels] as? Series, family.kind == kind { return known }
            let series = make()
            guard state.count < seriesMax, family.kind == kind, family.series[labels] == nil else {
                state.dropped += 1
                return series
            }
            family.series[labels] = series
            state.families[name] = family
            state.count += 1
            return series
        }
    }

    /// Takes a series out of what is rendered; one that is not there is left alone.
    private func remove(_ handler: AnyObject) {
        state.withLock { state in
            for (name, family) in state.families {
                guard let labels = family.series.first(where: { $0.value === handler })?.key else { continue }
                state.families[name]?.series[labels] = nil
                state.count -= 1
                return
            }
        }
    }
}

extension PrometheusRegistry: MetricsFactory {
    /// A whole number that goes up, exposed with `_total`.
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        series(PrometheusText.name(label, suffix: "_total"), .counter, label: label, dimensions) { Tally() }
    }

    /// A number that goes up, exposed with `_total`.
    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        series(PrometheusText.name(label, suffix: "_total"), .counter, label: label, dimensions) { Level() }
    }

    /// A number that goes up and down.
    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        series(PrometheusText.name(label), .gauge, label: label, dimensions) { Level() }
    }

    /// A distribution of values where `aggregate` is set, else the value recorded last.
    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        let name = PrometheusText.name(label)
        guard aggregate else { return series(name, .gauge, label: label, dimensions) { Level() } }
        return series(name, .histogram, label: label, dimensions) { Histogram(bounds: Self.sizeBuckets) }
    }

    /// A distribution of durations, exposed in seconds.
    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        series(PrometheusText.name(label, suffix: "_seconds"), .histogram, label: label, dimensions) {
            Histogram(bounds: Self.secondsBuckets)
        }
    }

    /// Takes a counter out of what is rendered.
    public func destroyCounter(_ handler: any CounterHandler) { remove(handler) }
    /// Takes a counter out of what is rendered.
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { remove(handler) }
    /// Takes a meter out of what is rendered.
    public func destroyMeter(_ handler: any MeterHandler) { remove(handler) }
    /// Takes a recorder out of what is rendered.
    public func destroyRecorder(_ handler: any RecorderHandler) { remove(handler) }
    /// Takes a timer out of what is rendered.
    public func destroyTimer(_ handler: any TimerHandler) { remove(handler) }
}
