// SPDX-License-Identifier: Apache-2.0

/// Holds the sweep while the time of day cannot be believed (law 9): a clock set forward by a day would make every
/// session look expired.
///
/// Between two readings the time of day must move as far as the machine's uptime. A larger difference starts a hold,
/// which ends once the clock has been steady for `holdFor`: by then a person has seen the warning, or the correction
/// was right.
struct ClockGuard: Sendable {
    /// What a reading amounts to.
    enum Verdict: Sendable, Equatable {
        /// The clock is steady.
        case steady
        /// The clock moved by `jump` against the uptime, now or within the hold.
        case held(jump: Duration)
    }

    /// The jump that starts a hold.
    static let jumpMax: Duration = .seconds(300)
    /// How long the clock must be steady afterwards.
    static let holdFor: Duration = .hours(1)

    private var last: (wall: Timestamp, uptime: Duration)?
    private var hold: (jump: Duration, until: Duration)?

    /// Takes a reading of both clocks.
    mutating func judge(wall: Timestamp, uptime: Duration) -> Verdict {
        defer { last = (wall, uptime) }
        if let last {
            let jump = (wall - last.wall) - (uptime - last.uptime)
            if jump > Self.jumpMax || jump < .zero - Self.jumpMax { hold = (jump, uptime + Self.holdFor) }
        }
        guard let hold, uptime < hold.until else {
            self.hold = nil
            return .steady
        }
        return .held(jump: hold.jump)
    }
}
