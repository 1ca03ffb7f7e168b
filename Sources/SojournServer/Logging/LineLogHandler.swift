// SPDX-License-Identifier: Apache-2.0
public import Logging

/// Writes every log event as one line of text, in JSON for machines or plain for people.
///
/// A line is written by one call and holds no line break but its last byte, whatever stands in a message: what a visitor
/// sends cannot forge a line.
public struct LineLogHandler: LogHandler {
    /// The least severe level that is written.
    public var logLevel: Logger.Level
    /// What every line of this logger carries.
    public var metadata: Logger.Metadata = [:]
    /// What is asked for more metadata at each event; nil asks nobody.
    public var metadataProvider: Logger.MetadataProvider?
    /// The logger's name.
    private let label: String
    /// How a line looks.
    private let format: LogFormat
    /// Where lines go, and what the time is.
    private let output: LogOutput

    /// Makes a handler for a logger of that name.
    public init(
        label: String, level: Logger.Level = .info, format: LogFormat, output: LogOutput = .standardOutput,
        metadataProvider: Logger.MetadataProvider? = nil
    ) {
        self.label = label
        self.format = format
        self.output = output
        logLevel = level
        self.metadataProvider = metadataProvider
    }

    /// One value of the metadata that every line carries.
    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    /// Writes one line. Where a key stands twice, the event's own value wins over the provider's and the logger's.
    public func log(event: LogEvent) {
        var fields = metadata
        if let provided = metadataProvider?.get() { fields.merge(provided) { _, new in new } }
        if let own = event.metadata { fields.merge(own) { _, new in new } }
        if let error = event.error { fields["error"] = "\(error)" }
        let record = LogRecord(
            time: output.now(), level: event.level, logger: label, message: "\(event.message)",
            fields: fields.sorted { $0.key < $1.key })
        var line = format.line(record)
        line.append(UInt8(ascii: "\n"))
        output.write(line)
    }
}

/// One log event with everything that goes into its line.
struct LogRecord {
    /// When it happened, as RFC 3339 in UTC with milliseconds.
    var time: String
    /// How severe it is.
    var level: Logger.Level
    /// The name of the logger.
    var logger: String
    /// What happened.
    var message: String
    /// The metadata, sorted by key.
    var fields: [(key: String, value: Logger.MetadataValue)]
}

/// How a log line looks: the setting `LOG_FORMAT` after `auto` was decided.
public enum LogFormat: String, Sendable, CaseIterable {
    /// One JSON object.
    case json
    /// Time, level, message and `key=value`, for people.
    case text

    /// What suits the process's output: text where it is a terminal, else JSON.
    public static var automatic: LogFormat { LogOutput.isTerminal ? .text : .json }

    /// The line without its end.
    func line(_ record: LogRecord) -> [UInt8] {
        switch self {
        case .json: JSONLine.line(record)
        case .text: TextLine.line(record)
        }
    }
}
