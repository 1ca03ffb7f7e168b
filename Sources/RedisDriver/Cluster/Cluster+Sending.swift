// SPDX-License-Identifier: Apache-2.0

extension Cluster {
    /// A command on its way.
    private struct Errand {
        let command: RedisCommand
        let slot: HashSlot?
        var course: ClusterCourse
        var target = ClusterCourse.Target.owner
        /// The most that may have come of it on nodes before the present one.
        var effect = RedisError.Outcome.nothingHappened
        /// What the caller is to be told; nil while it is not known.
        var outcome: Call.Outcome?

        init(_ command: RedisCommand, until deadline: ContinuousClock.Instant) {
            self.command = command
            slot = command.key.map { HashSlot(of: $0.utf8) }
            course = ClusterCourse(deadline: deadline)
        }

        /// What is sent to the node.
        var sent: RedisCommand { if case .asking = target { command.asking } else { command } }
    }

    /// Sends a command to the node that serves its key, or to any primary where it has none, and waits for its answer until
    /// `deadline`.
    func send(_ command: RedisCommand, until deadline: ContinuousClock.Instant) async throws(RedisError) -> RedisValue {
        var errand = Errand(command, until: deadline)
        while true {
            var rest = Duration.zero
            if let (host, node) = destination(of: &errand, &rest) {
                let outcome: Call.Outcome
                do throws(RedisError) {
                    outcome = .success(try await node.send(errand.sent, until: deadline))
                } catch {
                    outcome = .failure(error)
                }
                rest = take(outcome, from: host, &errand)
            }
            if let outcome = errand.outcome { return try outcome.get() }
            if rest > .zero, (try? await Task.sleep(for: rest)) == nil { throw .cancelled(errand.effect) }
        }
    }

    /// Sends commands, each to the node that serves its key, to all nodes at once, and waits for all answers until `deadline`.
    func send(_ commands: [RedisCommand], until deadline: ContinuousClock.Instant) async -> [Call.Outcome] {
        var errands = commands.map { Errand($0, until: deadline) }
        var open = Array(errands.indices)
        while !open.isEmpty {
            var rest = Duration.zero
            let sorted = sort(open, &errands, &rest)
            let outcomes = await Node.send(sorted.map(\.parcel), until: deadline)
            var answers = outcomes.makeIterator()
            for (host, _, places) in sorted {
                for place in places {
                    guard let outcome = answers.next() else { break }
                    rest = max(rest, take(outcome, from: host, &errands[place]))
                }
            }
            open.removeAll { errands[$0].outcome != nil }
            if !open.isEmpty, rest > .zero, (try? await Task.sleep(for: rest)) == nil {
                for place in open { errands[place].outcome = .failure(.cancelled(errands[place].effect)) }
                open = []
            }
        }
        return errands.compactMap(\.outcome)
    }

    /// Sends commands to every primary at once, and waits for all answers until `deadline`.
    func sendToEach(
        _ commands: [RedisCommand], until deadline: ContinuousClock.Instant
    ) async throws(RedisError) -> [String: [Call.Outcome]] {
        // Who answers this was found by the map, so there is one then.
        _ = try await send(RedisCommand("PING", retry: .ifInterrupted), until: deadline)
        let primaries = primaries
        let outcomes = await Node.send(
            primaries.map { Node.Parcel(node: $0, commands: commands) }, until: deadline)
        var answers: [String: [Call.Outcome]] = [:]
        for (index, node) in primaries.enumerated() {
            answers[node.place.name] = Array(outcomes.dropFirst(index * commands.count).prefix(commands.count))
        }
        return answers
    }

    /// Sorts the errands at `places` by the nodes that they go to, in their order.
    private func sort(
        _ places: [Int], _ errands: inout [Errand], _ rest: inout Duration
    ) -> [(host: RedisConfiguration.Host, parcel: Node.Parcel, places: [Int])] {
        var sorted: [(host: RedisConfiguration.Host, parcel: Node.Parcel, places: [Int])] = []
        for place in places {
            guard let (host, node) = destination(of: &errands[place], &rest) else { continue }
            let command = errands[place].sent
            if let index = sorted.firstIndex(where: { $0.parcel.node === node }) {
                sorted[index].parcel.commands.append(command)
                sorted[index].places.append(place)
            } else {
                sorted.append((host, Node.Parcel(node: node, commands: [command]), [place]))
            }
        }
        return sorted
    }

    /// Where the errand is to go; nil where it goes nowhere now, but is over or has to rest first.
    private func destination(
        of errand: inout Errand, _ rest: inout Duration
    ) -> (RedisConfiguration.Host, Node)? {
        switch destination(errand.target, errand.slot) {
        case .node(let host, let node): return (host, node)
        case .refused(let error):
            wantMap()
            errand.outcome = .failure(error.with(errand.effect))
        case .unknown:
            let error = RedisError(.unreachable, "No node of the cluster serves the slot, as far as is known.")
            rest = max(rest, follow(errand.course.lacksOwner(at: .now), error, &errand))
        }
        return nil
    }

    /// Takes in what a node answered, or why it did not.
    ///
    /// - Returns: How long to rest before the next attempt, if there is one.
    private func take(_ outcome: Call.Outcome, from host: RedisConfiguration.Host, _ errand: inout Errand) -> Duration {
        guard case .failure(let error) = outcome else {
            errand.outcome = outcome
            return .zero
        }
        if error.code == .server, let redirection = Redirection(error.message, from: host) {
            return follow(errand.course.redirected(redirection, at: .now), error, &errand)
        }
        let isRepeatable = error.outcome == .nothingHappened || errand.command.retry == .ifInterrupted
        if error.code == .shutDown, isRepeatable {
            if error.outcome == .unknown { errand.effect = .unknown }
            let error = RedisError(.unreachable, "The cluster takes the node away whenever it is asked.")
            return follow(errand.course.displaced(at: .now), error, &errand)
        }
        errand.outcome = .failure(errand.effect == .unknown ? error.with(.unknown) : error)
        return .zero
    }

    /// Does what was decided: sets where the errand goes next, or ends it with `error`.
    private func follow(
        _ decision: ClusterCourse.Decision, _ error: RedisError, _ errand: inout Errand
    ) -> Duration {
        learn(from: decision)
        switch decision.step {
        case .send(let target, let rest):
            errand.target = target
            return rest
        case .answer:
            errand.outcome = .failure(errand.effect == .unknown ? error.with(.unknown) : error)
            return .zero
        }
    }
}

extension RedisError {
    /// The caller was cancelled between two attempts.
    fileprivate static func cancelled(_ effect: Outcome) -> Self {
        Self(.cancelled, "The call was cancelled.", outcome: effect)
    }
}
