// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import Sojourn

/// The right to serve a database file, held by one process at a time through a lock on `FILE.lock`.
///
/// The kernel drops the lock with the process, however that ends, so the file of a dead server is no obstacle. It
/// stays when the lock is given back: removing it would let two processes lock two files of one name.
public final class ServerLock: Sendable {
    private let descriptor: CInt

    /// Takes the lock and writes this process's id into its file.
    ///
    /// - Throws: `SojournError` with code `storeUnavailable`, naming the process that holds it.
    public init(for databasePath: String) throws {
        let path = databasePath + ".lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw SojournError(
                .storeUnavailable,
                "The lock file beside the database could not be made. Check that its folder exists and may be written "
                    + "to.")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            // `deinit` closes the file: it runs although `init` throws, since every property is set.
            let holder = Self.holder(descriptor)
            throw SojournError(
                .storeUnavailable,
                "This database is served already by \(holder). Stop that server first, or name another path.",
                details: Int64(holder.split(separator: " ").last ?? "").map { ["pid": .integer($0)] } ?? [:])
        }
        let text = Array("\(getpid())\n".utf8)
        // The number is only for people's eyes: where it cannot be written, the lock holds all the same.
        if ftruncate(descriptor, 0) == 0 { _ = pwrite(descriptor, text, text.count, 0) }
    }

    deinit {
        close(descriptor)
    }

    /// Who wrote the file last, in words.
    private static func holder(_ descriptor: CInt) -> String {
        var buffer = [UInt8](repeating: 0, count: 32)
        let length = max(0, pread(descriptor, &buffer, buffer.count, 0))
        let text = String(decoding: buffer.prefix(length), as: UTF8.self).split(separator: "\n").first ?? ""
        return Int(text).map { "process \($0)" } ?? "another process"
    }
}
