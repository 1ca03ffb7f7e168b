// SPDX-License-Identifier: Apache-2.0

internal import Metrics
internal import Sojourn
internal import Synchronization

/// Counts the requests of one route. Labels are bounded: the route's template, the method, the status.
final class RouteMeter: Sendable {
    /// What the route is called in metrics and logs.
    let route: String
    /// The method, upper case.
    let method: String
    private let handles = Mutex(Handles())

    /// Made at the first request that needs them, so that routes nobody calls have no series.
    private struct Handles {
        var duration: Timer?
        var counters: [Int: Counter] = [:]
    }

    /// The meter of a route.
    init(route: String, method: String) {
        self.route = route
        self.method = method
    }

    /// Counts a request that was answered with `status` after `elapsed`.
    func count(status: Int, elapsed: Duration) {
        let (counter, duration) = handles.withLock { handles in
            if let counter = handles.counters[status], let duration = handles.duration { return (counter, duration) }
            let counter = Counter(label: "sojourn.http.requests", dimensions: labels + [("status", String(status))])
            let duration =
                handles.duration
                ?? Timer(label: "sojourn.http.request.duration", dimensions: labels, preferredDisplayUnit: .seconds)
            handles.counters[status] = counter
            handles.duration = duration
            return (counter, duration)
        }
        counter.increment()
        duration.recordNanoseconds(elapsed.microseconds * 1000)
    }

    private var labels: [(String, String)] { [("route", route), ("method", method)] }
}
