// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sojourn

@Suite("The guard against jumping clocks")
struct ClockGuardTests {
    /// Readings a minute apart, the wall clock off by `jumps` before each.
    private func verdicts(_ jumps: [Duration], every step: Duration = .seconds(60)) -> [ClockGuard.Verdict] {
        var clockGuard = ClockGuard()
        var wall = Timestamp(seconds: 1_800_000_000)
        var uptime = Duration.seconds(5)
        return jumps.map { jump in
            wall = wall + step + jump
            uptime += step
            return clockGuard.judge(wall: wall, uptime: uptime)
        }
    }

    @Test("A clock that moves with the uptime is steady")
    func steady() {
        #expect(verdicts([.zero, .seconds(2), .seconds(-3), .seconds(300)]) == Array(repeating: .steady, count: 4))
    }

    @Test("A jump of a day, forward or back, holds the sweep", arguments: [Duration.hours(24), .hours(-24)])
    func jump(by jump: Duration) {
        #expect(verdicts([.zero, jump, .zero]) == [.steady, .held(jump: jump), .held(jump: jump)])
    }

    @Test("The hold ends once the clock was steady for an hour")
    func holdEnds() {
        let found = verdicts([.zero, .hours(24)] + Array(repeating: .zero, count: 60))
        #expect(found[60] == .held(jump: .hours(24)))
        #expect(found[61] == .steady)
    }

    @Test("A second jump begins the hold anew")
    func secondJump() {
        let found = verdicts([.zero, .hours(24)] + Array(repeating: .zero, count: 30) + [.hours(-24)] + [.zero])
        #expect(found.last == .held(jump: .hours(-24)))
    }
}
