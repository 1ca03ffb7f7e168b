// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Sojourn

@Suite("Months")
struct PartitionMonthTests {
    @Test(
        "A moment lies in a month of UTC, whatever its own offset",
        arguments: [
            ("2026-11-30T23:59:59.999999Z", "2026-11"), ("2026-12-01T00:00:00Z", "2026-12"),
            ("2026-12-01T08:59:59+09:00", "2026-11"), ("2026-12-31T20:00:00-05:00", "2027-01"),
            ("2024-02-29T12:00:00Z", "2024-02"), ("1969-12-31T23:59:59Z", "1969-12"),
            ("0001-01-01T00:00:00Z", "0001-01"),
        ])
    func ofMoments(text: String, month: String) throws {
        #expect(PartitionMonth(of: try #require(Timestamp(text))).description == month)
    }

    @Test(
        "A month goes from its first moment to the next one's",
        arguments: [
            ("2026-12", "2026-12-01T00:00:00.000Z", "2027-01-01T00:00:00.000Z"),
            ("2024-02", "2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z"),
        ])
    func spans(text: String, from: String, to: String) throws {
        let span = try #require(PartitionMonth(text)).span
        #expect(span.lowerBound.text == from)
        #expect(span.upperBound.text == to)
    }

    @Test(
        "Counting goes over the turn of years",
        arguments: [("2026-11", 2, "2027-01"), ("2026-01", -1, "2025-12"), ("2026-01", -25, "2023-12")])
    func counting(from: String, by count: Int, to: String) throws {
        #expect(try #require(PartitionMonth(from)).advanced(by: count).description == to)
    }

    @Test(
        "What is no month is none",
        arguments: [
            "", "2026", "2026-1", "2026-13", "2026-00", "0000-01", "2026_01", "+026-01", "2026-01-01", "٢٠٢٦-01",
        ])
    func refused(text: String) {
        #expect(PartitionMonth(text) == nil)
    }

    @Test("A clock that cannot be right makes no month that cannot be written")
    func farAway() {
        #expect(PartitionMonth(of: Timestamp(microseconds: .max)).description == "9999-12")
        #expect(PartitionMonth(of: Timestamp(microseconds: .min)).description == "0001-01")
    }

    @Test("Its table is named after it")
    func table() throws {
        let month = try #require(PartitionMonth("2026-03"))
        #expect(month.table == "conversations_2026_03")
        #expect(Partition(name: month.table, state: .kept, span: nil, rows: nil, bytes: 0).month == month)
        #expect(Partition(name: "conversations_old", state: .kept, span: nil, rows: nil, bytes: 0).month == nil)
    }
}

