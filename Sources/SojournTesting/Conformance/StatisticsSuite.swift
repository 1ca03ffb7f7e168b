// SPDX-License-Identifier: Apache-2.0

internal import Sojourn
internal import Testing

/// Examples of counts, integrity and readiness (S9, J8).
enum StatisticsSuite {
    /// All examples of statistics.
    static let cases: [ConformanceCase] = [
        ConformanceCase("Stats: an empty store has nothing, and says when") { bench in
            let statistics = try await bench.store.statistics()
            #expect(statistics == SessionStatistics(at: bench.clock.now))
        },
        ConformanceCase("Stats: live, ended and expired are told apart, swept or not", needs: .history) { bench in
            let short = SessionPolicy(life: .seconds(60))
            for type in [SessionType.chat, .chat, .web] { _ = try await bench.create(type: type) }
            for _ in 0..<2 { _ = try await bench.create(policy: short) }
            let ended = try await bench.create(.bob)
            _ = try await bench.store.end([ended.access])
            for _ in 0..<2 { _ = try await bench.create(.alice) }
            _ = try await bench.store.endAll(of: .alice, by: .service)
            bench.clock.advance(by: .seconds(60))
            var expected = SessionStatistics(at: bench.clock.now)
            expected.active = 3
            expected.expired = 2
            expected.ended = 3
            expected.createdLastHour = 8
            expected.createdLastDay = 8
            expected.activeByType = [.chat: 2, .web: 1]
            #expect(try await bench.store.statistics() == expected)
            _ = try await bench.store.sweep(SweepOrder())
            #expect(try await bench.store.statistics() == expected)
            #expect(expected.total == 8)
        },
        ConformanceCase("Stats: sessions count as new for an hour and for a day, up to its end") { bench in
            _ = try await bench.create(policy: SessionPolicy(life: .days(9)))
            for (age, hour, day) in [
                (Duration.hours(1) - .instant, 1, 1), (.hours(1), 0, 1), (.hours(24) - .instant, 0, 1),
                (.hours(24), 0, 0),
            ] {
                bench.clock.set(to: ManualClock.start + age)
                let statistics = try await bench.store.statistics()
                #expect(statistics.createdLastHour == hour && statistics.createdLastDay == day, "\(age)")
            }
        },
        ConformanceCase("Stats: items held are counted over all sessions", needs: .items) { bench in
            for ids: [ItemID] in [[1, 2, 3], [1], []] {
                let visitor = try await bench.shopper()
                if !ids.isEmpty { _ = try await bench.items.add(ids, to: visitor.access, holdMax: 10) }
            }
            #expect(try await bench.store.statistics().items == 4)
        },
        ConformanceCase("Stats: a store that was used as it should be hangs together and takes writes (J8)") { bench in
            let visitor = try await bench.create(.alice)
            _ = try await bench.store.delete(visitor.id)
            _ = try await bench.store.erase(.alice)
            let report = try await bench.store.integrity()
            #expect(report.isGood, "\(report.findings)")
            try await bench.store.ping()
        },
    ]
}
