// SPDX-License-Identifier: Apache-2.0

/// The course of one command through a cluster: what to do after each answer. Decisions only.
///
/// Redirections are followed at once, at most `redirectionsMax` of them. What only time can cure is tried again after rests
/// that grow, until the next one would end after the deadline: then what came last is the answer.
struct ClusterCourse {
    /// Most redirections that are followed.
    static let redirectionsMax = 5
    /// The first rest.
    static let restMin = Duration.milliseconds(10)
    /// The longest rest.
    static let restMax = Duration.milliseconds(160)

    /// Where a command goes.
    enum Target: Sendable, Equatable {
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
        /// The command goes there, after a rest.
        case send(Target, after: Duration)
    }

    /// What is to be done, and what was learned.
    struct Decision: Sendable, Equatable {
        /// What is to be done.
        var step: Step
        /// Whether the map is out of date.
        var isMapStale = true
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
            Decision(step: follow(.node(node)), moved: Move(slot: slot, node: node))
        case .ask(let node): Decision(step: follow(.asking(node)), isMapStale: false)
        case .later: Decision(step: rest(at: now))
        }
    }

    /// Nobody is known to serve the slot.
    mutating func lacksOwner(at now: ContinuousClock.Instant) -> Decision {
        Decision(step: rest(at: now))
    }

    /// A newer map took the node away before it had answered, and the command may be sent again.
    mutating func displaced(at now: ContinuousClock.Instant) -> Decision {
        Decision(step: rest(at: now), isMapStale: false)
    }

    private mutating func follow(_ target: Target) -> Step {
        redirections += 1
        return redirections > Self.redirectionsMax ? .answer : .send(target, after: .zero)
    }

    private mutating func rest(at now: ContinuousClock.Instant) -> Step {
        let pause = min(Self.restMin * (1 << min(rests, 10)), Self.restMax)
        rests += 1
        return now + pause < deadline ? .send(.owner, after: pause) : .answer
    }
}