@Suite("The plan of partitions")
struct PartitionPlanTests {
    /// Partitions of these months at a moment.
    private func status(
        _ now: String = "2026-11-21T05:00:00Z", attached: [String] = [], detaching: [String] = [], kept: [String] = []
    ) throws -> PartitionStatus {
        let states = [(attached, Partition.State.attached), (detaching, .detaching), (kept, .kept)]
        let partitions = try states.flatMap { months, state in
            try months.map { text in
                let month = try #require(PartitionMonth(text))
                return Partition(
                    name: month.table, state: state, span: state == .kept ? nil : month.span, rows: nil, bytes: 0)
            }
        }
        return PartitionStatus(now: try #require(Timestamp(now)), partitions: partitions)
    }

    private func policy(
        ahead: Int = 3, keep: Int? = nil, _ retirement: PartitionPolicy.Retirement = .keep
    ) -> PartitionPolicy {
        var policy = PartitionPolicy()
        policy.monthsAhead = ahead
        policy.keepMonths = keep
        policy.retirement = retirement
        return policy
    }

    private func steps(_ status: PartitionStatus, _ policy: PartitionPolicy) -> [String] {
        PartitionPlan(for: status, policy: policy).steps.map(\.description)
    }

    @Test("Missing months are made, this one first, over the turn of the year")
    func ahead() throws {
        let all = ["create 2026-11", "create 2026-12", "create 2027-01", "create 2027-02"]
        #expect(try steps(status(), policy()) == all)
        #expect(try steps(status(attached: ["2026-11", "2026-12", "2027-01", "2027-02"]), policy()) == [])
        #expect(try steps(status(attached: ["2026-11"]), policy(ahead: 1)) == ["create 2026-12"])
    }

    @Test("A gap is filled; what lies before now is not asked for")
    func gaps() throws {
        let found = try steps(status(attached: ["2026-01", "2026-11", "2027-01", "2027-02"]), policy())
        #expect(found == ["create 2026-12"])
    }

    @Test(
        "The month is that of UTC",
        arguments: [("2026-11-30T23:59:59Z", "create 2026-11"), ("2026-12-01T00:00:00Z", "create 2026-12")])
    func turnOfMonth(now: String, first: String) throws {
        #expect(try steps(status(now), policy()).first == first)
    }

    @Test("A partition of other bounds counts for what it covers")
    func otherBounds() throws {
        let span = try #require(PartitionMonth("2026-11")).start..<#require(PartitionMonth("2027-01")).start
        let two = Partition(name: "late_2026", state: .attached, span: span, rows: nil, bytes: 0)
        let status = PartitionStatus(now: try #require(Timestamp("2026-11-21T05:00:00Z")), partitions: [two])
        #expect(steps(status, policy()) == ["create 2027-01", "create 2027-02"])
        #expect(steps(status, policy(ahead: 1, keep: 1)) == [])
    }

    @Test("What was begun is finished first, and a month that is kept is taken back where turns go to it")
    func unfinished() throws {
        let status = try status(
            attached: ["2026-11", "2027-01"], detaching: ["2026-12"], kept: ["2025-01", "2027-02"])
        #expect(steps(status, policy()) == ["finish 2026-12", "attach 2026-12", "attach 2027-02"])
    }

    @Test("Nothing retires unless a number of months is said")
    func never() throws {
        let status = try status(
            attached: ["1999-01", "2026-11", "2026-12", "2027-01", "2027-02"], kept: ["1999-02"])
        #expect(steps(status, policy()) == [])
        #expect(steps(status, policy(.drop)) == [])
    }

    @Test("Months before those that stay retire, the oldest first")
    func retiring() throws {
        let months = ["2026-10", "2026-08", "2026-09", "2026-11", "2026-12", "2027-01", "2027-02"]
        #expect(try steps(status(attached: months), policy(keep: 3)) == [])
        #expect(try steps(status(attached: months), policy(keep: 1)) == ["detach 2026-08", "detach 2026-09"])
        let dropping = try steps(status(attached: months), policy(keep: 2, .drop))
        #expect(dropping == ["detach 2026-08", "empty 2026-08", "drop 2026-08"])
    }

    @Test("What was kept before is dropped where the policy says so by now")
    func droppingKept() throws {
        let months = ["2026-10", "2026-11", "2026-12", "2027-01", "2027-02"]
        let status = try status(attached: months, detaching: ["2026-03"], kept: ["2026-02", "2026-09"])
        #expect(steps(status, policy(keep: 2)) == ["finish 2026-03"])
        let dropping = steps(status, policy(keep: 2, .drop))
        #expect(dropping == ["finish 2026-03", "empty 2026-02", "drop 2026-02", "empty 2026-03", "drop 2026-03"])
    }

    @Test("How far ahead there is room ends at the first gap")
    func reach() throws {
        let gap = try status(attached: ["2026-10", "2026-11", "2026-12", "2027-02"])
        #expect(gap.reach.text == "2027-01-01T00:00:00.000Z")
        #expect(gap.ahead == .days(40) + .hours(19))
        #expect(!gap.isShort)
        let short = try status("2026-11-24T00:00:00.000001Z", attached: ["2026-11"])
        #expect(short.ahead == .days(7) - .microseconds(1))
        #expect(short.isShort)
        let detaching = try status(attached: ["2026-12"], detaching: ["2026-11"])
        #expect(detaching.ahead == .zero)
    }

    @Test("By hand, a month that is over retires from wherever it stands")
    func byHand() throws {
        let status = try status(
            attached: ["2026-08", "2026-11", "2026-12"], detaching: ["2026-09"], kept: ["2026-10"])
        func steps(_ text: String, _ retirement: PartitionPolicy.Retirement) throws -> [String] {
            let month = try #require(PartitionMonth(text))
            return try PartitionPlan(retiring: month, as: retirement, in: status).steps.map(\.description)
        }
        #expect(try steps("2026-08", .keep) == ["detach 2026-08"])
        #expect(try steps("2026-08", .drop) == ["detach 2026-08", "empty 2026-08", "drop 2026-08"])
        #expect(try steps("2026-09", .keep) == ["finish 2026-09"])
        #expect(try steps("2026-09", .drop) == ["finish 2026-09", "empty 2026-09", "drop 2026-09"])
        #expect(try steps("2026-10", .keep) == [])
        #expect(try steps("2026-10", .drop) == ["empty 2026-10", "drop 2026-10"])
        for refused in ["2026-11", "2026-12", "2026-07"] {
            let error = #expect(throws: SojournError.self) { try steps(refused, .keep) }
            #expect(error?.code == .invalidInput && error?.field == "month")
        }
    }

    @Test(
        "No step holds up who reads turns by SQL; taking a kept month back, and dropping one, hold up readers of sessions"
    )
    func locks() throws {
        let month = try #require(PartitionMonth("2026-11"))
        let all: [PartitionStep] = [
            .create(month), .attach(month), .detach(month), .finish(month), .empty(month), .drop(month),
        ]
        for step in all {
            let whole = step.locks.first { $0.table == "conversations" }
            #expect(whole == nil || whole?.mode == .shareUpdateExclusive, "\(step)")
        }
        let holding = all.filter { $0.locks.contains(PartitionLock("session_master", .accessExclusive)) }
        #expect(holding == [.attach(month), .drop(month)])
        #expect("\(PartitionStep.empty(month).locks[0])".contains("conversations_2026_11: ACCESS EXCLUSIVE"))
    }
}
