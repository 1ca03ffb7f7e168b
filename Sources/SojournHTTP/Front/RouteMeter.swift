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
    private let duration: Timer
    private let counters = Mutex<[Int: Counter]>([:])

    /// The meter of a route.
    init(route: String, method: String) {
        self.route = route
        self.method = method
        duration = Timer(
            label: "sojourn.http.request.duration", dimensions: [("route", route), ("method", method)],
            preferredDisplayUnit: .seconds)
    }

    /// Counts a request that was answered with `status` after `elapsed`.
    func count(status: Int, elapsed: Duration) {
        let counter = counters.withLock { counters in
            if let counter = counters[status] { return counter }
            let counter = Counter(
                label: "sojourn.http.requests",
                dimensions: [("route", route), ("method", method), ("status", String(status))])
            counters[status] = counter
            return counter
        }
        counter.increment()
        duration.recordNanoseconds(elapsed.microseconds * 1000)
    }
}
