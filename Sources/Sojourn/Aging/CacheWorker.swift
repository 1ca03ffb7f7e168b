// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import Metrics
public import ServiceLifecycle

/// The service that lets users and products take turns in the cache (C3). Any number may run, in any processes: a cycle is
/// run once, by whoever finds it due and nobody else at it; the store decides both.
///
/// While the cache fails no row is stamped, and cycles are tried for again after 40 ms to `restMax`; one log line tells that
/// it fails and one that it does not any more.
public final class CacheWorker: Service {
    /// How often and how much.
    public struct Pace: Sendable, Hashable {
        /// From the beginning of one cycle to that of the next. Default 50 s.
        public var interval: Duration = .seconds(50)
        /// How many rows of each kind. Default 500 never cached and 500 cached longest ago.
        public var shares = AgingShares()
        /// The longest rest after a cycle that failed, or while somebody else runs one. Default 5 s.
        public var restMax: Duration = .seconds(5)

        /// The defaults.
        public init() {}

        /// How long rows are served where no cycle follows: twenty intervals, and no less than ten minutes.
        public var life: Duration { max(interval * 20, .seconds(600)) }
    }

    private let store: any AgingStore
    private let cache: any RetailCache
    private let pace: Pace
    private let logger: Logger

    /// A worker on a façade's users and products; it does nothing before it is asked.
    ///
    /// - Throws: `notAvailable` where the store keeps none, or the façade has no cache of them.
    public init(
        sessions: Sessions, pace: Pace = Pace(), logger: Logger = Logger(label: "sojourn.cache")
    ) throws {
        store = try sessions.agingStore
        guard let cache = sessions.retailCache else {
            throw SojournError(.notAvailable, "Users and products are cached in Redis: set REDIS_URL.")
        }
        self.cache = cache
        self.pace = pace
        self.logger = logger
    }

    /// Runs cycles at the pace given until graceful shutdown, which rolls back the one under way. A failed one is tried
    /// again: the worker never takes the server down.
    public func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            var rests = Rests(upTo: pace.restMax)
            var isFailing = false
            var rest: Duration
            repeat {
                do {
                    rest = try await turn()
                    if isFailing { logger.info("rows are cached again") }
                    (isFailing, rests) = (false, Rests(upTo: pace.restMax))
                } catch {
                    guard !Task.isCancelled else { return }
                    Counter(label: "sojourn.aging.failures").increment()
                    if !isFailing { logger.error("no rows are cached", metadata: ["reason": "\(error)"]) }
                    isFailing = true
                    rest = rests.next()
                }
            } while (try? await Task.sleep(for: rest)) != nil
        }
    }

    /// A cycle, where it is due; returns when to come back.
    private func turn() async throws -> Duration {
        let began = ContinuousClock.now
        switch try await attempt(after: pace.interval) {
        case .done: return max(.zero, pace.interval - began.duration(to: .now))
        case .notDue(let rest): return rest
        case .busy: return min(pace.restMax, pace.interval)
        }
    }

    /// One cycle, now, unless somebody else is running one.
    ///
    /// - Throws: what the store throws, and the cache.
    public func cycle() async throws -> AgingAttempt {
        try await attempt(after: .zero)
    }

    private func attempt(after interval: Duration) async throws -> AgingAttempt {
        // Before anything else, so that a cache that is down costs the database nothing.
        try await cache.ping()
        let began = ContinuousClock.now
        let attempt = try await store.age(
            AgingOrder(shares: pace.shares, interval: interval, life: pace.life), into: cache)
        let took = began.duration(to: .now)
        let (status, cyclesMax) = try await status()
        if case .done(let cycle) = attempt {
            Metrics.Timer(label: "sojourn.aging.cycle").recordNanoseconds(took.microseconds * 1000)
            logger.info(
                "rows are cached",
                metadata: [
                    "cycle": "\(cycle.number)", "users": "\(cycle.users.total)", "users_new": "\(cycle.users.new)",
                    "users_never_cached": "\(status.users.neverCached)", "products": "\(cycle.products.total)",
                    "products_new": "\(cycle.products.new)", "products_never_cached": "\(status.products.neverCached)",
                    "cycles_max": "\(cyclesMax)", "took_ms": "\(took.microseconds / 1000)",
                ])
        }
        return attempt
    }

    /// How the rotation stands, also written to the gauges; and within how many cycles every row that is there now is in it.
    public func status() async throws -> (status: AgingStatus, cyclesMax: Int) {
        let status = try await store.agingStatus()
        for (kind, queue) in status.queues {
            let kind = [("kind", kind.rawValue)]
            Gauge(label: "sojourn.aging.never.cached", dimensions: kind).record(queue.neverCached)
            Gauge(label: "sojourn.aging.longest.wait.seconds", dimensions: kind)
                .record(queue.longestWait?.inSeconds ?? 0)
        }
        let cyclesMax = status.cyclesMax(pace.shares)
        Gauge(label: "sojourn.aging.bound.cycles").record(cyclesMax)
        if let age = status.lastCycleAge { Gauge(label: "sojourn.aging.last.cycle.seconds").record(age.inSeconds) }
        return (status, cyclesMax)
    }

    /// Drops the rotation, and copies of rows with it, and forgets all stamps: everything begins anew.
    ///
    /// In this order, a worker that wakes up meanwhile may cache rows whose stamps are forgotten after it: those come again
    /// sooner than they would have to. In the other, rows that it has stamped would not be in the cache.
    ///
    /// - Parameter progress: told how many rows were forgotten so far.
    /// - Returns: how many rows had been cached.
    public func reset(progress: @Sendable (Int) -> Void = { _ in }) async throws -> Int {
        try await cache.drop()
        return try await store.forgetStamps(progress: progress)
    }
}
