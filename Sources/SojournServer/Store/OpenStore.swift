// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Sojourn
internal import SojournSQLite

/// The store that the settings name, opened, with the façade and the sweep over it.
public struct OpenStore: Sendable {
    /// Every feature, for the server and for the commands beside it.
    public let sessions: Sessions
    /// The sweep, which runs where somebody runs it.
    public let sweeper: Sweeper
    private let sqlite: SQLiteStore

    /// Opens the store.
    ///
    /// - Parameter makingIt: whether a database that is not there is made; a command that only reads asks for none.
    /// - Throws: `SojournError` with code `storeUnavailable` where there is none and none is to be made, and what the
    ///   store throws on opening.
    public init(_ settings: Settings, makingIt: Bool) throws {
        switch settings.database {
        case .sqlite(let path):
            guard makingIt || FileManager.default.fileExists(atPath: path) else {
                throw SojournError(
                    .storeUnavailable,
                    "There is no database at \(path): `sojourn init` makes one, and so does `sojourn serve`.")
            }
            sqlite = try SQLiteStore(path: path)
        }
        sessions = Sessions(store: sqlite, policies: settings.policies, limits: settings.limits)
        var pace = Sweeper.Pace()
        pace.interval = settings.sweepInterval
        sweeper = Sweeper(sessions: sessions, pace: pace)
    }

    /// Where the store is, for people: the path of its file.
    public var place: String { sqlite.path }

    /// Copies the store as of one moment to a new file, checked, while it is in use.
    ///
    /// - Parameter progress: told the share that is done, 0 to 1.
    /// - Throws: `SojournError` with code `invalidInput` where the file exists; what the store throws.
    public func backup(to path: String, progress: @escaping @Sendable (Double) -> Void) async throws {
        try await sqlite.backup(to: path, progress: progress)
    }

    /// Closes the store: what is under way is finished, and later calls throw `storeUnavailable`.
    public func close() throws {
        try sqlite.close()
    }
}
