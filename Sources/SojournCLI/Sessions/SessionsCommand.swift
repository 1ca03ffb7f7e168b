// SPDX-License-Identifier: Apache-2.0

public import ArgumentParser
public import Sojourn
internal import SojournServer

/// `sojourn sessions`.
struct SessionsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sessions", abstract: "List, show and end sessions, and tell what happened to one.",
        subcommands: [List.self, Show.self, End.self, Why.self], defaultSubcommand: List.self)

    /// `sojourn sessions list`.
    struct List: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "List sessions, newest first.")

        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        @Option(help: "Only this user's.")
        var user: String?

        @Option(help: "Only of this type: \(SessionType.allCases.map(\.rawValue).joined(separator: ", ")).")
        var type: SessionType?

        @Option(help: "Only those that stand so: \(SessionStatus.allCases.map(\.rawValue).joined(separator: ", ")).")
        var status: SessionStatus?

        @OptionGroup var paging: PageOptions

        func work() async throws {
            let filter = SessionFilter(userID: try user.map(userID), type: type, status: status)
            let request = try paging.request()
            let page = try await store.open().sessions.list(filter, page: request)
            guard !output.json else { return paging.say(page.items.map(\.json), next: page.next) }
            var table = Table("session", "status", "type", "user", "last activity", "expires", "#requests")
            table.rows = page.items.map { stored in
                let session = stored.session
                return [
                    session.id.description, stored.status.rawValue, session.type.rawValue,
                    session.userID?.text ?? "-", session.lastActivity.shown, session.expiresAt.shown,
                    session.requestCount.grouped,
                ]
            }
            paging.say(table, next: page.next)
            if page.items.isEmpty { Terminal.remark("No such sessions.\n") }
        }
    }

    /// `sojourn sessions show`.
    struct Show: OperatorCommand {
        static let configuration = CommandConfiguration(abstract: "Show one session, live or ended.")

        @Argument(help: "The session's id.")
        var id: String

        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func work() async throws {
            let id = try sessionID(self.id)
            guard let stored = try await store.open().sessions.get(.trusted(id, as: .cli)) else {
                throw SojournError.noSession()
            }
            guard !output.json else { return Terminal.say(stored.json.text) }
            let session = stored.session
            var rows = [
                ("session", session.id.description), ("status", stored.status.rawValue),
                ("type", session.type.rawValue), ("user", session.userID?.text ?? "-"),
                ("created", session.createdAt.shown), ("last activity", session.lastActivity.shown),
                ("expires", session.expiresAt.shown), ("cap", session.absoluteExpiresAt?.shown ?? "-"),
                ("requests", session.requestCount.grouped), ("version", String(session.version)),
                ("address", session.ipAddress ?? "-"), ("agent", session.userAgent ?? "-"),
                ("metadata", session.metadata.text), ("claims", session.claims.text),
            ]
            if let end = session.end { rows.append(("ended", "\(end.at.shown), \(end.reason.rawValue)")) }
            for (name, value) in rows {
                Terminal.say(name + String(repeating: " ", count: 15 - name.count) + value.escapingControls())
            }
        }
    }

    /// `sojourn sessions end`.
    struct End: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "End sessions for good, by id or all of a user's; a running server knows at once.")

        @Argument(help: "The sessions' ids.")
        var ids: [String] = []

        @Option(help: "End all of this user's instead.")
        var user: String?

        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard ids.isEmpty != (user == nil) else { throw ValidationError("Name sessions, or a user by --user.") }
        }

        func work() async throws {
            let accesses = try ids.map { SessionAccess.trusted(try sessionID($0), as: .cli) }
            let sessions = try await store.open().sessions
            if let user {
                let ended = try await sessions.endAll(of: try userID(user), by: .cli)
                return Terminal.say(
                    output.json ? JSONValue.object(["ended": .count(ended)]).text : "Ended \(ended.grouped).")
            }
            let ended = try await sessions.end(accesses)
            for (access, ended) in zip(accesses, ended) {
                Terminal.say(
                    output.json
                        ? JSONValue.object(["session_id": .string("\(access.id)"), "ended": .bool(ended)]).text
                        : "\(access.id)  \(ended ? "ended" : "no live session")")
            }
            guard ended.allSatisfy(\.self) else { throw ExitCode(2) }
        }
    }

    /// `sojourn sessions why`.
    struct Why: OperatorCommand {
        static let configuration = CommandConfiguration(
            abstract: "Tell what happened to a session, by whom and when, newest first.")

        @Argument(help: "The session's id.")
        var id: String

        @OptionGroup var store: StoreOptions
        @OptionGroup var output: OutputOptions

        func work() async throws {
            let id = try sessionID(self.id)
            let sessions = try await store.open().sessions
            guard let facts = try await sessions.facts(of: id),
                let stored = try await sessions.get(.trusted(id, as: .cli))
            else { throw SojournError.noSession() }
            guard !output.json else {
                let rows = facts.facts.map { fact in
                    JSONValue.object([
                        "at": .time(fact.at), "kind": .string(fact.kind.rawValue),
                        "actor": .string(fact.actor.rawValue), "detail": .text(fact.detail),
                    ])
                }
                let all = ["items": JSONValue.array(rows), "folded": .count(facts.folded), "next": .null]
                return Terminal.say(JSONValue.object(all).text)
            }
            let end = stored.session.end.map { " since \($0.at.shown) (\($0.reason.rawValue))" } ?? ""
            Terminal.say("\(id) is \(stored.status.rawValue)\(end).\n")
            var table = Table("when", "what", "by", "more")
            table.rows = facts.facts.map { [$0.at.shown, $0.kind.rawValue, $0.actor.rawValue, $0.detail ?? ""] }
            Terminal.say(table.text)
            if facts.folded > 0 { Terminal.say("and \(facts.folded.grouped) older ones, not kept") }
        }
    }
}

extension SessionType: ExpressibleByArgument {}
extension SessionStatus: ExpressibleByArgument {}

/// The session that an argument names.
func sessionID(_ text: String) throws -> SessionID {
    guard let id = SessionID(text) else { throw ValidationError("\(text) is no session id: a UUID is expected.") }
    return id
}

/// The user that an argument names.
func userID(_ text: String) throws -> UserID {
    guard let user = UserID(text) else { throw ValidationError("A user is 1 to \(UserID.lengthMax) characters.") }
    return user
}

extension StoredSession {
    /// The session as the HTTP contract shows it to a service key.
    var json: JSONValue {
        .object([
            "session_id": .string(session.id.description), "user_id": .text(session.userID?.text),
            "type": .string(session.type.rawValue), "metadata": .object(session.metadata.members),
            "claims": .object(session.claims.members), "version": .count(session.version),
            "created_at": .time(session.createdAt), "last_activity": .time(session.lastActivity),
            "expires_at": .time(session.expiresAt), "absolute_expires_at": .time(session.absoluteExpiresAt),
            "request_count": .count(session.requestCount), "ip_address": .text(session.ipAddress),
            "user_agent": .text(session.userAgent), "status": .string(status.rawValue),
            "ended_at": .time(session.end?.at), "end_reason": .text(session.end?.reason.rawValue),
        ])
    }
}
