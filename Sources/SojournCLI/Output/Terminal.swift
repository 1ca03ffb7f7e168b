// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Synchronization

/// Standard output and standard error, written at once.
enum Terminal {
    /// Whether standard error is a terminal that a person watches.
    static let isWatched = isatty(STDERR_FILENO) == 1

    /// Prints a line, or several, to standard output.
    static func say(_ lines: String) {
        put(lines.escapingControls(but: "\n") + "\n", to: STDOUT_FILENO)
    }

    /// Prints why a command failed to standard error.
    static func complain(_ reason: String) {
        put("sojourn: \(reason.escapingControls(but: "\n"))\n", to: STDERR_FILENO)
    }

    /// Prints a remark to standard error, so that it stays out of what a script reads.
    static func remark(_ text: String) {
        put(text, to: STDERR_FILENO)
    }

    private static func put(_ text: String, to file: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let written = bytes.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            // Nobody reads any more: there is nobody left to tell.
            guard written > 0 else { return }
            bytes = bytes.dropFirst(written)
        }
    }
}

extension String {
    /// The text with JSON's escapes for control characters, C1 and DEL included: what a visitor wrote must not move the
    /// cursor of whoever reads it.
    func escapingControls(but spared: Unicode.Scalar? = nil) -> String {
        unicodeScalars.reduce(into: "") { text, scalar in
            guard scalar.properties.generalCategory == .control, scalar != spared else {
                return text.unicodeScalars.append(scalar)
            }
            let digits = String(scalar.value, radix: 16)
            text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
        }
    }
}

/// How far long work has come: a bar on a terminal, a plain line for each tenth in a log.
final class Progress: Sendable {
    private struct State {
        var tenthsShown = -1
        var lastShown = ContinuousClock.now - .seconds(60)
    }

    /// What is done.
    let title: String
    /// How much there is to do; nil where nobody knows.
    let total: Int?
    private let state = Mutex(State())

    /// Work that has not begun.
    init(_ title: String, of total: Int?) {
        self.title = title
        self.total = total
    }

    /// Shows that `done` is done.
    func show(_ done: Int) {
        let share = total.map { $0 == 0 ? 1 : min(1, Double(done) / Double($0)) }
        let text = state.withLock { state -> String? in
            if Terminal.isWatched {
                let now = ContinuousClock.now
                guard share == 1 || now - state.lastShown > .milliseconds(100) else { return nil }
                state.lastShown = now
                return "\r\u{1B}[K\(title) \(share.map(Self.bar) ?? "")\(count(done))"
            }
            let tenths = share.map { Int($0 * 10) } ?? done / 100_000
            guard tenths > state.tenthsShown else { return nil }
            state.tenthsShown = tenths
            return "\(title): \(count(done))\n"
        }
        if let text { Terminal.remark(text) }
    }

    /// Ends the line that the bar stands on.
    func finish() {
        if Terminal.isWatched { Terminal.remark("\n") }
    }

    private func count(_ done: Int) -> String {
        done.grouped + (total.map { " of \($0.grouped)" } ?? "")
    }

    private static func bar(_ share: Double) -> String {
        let filled = Int(share * 30)
        return "[" + String(repeating: "█", count: filled) + String(repeating: "·", count: 30 - filled) + "] "
    }
}

extension Int {
    /// With thousands set apart: `1,234,567`.
    var grouped: String {
        let digits = String(magnitude)
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index).isMultiple(of: 3) { text.append(",") }
            text.append(digit)
        }
        return self < 0 ? "-" + text : text
    }
}
