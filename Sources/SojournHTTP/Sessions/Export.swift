// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Sojourn

/// Writes all that is kept of sessions as JSON Lines: for each session a line of its own, then one for each item, then
/// one for each journal entry, newest first, told apart by `kind`. Of a user there is a line before, and one for each order
/// behind, the latest first. Reads page by page, so that memory stays bounded.
struct Export: Sendable {
    /// Where everything is read.
    let sessions: Sessions

    /// Writes a session with all that it holds.
    func write(_ stored: StoredSession, to writer: inout any ResponseBodyWriter) async throws {
        let access = SessionAccess.trusted(stored.session.id, as: .service)
        var json = JSONWriter(capacity: 4096)
        json.line("session", id: stored.session.id) { json in
            json.key("session")
            json.stored(stored)
        }
        if sessions.capabilities.contains(.items) {
            for held in try await sessions.held(by: access) {
                json.line("item", id: stored.session.id) { json in
                    json.key("item")
                    json.held(held)
                }
            }
        }
        try await writer.write(json.buffer)
        guard sessions.capabilities.contains(.journal) else { return }
        for kind in JournalKind.allCases {
            try await write(kind, of: .session(access), id: stored.session.id, to: &writer)
        }
    }

    /// Writes a user, with every session, live or ended, all that they hold, and every order.
    func write(_ user: UserID, to writer: inout any ResponseBodyWriter) async throws {
        let retail = sessions.capabilities.contains(.retail) ? try sessions.retail : nil
        if let row = try await retail?.user(user) {
            var json = JSONWriter()
            json.line("user") { $0.member("user", row.json) }
            try await writer.write(json.buffer)
        }
        try await writeSessions(of: user, to: &writer)
        if let retail { try await write(retail, ordersOf: user, to: &writer) }
    }

    private func write(
        _ retail: Retail, ordersOf user: UserID, to writer: inout any ResponseBodyWriter
    ) async throws {
        var page = PageRequest(limit: 100)
        while true {
            let found = try await retail.orders(of: user, page)
            var json = JSONWriter(capacity: 4096)
            for order in found.items { json.line("order") { $0.member("order", order.json) } }
            if !found.items.isEmpty { try await writer.write(json.buffer) }
            guard let next = found.next else { return }
            page = PageRequest(limit: 100, after: next)
        }
    }

    private func writeSessions(of user: UserID, to writer: inout any ResponseBodyWriter) async throws {
        var page = PageRequest(limit: 100)
        while true {
            let found = try await sessions.list(SessionFilter(userID: user), page: page)
            for stored in found.items { try await write(stored, to: &writer) }
            guard let next = found.next else { return }
            page = PageRequest(limit: 100, after: next)
        }
    }

    private func write(
        _ kind: JournalKind, of scope: JournalScope, id: SessionID, to writer: inout any ResponseBodyWriter
    ) async throws {
        var page = PageRequest(limit: 100)
        while true {
            let found = try await sessions.history(kind, of: scope, page: page)
            var json = JSONWriter(capacity: 4096)
            for entry in found.items {
                json.line("entry", id: id) { json in
                    json.member("journal", kind.rawValue)
                    json.key("entry")
                    json.entry(entry)
                }
            }
            if json.buffer.readableBytes > 0 { try await writer.write(json.buffer) }
            guard let next = found.next else { return }
            page = PageRequest(limit: 100, after: next)
        }
    }
}

extension JSONWriter {
    /// One line of an export, of a session or not.
    fileprivate mutating func line(_ kind: String, id: SessionID? = nil, _ write: (inout JSONWriter) -> Void) {
        object { json in
            json.member("kind", kind)
            if let id { json.member("session_id", id.description) }
            write(&json)
        }
        endLine()
    }
}

extension Response {
    /// An answer in JSON Lines that is written while it is read. A failure on the way breaks the connection, so that
    /// nobody takes a part for the whole.
    static func lines(_ write: @escaping @Sendable (inout any ResponseBodyWriter) async throws -> Void) -> Response {
        Response(
            status: .ok, headers: [.contentType: "application/x-ndjson"],
            body: ResponseBody { writer in
                try await write(&writer)
                try await writer.finish(nil)
            })
    }
}
