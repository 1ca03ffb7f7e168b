// SPDX-License-Identifier: Apache-2.0

/// A month of the calendar in UTC: what one partition of the journal's turns holds.
public struct PartitionMonth: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Months since the beginning of the year 0.
    private let ordinal: Int

    /// Clamped to the years 1 to 9999, which PostgreSQL and RFC 3339 can both write.
    private init(ordinal: Int) {
        self.ordinal = min(max(ordinal, 12), 9999 * 12 + 11)
    }

    /// The month that a moment lies in.
    public init(of moment: Timestamp) {
        let date = CivilDate(daysSinceEpoch: moment.microseconds.flooredDivision(by: 86_400_000_000))
        self.init(ordinal: Int(date.year) * 12 + date.month - 1)
    }

    /// The month that a text such as `2026-11` names; nil where it names none.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        func number(_ digits: ArraySlice<UInt8>) -> Int? {
            digits.reduce(0) { value, byte in
                value.flatMap { (48...57).contains(byte) ? $0 * 10 + Int(byte - 48) : nil }
            }
        }
        guard bytes.count == 7, bytes[4] == UInt8(ascii: "-"), let year = number(bytes[..<4]), year >= 1,
            let month = number(bytes[5...]), (1...12).contains(month)
        else { return nil }
        self.init(ordinal: year * 12 + month - 1)
    }

    /// The year.
    public var year: Int { ordinal / 12 }
    /// The month of the year, 1 to 12.
    public var month: Int { ordinal % 12 + 1 }

    /// The month so many later; earlier for a negative count.
    public func advanced(by count: Int) -> Self { Self(ordinal: ordinal + count) }

    /// Its first moment.
    public var start: Timestamp {
        let days = CivilDate(year: Int64(year), month: month, day: 1).daysSinceEpoch
        return Timestamp(seconds: days * 86400)
    }

    /// From its first moment to the next month's.
    public var span: Range<Timestamp> {
        let next = CivilDate(year: Int64((ordinal + 1) / 12), month: (ordinal + 1) % 12 + 1, day: 1)
        return start..<Timestamp(seconds: next.daysSinceEpoch * 86400)
    }

    public static func < (left: Self, right: Self) -> Bool { left.ordinal < right.ordinal }

    /// As in `2026-11`.
    public var description: String {
        let digits = String(year)
        return String(repeating: "0", count: 4 - digits.count) + digits + (month < 10 ? "-0" : "-") + String(month)
    }

    /// The name of its table, as in `conversations_2026_11`.
    public var table: String { "conversations_" + description.replacing("-", with: "_") }
}
