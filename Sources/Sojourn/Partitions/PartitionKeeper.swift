// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import Metrics
public import ServiceLifecycle
internal import Synchronization

/// The service that makes months ahead and retires old ones (J5), and does the journal's chores beside it. Safe to run on
/// many nodes at once: one leads, and two that do the same step do no harm.
///
/// Nothing is taken out of the journal while the time of day cannot be believed (law 9): where it jumped, where it differs
/// from this machine's, or where more months would retire in one run than a calendar turns. A person goes past that by
/// `sojourn partitions apply`.
public final class PartitionKeeper: Service {
    /// How often and how patiently.
    public struct Pace: Sendable, Hashable {
        /// From the end of one run to the beginning of the next, give or take a tenth. Default 60 s.
        public var interval: Duration = .seconds(60)
        /// How often a step is tried before it is left to the next run. Default 20.
        public var attemptsMax = 20
        /// The longest rest before a step is tried again; rests are random, the first ones shorter. Default 1 s.
        public var restMax: Duration = .seconds(1)
        /// How many months may retire in a run. Default 2.
        public var fuse = 2

        /// The defaults.
        public init() {}
    }

    /// How far the store's clock may be from this machine's before nothing retires.
    static let skewMax: Duration = .seconds(300)

    private let store: any PartitionStore
    private let policy: PartitionPolicy
    private let pace: Pace
    private let wall: any WallClock
    private let uptime: @Sendable () -> Duration
    private let logger: Logger
    private let clockGuard = Mutex(ClockGuard())

    /// A keeper of the partitions under a façade; nil where its store has none. It does nothing before it is asked.
    ///
    /// - Parameters:
    ///   - wall: this machine's time of day, to compare the store's with.
    ///   - uptime: a time that never jumps, from any beginning; by default the machine's.
    public init?(
        sessions: Sessions, policy: PartitionPolicy = PartitionPolicy(), pace: Pace = Pace(),
        wall: any WallClock = SystemWallClock(), uptime: (@Sendable () -> Duration)? = nil,
        logger: Logger = Logger(label: "sojourn.partitions")
    ) {
        guard let store = sessions.partitionStore else { return nil }
        self.store = store
        self.policy = policy
        self.pace = pace
        self.wall = wall
        let began = ContinuousClock.now
        self.uptime = uptime ?? { began.duration(to: .now) }
        self.logger = logger
    }

    /// Keeps the partitions at the pace given until graceful shutdown, which interrupts the step under way. A failed run is
    /// logged and the next one comes: the keeper never takes the server down.
    public func run() async throws {
        await cancelWhenGracefulShutdown { [self] in
            var rest: Duration
            repeat {
                do {
                    try await tend()
                } catch {
                    guard !Task.isCancelled else { return }
                    fail("the partitions were not kept", because: error)
                }
                rest = pace.interval * Double.random(in: 0.9...1.1)
            } while (try? await Task.sleep(for: rest)) != nil
        }
    }

    /// One run, now: the steps of the plan and the chores that are due, unless another node is at it.
    ///
    /// - Throws: what the store throws. A step or a chore that fails is logged, and the next one comes.
    public func tend() async throws {
        let status = try await store.partitions()
        record(status)
        _ = try await store.leadingPartitions { [self] in
            let plan = believed(PartitionPlan(for: status, policy: policy), at: status.now)
            try await apply(plan) { step, result in
                switch result {
                case .success(.done): logger.info("partition", metadata: ["step": "\(step)"])
                case .success: break
                case .failure(let error): fail("a step was not taken: \(step)", because: error)
                }
            }
            if !plan.steps.isEmpty { record(try await store.partitions()) }
            do {
                try await store.tidyPartitions()
            } catch {
                try Task.checkCancellation()
                fail("a chore was not done", because: error)
            }
        }
    }

    /// The partitions as they are, and what has to be done by the policy.
    public func plan() async throws -> (status: PartitionStatus, plan: PartitionPlan) {
        let status = try await store.partitions()
        return (status, PartitionPlan(for: status, policy: policy))
    }

    /// Takes the steps of a plan, one after the other, each again while it is busy. One that fails does not keep the next
    /// from being tried. Stops between two steps where its task is cancelled.
    ///
    /// - Parameter progress: told what came of each step; `storeUnavailable` where it was busy to the end.
    /// - Throws: `CancellationError` alone.
    public func apply(
        _ plan: PartitionPlan, progress: (PartitionStep, Result<PartitionOutcome, SojournError>) -> Void
    ) async throws {
        for step in plan.steps {
            do {
                progress(step, .success(try await take(step)))
            } catch {
                try Task.checkCancellation()
                progress(step, .failure(error))
            }
        }
    }

    private func take(_ step: PartitionStep) async throws(SojournError) -> PartitionOutcome {
        var rests = Rests(upTo: pace.restMax)
        var attempt = 1
        while true {
            do {
                let outcome = try await store.perform(step)
                guard outcome == .busy else { return outcome }
                guard attempt < pace.attemptsMax else { break }
                try await Task.sleep(for: rests.next())
                attempt += 1
            } catch {
                throw (error as? SojournError)
                    ?? SojournError(.storeUnavailable, "The step was given up.", underlying: error)
            }
        }
        throw SojournError(
            .storeUnavailable,
            """
            \(step): in \(attempt) attempts there was always a transaction that held \
            \(step.locks.map(\.table).joined(separator: " or ")). pg_stat_activity shows the oldest (ORDER BY xact_start): \
            end it, or run `sojourn partitions apply` later.
            """)
    }

    /// The plan as far as the time of day can be believed.
    private func believed(_ plan: PartitionPlan, at now: Timestamp) -> PartitionPlan {
        let verdict = clockGuard.withLock { $0.judge(wall: now, uptime: uptime()) }
        let skew = now - wall.now
        let doubt: String? =
            if case .held(let jump) = verdict {
                "the database's clock jumped by \(Int(jump.inSeconds)) s within the last hour"
            } else if skew > Self.skewMax || skew < .zero - Self.skewMax {
                "the database's clock is \(abs(Int(skew.inSeconds))) s \(skew < .zero ? "behind" : "ahead of") this machine's"
            } else if plan.monthsRetired > pace.fuse {
                "\(plan.monthsRetired) months would retire at once: `sojourn partitions apply` does it"
            } else {
                nil
            }
        guard let doubt, plan != plan.withoutRetiring else { return plan }
        fail("no month retires", because: doubt)
        return plan.withoutRetiring
    }

    private func fail(_ what: Logger.Message, because reason: Any) {
        Counter(label: "sojourn.partition.failures").increment()
        logger.error(what, metadata: ["reason": "\(reason)"])
    }

    private func record(_ status: PartitionStatus) {
        Gauge(label: "sojourn.partition.seconds.ahead").record(status.ahead.inSeconds)
    }
}
