// SPDX-License-Identifier: Apache-2.0

internal import Sojourn

/// The names of the store's keys.
///
/// What must change together shares a tag (the part in braces), and so a slot of a cluster: a session with what it
/// holds, a user's epoch with the list of the user's sessions, the catalogue. The list of all sessions is spread over
/// sixteen keys by the id's last bits, so that no single node carries it.
struct Keys: Sendable {
    /// What every key begins with; several stores may share a server by it.
    let prefix: String

    /// The session's hash, its items (a hash: item to the moment it was added) and its facts (a list, newest first).
    func session(_ id: SessionID) -> [String] {
        let tag = "\(prefix):{\(id)}:"
        return [tag + "session", tag + "items", tag + "facts"]
    }

    /// The user's epoch (a hash) and sessions (a sorted set; may name dead ones).
    func user(_ id: UserID) -> [String] {
        let tag = "\(prefix):{u:\(id.text)}:"
        return [tag + "user", tag + "sessions"]
    }

    /// Who is beginning or binding a session of the user's under a cap.
    func lock(of id: UserID) -> String { "\(prefix):{u:\(id.text)}:lock" }

    /// The catalogue: rows by id (a hash), places by name (a sorted set) and places by id (a hash).
    var catalogue: [String] {
        let tag = "\(prefix):{items}:"
        return [tag + "rows", tag + "names", tag + "places"]
    }

    /// How many lists there are of all sessions.
    static let listCount = 16

    /// One of the lists of all sessions (a sorted set in the order of ids; may name dead ones).
    func list(_ number: Int) -> String { "\(prefix):{list:\(number)}:sessions" }

    /// The list that a session belongs on.
    func list(of id: SessionID) -> String { list(Int(id.uuid.low & UInt64(Self.listCount - 1))) }
}
