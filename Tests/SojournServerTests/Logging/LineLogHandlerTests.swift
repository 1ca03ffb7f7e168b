// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import Synchronization
import Testing

@testable import SojournServer

/// A log line is one line whatever is in it, and JSON lines read back as what was logged.
@Suite("Log lines") struct LineLogHandlerTests {
    /// The lines written, with their ends.
    private let lines = Lines()

    @Test("a JSON line reads back as what was logged") func json() throws {
        var logger = logger(.json)
        logger[metadataKey: "session_id"] = "s1"
        logger.warning(
            "ended", metadata: ["count": "\(3)", "list": ["a", "b"], "map": ["k": ["x", .stringConvertible(1.5)]]])
        let object = try lines.onlyObject()
        #expect(object["ts"] as? String == "2026-01-31T12:00:00.000Z")
        #expect(object["level"] as? String == "warning")
        #expect(object["logger"] as? String == "test")
        #expect(object["message"] as? String == "ended")
        #expect(object["session_id"] as? String == "s1")
        #expect(object["count"] as? String == "3")
        #expect(object["list"] as? [String] == ["a", "b"])
        #expect((object["map"] as? [String: [String]]) == ["k": ["x", "1.5"]])
    }

    @Test("control characters, quotes and line separators are escaped and come back") func escaping() throws {
        let nasty = "\"\\/\r\n\t\u{0}\u{8}\u{1B}[31m\u{7F}\u{85}\u{2028}\u{2029}ü€😀"
        logger(.json).info("\(nasty)", metadata: [nasty: "\(nasty)"])
        let line = try #require(lines.all.first)
        #expect(line.hasSuffix("\"}\n"))
        for separator in ["\r", "\u{0}", "\u{1B}", "\u{7F}", "\u{85}", "\u{2028}", "\u{2029}"] as [Unicode.Scalar] {
            #expect(!line.unicodeScalars.contains(separator))
        }
        #expect(line.unicodeScalars.count { $0 == "\n" } == 1)
        let object = try lines.onlyObject()
        #expect(object["message"] as? String == nasty)
        #expect(object[nasty] as? String == nasty)
    }

    @Test("metadata cannot take the place of a field") func reserved() throws {
        logger(.json).info("real", metadata: ["message": "false", "ts": "0", "level": "x"])
        let object = try lines.onlyObject()
        #expect(object["message"] as? String == "real")
        #expect(object["message_"] as? String == "false")
        #expect(object["level"] as? String == "info")
    }

    @Test("an event's metadata wins over the provider's, and that over the logger's") func precedence() throws {
        var handler = LineLogHandler(
            label: "test", format: .json, output: lines.output,
            metadataProvider: .init { ["a": "provider", "b": "provider"] })
        handler.metadata = ["a": "logger", "b": "logger", "c": "logger"]
        Logger(label: "test") { _ in handler }.info("m", metadata: ["a": "event"])
        let object = try lines.onlyObject()
        #expect(object["a"] as? String == "event")
        #expect(object["b"] as? String == "provider")
        #expect(object["c"] as? String == "logger")
    }

    @Test("a line for people quotes what is not one word") func text() {
        logger(.text).error("it \"broke\"\nhere", metadata: ["b": "two words", "a": "one", "c": "", "d": "\u{1B}[2J"])
        #expect(
            lines.all == [
                "2026-01-31T12:00:00.000Z ERROR it \"broke\"\\nhere a=one b=\"two words\" c=\"\" d=\\u001b[2J\n"
            ])
    }

    @Test("what is less severe than the level is not written") func level() {
        logger(.json).debug("quiet")
        #expect(lines.all.isEmpty)
    }

    @Test("a line longer than a pipe holds arrives whole") func longLine() async throws {
        let pipe = Pipe()
        let line = [UInt8](repeating: UInt8(ascii: "x"), count: 300_000) + [UInt8(ascii: "\n")]
        async let read = Task.detached { try pipe.fileHandleForReading.readToEnd() }.value
        LogOutput.write(line, to: pipe.fileHandleForWriting.fileDescriptor)
        try pipe.fileHandleForWriting.close()
        #expect(try await read.map { [UInt8]($0) } == line)
    }

    @Test("the clock reads as RFC 3339 in UTC with milliseconds") func clock() throws {
        let text = LogOutput.clock()
        #expect(text.count == 24)
        let time = try Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        #expect(abs(time.timeIntervalSinceNow) < 60)
    }

    /// A logger that writes into `lines`.
    private func logger(_ format: LogFormat) -> Logger {
        Logger(label: "test") { [output = lines.output] in LineLogHandler(label: $0, format: format, output: output) }
    }
}

/// Collects log lines, at a time that stands still.
private final class Lines: Sendable {
    /// What was written.
    private let written = Mutex<[String]>([])

    /// Every line with its end.
    var all: [String] { written.withLock { $0 } }

    /// An output that adds to the lines.
    var output: LogOutput {
        LogOutput(now: { "2026-01-31T12:00:00.000Z" }) { [self] line in
            written.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
        }
    }

    /// The one line that was written, read as a JSON object.
    func onlyObject() throws -> [String: Any] {
        try #require(all.count == 1)
        return try #require(JSONSerialization.jsonObject(with: Data(all[0].utf8)) as? [String: Any])
    }
}
