// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

extension Schedule {
    /// Schedules that do a little less than this one: without a round's steps, a caller's, one step, or a pause. The
    /// largest cuts come first.
    var smaller: [Schedule] {
        let indices = rounds.indices.filter { rounds[$0].callers.contains { !$0.isEmpty } }
        let withoutRound = indices.map { index in
            changed { $0.rounds[index].callers = [] }
        }
        let withoutCaller = indices.flatMap { index in
            rounds[index].callers.indices.filter { !rounds[index].callers[$0].isEmpty }.map { caller in
                changed { $0.rounds[index].callers[caller] = [] }
            }
        }
        let withoutStep = indices.flatMap { index in
            rounds[index].callers.indices.flatMap { caller in
                rounds[index].callers[caller].indices.map { step in
                    changed { _ = $0.rounds[index].callers[caller].remove(at: step) }
                }
            }
        }
        let withoutPause = rounds.indices.filter { rounds[$0].pause != .zero }.map { index in
            changed { $0.rounds[index].pause = .zero }
        }
        return withoutRound + withoutCaller + withoutStep + withoutPause
    }

    /// The same without rounds and callers that do nothing.
    var tidied: Schedule {
        changed { schedule in
            schedule.rounds = []
            var pause = Duration.zero
            for round in rounds {
                pause += round.pause
                let callers = round.callers.filter { !$0.isEmpty }
                guard !callers.isEmpty else { continue }
                schedule.rounds.append(Round(pause: pause, callers: callers))
                pause = .zero
            }
            if pause != .zero { schedule.rounds.append(Round(pause: pause, callers: [])) }
        }
    }

    private func changed(_ change: (inout Schedule) -> Void) -> Schedule {
        var copy = self
        change(&copy)
        return copy
    }
}

extension Explorer {
    /// The shortest schedule that could be made of one that failed by leaving things out: each shorter one was
    /// accepted when it failed at least once in `replaysMax` replays. On a store outside the process, whose replays may
    /// take long, the search ends after `shrinkMax`.
    func shrink(_ failed: Replay) async throws -> Replay {
        var shortest = failed
        var isDone = false
        let end: ContinuousClock.Instant? = isRepeatable ? nil : .now + Self.shrinkMax
        while !isDone {
            isDone = true
            for candidate in shortest.schedule.smaller where end.map({ .now < $0 }) ?? true {
                guard let failure = try await replayUntilFailure(candidate, before: end) else { continue }
                shortest = failure
                isDone = false
                break
            }
        }
        return try await replayUntilFailure(shortest.schedule.tidied, before: end) ?? shortest
    }

    /// The first replay of a schedule that fails; nil where none of `replaysMax` did, or none that began before `end`,
    /// where there is one, and the very first. Under a seeded scheduler every
    /// replay has another interleaving, the first the schedule's own.
    private func replayUntilFailure(
        _ schedule: Schedule, before end: ContinuousClock.Instant?
    ) async throws -> Replay? {
        var schedule = schedule
        for number in 0..<Self.replaysMax where number == 0 || end.map({ .now < $0 }) ?? true {
            let replay = try await replay(schedule)
            if !replay.breaches.isEmpty { return replay }
            schedule.interleaving &+= 1
        }
        return nil
    }
}
