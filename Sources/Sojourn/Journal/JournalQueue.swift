// SPDX-License-Identifier: Apache-2.0

public import Logging
internal import Metrics
internal import Synchronization

/// A log that keeps entries for whoever writes them into the store.
public protocol JournalLog: Sendable {
    /// Keeps the entries of one call, behind those of the same session that it has; they are kept for good when this returns.
    ///
    /// - Throws: why not; they may be kept all the same. `tooLarge` where it never will; `CancellationError`.
    func keep(_ entries: QueuedEntries) async throws
}

/// Where entries of the journal wait to be written (K4). While its log cannot be had, it is asked now and then only.
public final class JournalQueue: Sendable {
    private let log: any JournalLog
    private let breaker = Mutex(CircuitBreaker())
    private let logger: Logger

    /// A queue in `log`.
    public init(_ log: any JournalLog, logger: Logger = Logger(label: "sojourn.journal")) {
        self.log = log
        self.logger = logger
    }

    /// Whether the log keeps these entries now. Where it does not, they may be there all the same.
    func keeps(_ entries: QueuedEntries) async -> Bool {
        let isKept = await asks(to: entries)
        Counter(label: "sojourn_journal_enqueued_total", dimensions: [("to", isKept ? "queue" : "database")])
            .increment()
        return isKept
    }

    /// Asks the log, unless it is left alone because it failed lately.
    private func asks(to keep: QueuedEntries) async -> Bool {
        guard breaker.withLock({ $0.admits(at: .now) }) else { return false }
        do {
            try await log.keep(keep)
            breaker.withLock { _ = $0.succeeded() }
            return true
        } catch let error where error is CancellationError || (error as? SojournError)?.code == .tooLarge {
            // That says nothing of the log.
            return false
        } catch {
            if breaker.withLock({ $0.failed(at: .now) }) {
                logger.warning("entries are written at once, past the queue", metadata: ["reason": "\(error)"])
            }
            return false
        }
    }
}
