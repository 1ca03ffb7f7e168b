// SPDX-License-Identifier: Apache-2.0

/// The course of one command through a cluster: what to do after each answer. Decisions only.
///
/// Redirections are followed at once, at most `redirectionsMax` of them. What only time can cure is tried again after rests
/// that grow, until the next one would end after the deadline. A command of which it is not known whether it took effect is
/// never sent again.
struct ClusterCourse {
    /// Most redirections that are followed.
    static let redirectionsMax = 5
    /// The first rest.
    static let restMin = Duration.milliseconds(10)
    /// The longest rest.
    static let restMax = Duration.milliseconds(160)

    /// Where a command goes.
    enum Target: Sendable, Hashable {
        /// To whom the map names.
        case owner
        /// To this node.
        case node(RedisConfiguration.Host)
        /// To this node, behind `ASKING`, which lets it answer for a slot that is still on its way.
        case asking(RedisConfiguration.Host)
    }

    /// What is to be done.
    enum Step: Sendable, Equatable {
        /// What came is the caller's.
        case answer
        /// The command has been sent around in circles.
        case giveUp
        /// It goes there, after a rest.
        case send(Target, after: Duration)
    }

    /// What is to be done, and what was learned.
    struct Decision: Sendable, Equatable {
        /// What is to be done.
        var step: Step
        /// Whether the map is out of date as a whole.
        var isMapStale = false
        /// The slot that is known to be elsewhere.
        var moved: Move?
    }

    /// A slot and the node that serves it now.
    struct Move: Sendable, Equatable {
        var slot: HashSlot
        var node: RedisConfiguration.Host
    }

    private let deadline: ContinuousClock.Instant
    private var redirections = 0
    private var rests = 0

    /// A command that is to be answered by `deadline`.
    init(deadline: ContinuousClock.Instant) {
        self.deadline = deadline
    }

    /// A node answered with an error that is a redirection.
    mutating func redirected(_ redirection: Redirection, at now: ContinuousClock.Instant) -> Decision {
        switch redirection {
        case .moved(let slot, let node):
            Decision(step: follow(.node(node)), isMapStale: true, moved: Move(slot: slot, node: node))
        case .ask(let node): Decision(step: follow(.asking(node)))
        case .demoted: Decision(step: rest(at: now), isMapStale: true)
        case .later: Decision(step: rest(at: now), isMapStale: true)
        }
    }

    /// Nobody is known to serve the slot, or the node could not be had; `tookNoEffect` tells whether that is certain.
    mutating func failed(tookNoEffect: Bool, at now: ContinuousClock.Instant) -> Decision {
        Decision(step: tookNoEffect ? rest(at: now) : .answer, isMapStale: true)
    }

    private mutating func follow(_ target: Target) -> Step {
        redirections += 1
        return redirections > Self.redirectionsMax ? .giveUp : .send(target, after: .zero)
    }

    private mutating func rest(at now: ContinuousClock.Instant) -> Step {
        let pause = min(Self.restMin * (1 << min(rests, 10)), Self.restMax)
        rests += 1
        return now + pause < deadline ? .send(.owner, after: pause) : .answer
    }
}
