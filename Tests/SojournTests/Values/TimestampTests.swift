// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import SojournTesting
internal import Testing

@testable internal import Sojourn

@Suite("A timestamp")
struct TimestampTests {
    @Test("prints what Foundation prints and reads it back, from year 1 to 9999")
    func agreesWithFoundation() {
        var random = SeededRandom(seed: 1)
        let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        for _ in 0..<2000 {
            let milliseconds = Int64.random(in: -62_135_596_800_000...253_402_300_799_999, using: &random)
            let timestamp = Timestamp(microseconds: milliseconds * 1000)
            // A quarter of a millisecond on, so that Foundation's binary fractions do not fall below the value.
            let date = Date(timeIntervalSince1970: (Double(milliseconds) + 0.25) / 1000)
            // Foundation changes to the Julian calendar before 1582.
            if milliseconds > -12_219_292_800_000 { #expect(timestamp.text == date.formatted(style)) }
            #expect(Timestamp(timestamp.text) == timestamp)
        }
    }

    @Test(
        "reads every form of RFC 3339",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-11-21T05:53:00.123Z", 1_795_240_380_123_000),
            ("2026-11-21t05:53:00.1z", 1_795_240_380_100_000), ("2026-11-21 05:53:00Z", 1_795_240_380_000_000),
            ("2026-11-21T05:53:00.123456Z", 1_795_240_380_123_456),
            ("2026-11-21T05:53:00.123456999Z", 1_795_240_380_123_456),
            ("2026-11-21T07:53:00+02:00", 1_795_240_380_000_000), ("2026-11-20T23:23:00-06:30", 1_795_240_380_000_000),
            ("2024-02-29T12:00:00Z", 1_709_208_000_000_000), ("2000-02-29T00:00:00Z", 951_782_400_000_000),
            ("1969-12-31T23:59:59.999999Z", -1), ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
            ("1970-01-01T00:00:00+23:59", -86_340_000_000),
        ])
    func reads(_ text: String, _ microseconds: Int64) {
        #expect(Timestamp(text)?.microseconds == microseconds)
    }

    @Test(
        "refuses what RFC 3339 does not allow",
        arguments: [
            "", "2026", "2026-11-21", "2026-11-21T05:53Z", "2026-11-21T05:53:00", "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-04-31T00:00:00Z",
            "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z",
            "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00+24:00",
            "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00Z ", " 2026-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
            "-026-01-01T00:00:00Z", "2026-01-01T00:00:00ZZ", "２026-01-01T00:00:00Z", "2026-1-1T00:00:00Z",
        ])
    func refuses(_ text: String) {
        #expect(Timestamp(text) == nil)
    }

    @Test("cuts microseconds to milliseconds in print, also before 1970")
    func cuts() {
        #expect(Timestamp(microseconds: 1999).text == "1970-01-01T00:00:00.001Z")
        #expect(Timestamp(microseconds: -1).text == "1969-12-31T23:59:59.999Z")
        #expect(ManualClock.start.text == "2026-01-01T00:00:00.123Z")
    }

    @Test("is added to without overflow")
    func clamps() {
        #expect(Timestamp(microseconds: .max) + .days(1) == Timestamp(microseconds: .max))
        #expect(Timestamp(microseconds: .min) - .days(1) == Timestamp(microseconds: .min))
        #expect(Timestamp(microseconds: .max) - .seconds(Int64.min) == Timestamp(microseconds: .max))
        #expect(Timestamp(microseconds: .max) - Timestamp(microseconds: .min) == .microseconds(Int64.max))
        #expect(Timestamp(microseconds: .min) - Timestamp(microseconds: 1) == .microseconds(Int64.min))
        #expect(Duration.seconds(Int64.max).microseconds == .max)
        #expect(Timestamp(seconds: 90) - Timestamp(seconds: 30) == .seconds(60))
    }
}
