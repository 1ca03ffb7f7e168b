// SPDX-License-Identifier: Apache-2.0

/// Prometheus' text exposition format 0.0.4, as it is written.
struct PrometheusText {
    /// What was written so far.
    private(set) var value = ""

    /// Opens a family: its HELP and TYPE lines.
    mutating func header(_ name: String, kind: String, help: String) {
        value += "# HELP \(name) \(Self.escaped(help, quote: false))\n# TYPE \(name) \(kind)\n"
    }

    /// Writes one sample; the labels stand as `labels(_:)` gives them.
    mutating func sample(_ name: String, _ labels: String, _ number: Double) {
        value += labels.isEmpty ? name : "\(name){\(labels)}"
        value += " \(Self.number(number))\n"
    }
}

extension PrometheusText {
    /// A number as Prometheus reads it: whole numbers without a point, `+Inf`, `-Inf` and `NaN` for what is no number.
    static func number(_ number: Double) -> String {
        guard number.isFinite else { return number.isNaN ? "NaN" : number < 0 ? "-Inf" : "+Inf" }
        return Int64(exactly: number).map(String.init) ?? "\(number)"
    }

    /// A name of letters, digits and `_`, where every other character became `_`; the suffix is not doubled.
    static func name(_ label: String, suffix: String = "") -> String {
        var name = String(String.UnicodeScalarView(label.unicodeScalars.map { $0.isNameScalar ? $0 : "_" }))
        if let first = name.unicodeScalars.first, ("0"..."9").contains(first) { name = "_" + name }
        return name.hasSuffix(suffix) ? name : name + suffix
    }

    /// Dimensions as `a="1",b="2"`, sorted by name; of two with one name the first stands.
    static func labels(_ dimensions: [(String, String)]) -> String {
        Dictionary(dimensions.map { (name($0.0), $0.1) }, uniquingKeysWith: { first, _ in first })
            .sorted { $0.key < $1.key }
            .map { "\($0.key)=\"\(escaped($0.value, quote: true))\"" }
            .joined(separator: ",")
    }

    /// Text with backslashes and line breaks escaped, and quotation marks where it stands between such.
    private static func escaped(_ text: String, quote: Bool) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\"" where quote: escaped += "\\\""
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}

extension Unicode.Scalar {
    /// Whether the scalar may stand in the name of a metric or label.
    fileprivate var isNameScalar: Bool {
        switch self {
        case "a"..."z", "A"..."Z", "0"..."9", "_": true
        default: false
        }
    }
}
