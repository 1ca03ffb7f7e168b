// SPDX-License-Identifier: Apache-2.0

/// A moment of wall-clock time, in whole microseconds since 1970-01-01T00:00:00Z.
///
/// Microseconds are what PostgreSQL's `timestamptz` keeps, so a moment survives every store unchanged.
/// Shown to people and over HTTP as RFC 3339 in UTC with milliseconds (`text`).
public struct Timestamp: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Microseconds since 1970-01-01T00:00:00Z; negative before it.
    public let microseconds: Int64

    /// The moment `microseconds` after 1970-01-01T00:00:00Z.
    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }

    /// The moment `seconds` after 1970-01-01T00:00:00Z.
    public init(seconds: Int64) {
        self.init(microseconds: seconds * 1_000_000)
    }

    public static func < (left: Self, right: Self) -> Bool { left.microseconds < right.microseconds }
    public static func + (left: Self, right: Duration) -> Self {
        Self(microseconds: left.microseconds.addingClamped(right.microseconds))
    }
    public static func - (left: Self, right: Duration) -> Self {
        Self(microseconds: left.microseconds.subtractingClamped(right.microseconds))
    }
    public static func - (left: Self, right: Self) -> Duration {
        .microseconds(left.microseconds.subtractingClamped(right.microseconds))
    }

    public var description: String { text }
}

extension Timestamp {
    /// RFC 3339 in UTC with milliseconds, cut and not rounded: `2026-11-21T05:53:00.123Z`.
    public var text: String {
        String(unsafeUninitializedCapacity: Self.textBytes) { write(to: $0) }
    }

    /// How long `text` is.
    static let textBytes = 24

    /// Writes `text` to the beginning of `buffer`, and returns how many bytes that are.
    func write(to buffer: UnsafeMutableBufferPointer<UInt8>) -> Int {
        let millisecondsTotal = microseconds.flooredDivision(by: 1000)
        let secondsTotal = millisecondsTotal.flooredDivision(by: 1000)
        let days = secondsTotal.flooredDivision(by: 86400)
        let ofDay = Int(secondsTotal - days * 86400)
        let date = CivilDate(daysSinceEpoch: days)
        var at = 0
        func put(_ character: Unicode.Scalar) {
            buffer[at] = UInt8(truncatingIfNeeded: character.value)
            at += 1
        }
        // By constants, which is far quicker than to divide by what is not known beforehand.
        func two(_ value: Int) {
            buffer[at] = UInt8(truncatingIfNeeded: 48 + value / 10)
            buffer[at + 1] = UInt8(truncatingIfNeeded: 48 + value % 10)
            at += 2
        }
        let year = min(max(Int(date.year), 0), 9999)
        two(year / 100)
        two(year % 100)
        put("-")
        two(date.month)
        put("-")
        two(date.day)
        put("T")
        two(ofDay / 3600)
        put(":")
        two(ofDay / 60 % 60)
        put(":")
        two(ofDay % 60)
        put(".")
        let milliseconds = Int(millisecondsTotal - secondsTotal * 1000)
        buffer[at] = UInt8(truncatingIfNeeded: 48 + milliseconds / 100)
        at += 1
        two(milliseconds % 100)
        put("Z")
        return at
    }

    /// The moment that an RFC 3339 text names, with any offset and up to nine fractional digits (those past
    /// microseconds are cut); nil where the text is not one, or its year lies outside 1…9999.
    public init?(_ text: some StringProtocol) {
        var scanner = DigitScanner(bytes: Array(text.utf8))
        guard let year = scanner.number(4), year >= 1, scanner.skip("-"),
            let month = scanner.number(2), (1...12).contains(month), scanner.skip("-"),
            let day = scanner.number(2), (1...CivilDate.days(in: month, year: year)).contains(day),
            scanner.skip("T") || scanner.skip("t") || scanner.skip(" "),
            let hour = scanner.number(2), hour < 24, scanner.skip(":"),
            let minute = scanner.number(2), minute < 60, scanner.skip(":"),
            let second = scanner.number(2), second <= 60
        else { return nil }
        var fraction = 0
        if scanner.skip(".") {
            guard let read = scanner.fraction() else { return nil }
            fraction = read
        }
        guard let offset = scanner.offset(), scanner.isAtEnd else { return nil }
        let days = CivilDate(year: Int64(year), month: month, day: day).daysSinceEpoch
        let seconds = days * 86400 + Int64(hour * 3600 + minute * 60 + second) - Int64(offset)
        self.init(microseconds: seconds * 1_000_000 + Int64(fraction))
    }
}

