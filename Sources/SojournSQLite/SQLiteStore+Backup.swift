// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import GRDB
internal import Glibc
internal import Sojourn

extension SQLiteStore {
    /// Copies the database, as of one moment, to a new file at `destination` (mode 0600), while it is in use.
    ///
    /// The copy is opened and checked before it takes its name, so that a file at `destination` is always a good one.
    ///
    /// - Parameter progress: Called with the fraction done, 0 to 1, from the copying thread.
    /// - Throws: `SojournError`: `invalidInput` where the file exists, `storeDamaged` where the copy is not sound, else
    ///   as every verb.
    public func backup(
        to destination: String, progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws {
        let partial = destination + ".partial"
        guard !FileManager.default.fileExists(atPath: destination) else { throw Self.exists("There is a file") }
        let isOurs: Bool
        do { isOurs = try Self.makePrivateFile(at: partial) } catch { throw SQLiteFailure.map(error) }
        guard isOurs else {
            throw Self.exists("Another backup is being written, or was left unfinished (.partial),")
        }
        do {
            try await copy(to: partial, progress: progress)
            // `link` fails where the name was taken meanwhile; a rename would overwrite.
            guard link(partial, destination) == 0 else {
                if errno == EEXIST { throw Self.exists("There is a file") }
                throw SojournError(
                    .storeUnavailable,
                    "The copy could not be given its name: \(String(cString: strerror(errno))). Choose a file system "
                        + "with hard links.")
            }
            unlink(partial)
        } catch {
            unlink(partial)
            throw SQLiteFailure.map(error)
        }
    }

    private func copy(to path: String, progress: @escaping @Sendable (Double) -> Void) async throws {
        // A read transaction beside the writer: the copy is of one moment, and writes go on meanwhile.
        try await pool.read { source in
            let copy = try DatabaseQueue(path: path)
            try copy.writeWithoutTransaction { target in
                try source.backup(to: target, pagesPerStep: 1024) { step in
                    let total = max(step.totalPageCount, 1)
                    progress(Double(step.completedPageCount) / Double(total))
                }
                guard try target.all("PRAGMA quick_check(1)", [], { $0.text(0) }) == ["ok"] else {
                    throw SojournError(.storeDamaged, "The copy is not sound: nothing was kept of it.")
                }
                // One file, without a log beside it, until somebody opens it.
                try target.run("PRAGMA journal_mode = DELETE")
            }
            try copy.close()
        }
    }

    private static func exists(_ what: String) -> SojournError {
        SojournError(.invalidInput, "\(what) at the backup's path: a backup never overwrites one.", field: "path")
    }
}
