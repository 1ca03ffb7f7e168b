// SPDX-License-Identifier: Apache-2.0

/// How one kind of setting is written: read, shown, and explained to whoever wrote it wrong.
struct Grammar<Value>: Sendable where Value: Sendable {
    /// What a text should be, to follow "expected".
    var expected: String
    /// The value of a text without blanks around it; nil where it is none.
    var parse: @Sendable (String) -> Value?
    /// The value as it is shown, without secrets.
    var show: @Sendable (Value) -> String = { "\($0)" }
    /// A refused text as it is shown, without secrets.
    var redact: @Sendable (String) -> String = { $0 }

    /// The same, where one word stands for having no value.
    func or(_ word: String) -> Grammar<Value?> {
        Grammar<Value?>(
            expected: "\(expected), or \(word)",
            parse: { [parse] text in text.lowercased() == word ? .some(nil) : parse(text).map { .some($0) } },
            show: { [show] value in value.map(show) ?? word }, redact: redact)
    }
}

extension Grammar where Value == String {
    /// Any text.
    static let text = Grammar(expected: "some text", parse: { $0 })
}

extension Grammar where Value == Int {
    /// A whole number within bounds.
    static func number(_ range: ClosedRange<Int>) -> Grammar {
        Grammar(expected: "a whole number from \(range.lowerBound) to \(range.upperBound)") { text in
            Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A number of bytes, such as `65536`, `64KiB` or `1MiB`.
    static func bytes(_ range: ClosedRange<Int>) -> Grammar {
        Grammar(
            expected: "bytes as in 65536, 64KiB or 1MiB, from \(range.lowerBound) to \(range.upperBound)",
            parse: { text in
                let units = ["kib": 1 << 10, "mib": 1 << 20, "": 1]
                return quantity(text, units: units).flatMap { range.contains($0) ? $0 : nil }
            })
    }
}

extension Grammar where Value == Duration {
    /// A length of time in whole seconds, such as `90`, `30s`, `15m`, `24h` or `30d`; by default of at most ten years.
    static func duration(from least: Duration = .seconds(1), to most: Duration = .seconds(3_650 * 86_400)) -> Grammar {
        Grammar(
            expected: "a duration as in 30s, 15m, 24h or 30d, from \(shown(least)) to \(shown(most))",
            parse: { text in
                let units = ["s": 1, "m": 60, "h": 3_600, "d": 86_400, "": 1]
                return quantity(text, units: units).map { .seconds($0) }.flatMap {
                    (least...most).contains($0) ? $0 : nil
                }
            },
            show: shown)
    }

    /// A length of time in its largest whole unit.
    private static func shown(_ duration: Duration) -> String {
        let seconds = duration.components.seconds
        let units: [(String, Int64)] = [("d", 86_400), ("h", 3_600), ("m", 60)]
        guard seconds > 0, let unit = units.first(where: { seconds % $0.1 == 0 }) else { return "\(seconds)s" }
        return "\(seconds / unit.1)\(unit.0)"
    }
}

extension Grammar where Value: CaseIterable & RawRepresentable, Value.RawValue == String {
    /// One of the words that an enumeration knows, in any case.
    static var word: Grammar {
        let words = Value.allCases.map(\.rawValue).joined(separator: ", ")
        return Grammar(
            expected: "one of \(words)",
            parse: { text in Value.allCases.first { $0.rawValue.lowercased() == text.lowercased() } },
            show: \.rawValue)
    }
}

/// Digits and a unit, in any case, as a number of the smallest unit; nil where that is something else or too large.
private func quantity(_ text: String, units: [String: Int]) -> Int? {
    let digits = text.prefix { ("0"..."9").contains($0) }
    guard let number = Int(digits), let unit = units[text.dropFirst(digits.count).lowercased()] else { return nil }
    let (product, overflow) = number.multipliedReportingOverflow(by: unit)
    return overflow ? nil : product
}
