// SPDX-License-Identifier: Apache-2.0
internal import Logging

/// What the HTTP framework logs: its warnings and errors alone, and without what it notes of each request.
///
/// The framework gives every request a logger with an id of its own in it. We log requests ourselves, under our id, so
/// that note would be made for nothing, tens of thousands of times a second.
struct FrameworkLogHandler: LogHandler {
    private let handler: LineLogHandler

    var logLevel = Logger.Level.warning
    var metadata: Logger.Metadata = [:]

    /// A handler that passes on to `handler`.
    init(_ handler: LineLogHandler) {
        self.handler = handler
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        // Left out on purpose: see above.
        set {}
    }

    func log(event: LogEvent) {
        handler.log(event: event)
    }
}
