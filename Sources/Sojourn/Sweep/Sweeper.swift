// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import Metrics
internal import Synchronization
public import ServiceLifecycle

/// The service that marks what has run out and deletes what retention gives up (S8), in bounded steps, in the
/// background. Safe to run on many nodes at once: each step is one short transaction of the store.
///
/// A run takes steps until nothing is left or its time budget is used up. The lap over all sessions for inactive ones
/// begins once a day and goes on where the last run left it.
public final class Sweeper: Service {
    /// How often and how much.
    public struct Pace: Sendable, Hashable {
        /// From the end of one run to the beginning of the next. Default 60 s.
        public var interval: Duration = .seconds(60)
        /// How long one run may go on. Default 5 s; the step under way is finished.
        public var budget: Duration = .seconds(5)
        /// Sessions in one step. Default 1,000.
        public var batchMax = 1000
        /// Sessions with a life of over an hour, used within the last one, that one step may mark as expired before the
        /// fuse stops the run. Default 800.
        public var fuse = 800
        /// From the beginning of one lap for inactive sessions to the next. Default 24 h.
        public var lapEvery: Duration = .hours(24)

        /// The defaults.
        public init() {}
    }

    private struct State {
        var clockGuard = ClockGuard()
        var lap = SweepLap.begin
        var lapBegan: Duration?
    }

    private let sessions: Sessions
    private let pace: Pace
    private let wall: any WallClock
    private let uptime: @Sendable () -> Duration
    private let logger: Logger
    private let state = Mutex(State())
    private let triggers = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    /// A sweeper over the sessions of a façade; it does nothing before `run()` or `sweep()`.
    ///
    /// - Parameters:
    ///   - wall: the time of day, watched for jumps.
    ///   - uptime: a time that never jumps, from any beginning; by default the machine's.
    public init(
        sessions: Sessions, pace: Pace = Pace(), wall: any WallClock = SystemWallClock(),
        uptime: (@Sendable () -> Duration)? = nil, logger: Logger = Logger(label: "sojourn.sweep")
    ) {
        self.sessions = sessions
        self.pace = pace
        self.wall = wall
        let began = ContinuousClock.now
        self.uptime = uptime ?? { began.duration(to: .now) }
        self.logger = logger
    }

    /// Sweeps at the pace given, and at once when triggered, until graceful shutdown. A failed run is logged and the
    /// next one comes: the sweep never takes the server down.
    public func run() async throws {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [pace, self] in
                repeat { trigger() } while (try? await Task.sleep(for: pace.interval)) != nil
            }
            for await _ in triggers.stream.cancelOnGracefulShutdown() {
                do {
                    _ = try await sweep()
                } catch {
                    Counter(label: "sojourn.sweep.failures").increment()
                    logger.error("the sweep did not run", metadata: ["reason": "\(error)"])
                }
            }
            group.cancelAll()
        }
    }

    /// Asks the running service for a run at once, without waiting for it.
    public func trigger() {
        triggers.continuation.yield()
    }

    /// One run, now.
    ///
    /// - Parameters:
    ///   - force: run although the clock has jumped, and without the fuse.
    ///   - progress: told the counts so far after each step.
    /// - Returns: the counts of what was done.
    /// - Throws: `fuse` where the clock jumped within the last hour or a step looked wrong; what the store throws.
    public func sweep(force: Bool = false, progress: (SweepOutcome) -> Void = { _ in }) async throws -> SweepOutcome {
        let began = uptime()
        let (verdict, lap) = state.withLock { state in
            let due = state.lapBegan.map { began - $0 >= pace.lapEvery } ?? true
            if state.lap == .off, due { state.lap = .begin }
            if state.lap == .begin { state.lapBegan = began }
            return (state.clockGuard.judge(wall: wall.now, uptime: began), state.lap)
        }
        if case .held(let jump) = verdict, !force {
            throw SojournError(
                .fuse,
                "The clock jumped by \(Int(jump.inSeconds)) s against the machine's uptime: sweeping waits until it "
                    + "has been steady for an hour. `sojourn cleanup --force` sweeps now.")
        }
        var order = SweepOrder(
            batchMax: pace.batchMax, retention: sessions.policies.retention, lap: lap, fuse: force ? nil : pace.fuse)
        var total = SweepOutcome()
        repeat {
            let step = try await sessions.store.sweep(order)
            total.add(step)
            order.lap = step.lapNext.map(SweepLap.after) ?? .off
            state.withLock { [lap = order.lap] in $0.lap = lap }
            progress(total)
        } while (total.more || order.lap != .off) && uptime() - began < pace.budget && !Task.isCancelled
        record(total, took: uptime() - began)
        if let store = sessions.store as? any BacklogStore { record(try await store.sweepBacklog()) }
        return total
    }

    /// What a run would do now, counted in one step and without changing anything; each count stops at a million.
    public func dryRun() async throws -> SweepOutcome {
        try await sessions.store.sweep(
            SweepOrder(batchMax: 1_000_000, dryRun: true, retention: sessions.policies.retention, lap: .begin))
    }

    private func record(_ backlog: SweepBacklog) {
        Gauge(label: "sojourn.sweep.backlog").record(backlog.count)
        Gauge(label: "sojourn.sweep.backlog.oldest.seconds").record(backlog.oldest.inSeconds)
    }

    private func record(_ outcome: SweepOutcome, took: Duration) {
        Counter(label: "sojourn.sweep.expired").increment(by: outcome.expired)
        Counter(label: "sojourn.sweep.revoked").increment(by: outcome.revoked)
        Counter(label: "sojourn.sweep.inactive").increment(by: outcome.inactive)
        Counter(label: "sojourn.sweep.deleted").increment(by: outcome.deleted)
        Metrics.Timer(label: "sojourn.sweep.run").recordNanoseconds(took.microseconds * 1000)
        guard outcome.expired + outcome.revoked + outcome.inactive + outcome.deleted > 0 else { return }
        logger.info(
            "swept",
            metadata: [
                "expired": "\(outcome.expired)", "revoked": "\(outcome.revoked)", "inactive": "\(outcome.inactive)",
                "deleted": "\(outcome.deleted)", "seconds": "\(took.inSeconds)", "more": "\(outcome.more)",
            ])
    }
}