/// A date of the proleptic Gregorian calendar, and its count of days (after Howard Hinnant,
/// «chrono-Compatible Low-Level Date Algorithms»).
struct CivilDate: Hashable {
    let year: Int64
    let month: Int
    let day: Int

    init(year: Int64, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    init(daysSinceEpoch: Int64) {
        let shifted = daysSinceEpoch + 719_468
        let era = shifted.flooredDivision(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        day = Int(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
        month = Int(monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9)
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }

    var daysSinceEpoch: Int64 {
        let marchYear = month <= 2 ? year - 1 : year
        let era = marchYear.flooredDivision(by: 400)
        let yearOfEra = marchYear - era * 400
        let dayOfYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1)
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    static func days(in month: Int, year: Int) -> Int {
        switch month {
        case 4, 6, 9, 11: 30
        case 2: year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400)) ? 29 : 28
        default: 31
        }
    }
}

/// Reads the fixed-width digits of an RFC 3339 text, byte by byte.
private struct DigitScanner {
    let bytes: [UInt8]
    var position = 0

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    var isAtEnd: Bool { position == bytes.count }

    mutating func skip(_ character: Unicode.Scalar) -> Bool {
        guard position < bytes.count, UInt32(bytes[position]) == character.value else { return false }
        position += 1
        return true
    }

    mutating func number(_ width: Int) -> Int? {
        guard position + width <= bytes.count else { return nil }
        var value = 0
        for _ in 0..<width {
            guard (48...57).contains(bytes[position]) else { return nil }
            value = value * 10 + Int(bytes[position] - 48)
            position += 1
        }
        return value
    }

    /// One to nine digits after the point, as microseconds.
    mutating func fraction() -> Int? {
        var value = 0
        var count = 0
        while position < bytes.count, (48...57).contains(bytes[position]) {
            if count < 6 { value = value * 10 + Int(bytes[position] - 48) }
            count += 1
            position += 1
        }
        guard (1...9).contains(count) else { return nil }
        for _ in min(count, 6)..<6 { value *= 10 }
        return value
    }

    /// `Z` or `±hh:mm`, in seconds east of UTC.
    mutating func offset() -> Int? {
        if skip("Z") || skip("z") { return 0 }
        let sign = skip("+") ? 1 : skip("-") ? -1 : 0
        guard sign != 0, let hours = number(2), hours < 24, skip(":"), let minutes = number(2), minutes < 60 else {
            return nil
        }
        return sign * (hours * 3600 + minutes * 60)
    }
}

extension Duration {
    /// Whole microseconds, cut towards zero; clamped to what fits.
    public var microseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        return product.addingClamped(attoseconds / 1_000_000_000_000)
    }

    /// Seconds with their fraction, for showing and for metrics.
    public var inSeconds: Double { Double(microseconds) / 1_000_000 }

    /// So many hours of 3,600 s.
    public static func hours(_ count: Int) -> Self { .seconds(count * 3600) }
    /// So many days of 86,400 s.
    public static func days(_ count: Int) -> Self { .seconds(count * 86400) }
}

extension FixedWidthInteger {
    func flooredDivision(by divisor: Self) -> Self {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }

    func addingClamped(_ other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? (other < 0 ? .min : .max) : sum
    }

    func subtractingClamped(_ other: Self) -> Self {
        let (difference, overflow) = subtractingReportingOverflow(other)
        return overflow ? (other < 0 ? .max : .min) : difference
    }
}
