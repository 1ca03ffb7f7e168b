// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import Sojourn

// `/v1/users/{id}`: what belongs to a user, whatever session it came by (S6).
extension SojournAPI {
    /// The routes of users.
    static let usersEndpoints = [userSessions, endUserSessions, userConversations, exportUser, eraseUser]

    private static let userSessions = Endpoint(
        method: .get, path: "/v1/users/{id}/sessions", operationID: "listUserSessions",
        summary: "Lists a user's sessions, newest first: the live ones unless another status is asked for.",
        access: .service, capability: .sessions,
        parameters: [
            .userID, .limit, .cursor,
            .query(
                "status", .oneOf(statuses), "Where the sessions stand; `active` by default, `all` for every one."),
        ],
        answer: .ok("A page of sessions.", .page(of: .ref("StoredSession")))
    ) { call in
        let status = call.query["status"] ?? SessionStatus.active.rawValue
        let filter = SessionFilter(userID: try call.userID, status: SessionStatus(rawValue: status))
        let page = try await call.sessions.list(filter, page: try call.query.page())
        return .json(capacity: 4096) { $0.page(page) { $0.stored($1) } }
    }

    private static let statuses = SessionStatus.allCases.map(\.rawValue) + ["all"]

    private static let endUserSessions = Endpoint(
        method: .delete, path: "/v1/users/{id}/sessions", operationID: "endUserSessions",
        summary: "Ends all live sessions of a user.", access: .service, capability: .sessions, parameters: [.userID],
        answer: .ok("How many ended.", .object(["ended": .count]))
    ) { call in
        let ended = try await call.sessions.endAll(of: try call.userID)
        return .json { $0.object { $0.member("ended", ended) } }
    }

    private static let userConversations = Endpoint(
        method: .get, path: "/v1/users/{id}/conversations", operationID: "listUserConversations",
        summary: "Lists a user's turns over all sessions, newest first.", access: .service, capability: .journal,
        parameters: [.userID] + historyParameters(.conversations),
        answer: .ok("A page of entries; none for an unknown user.", .page(of: .entry(.conversations)))
    ) { call in
        try await call.history(.conversations, of: .user(try call.userID))
    }

    private static let exportUser = Endpoint(
        method: .get, path: "/v1/users/{id}/export", operationID: "exportUser",
        summary: "All that is kept of a user, the user's sessions and orders, as JSON Lines.", access: .service,
        capability: .sessions,
        parameters: [.userID], answer: .lines("One JSON object a line, told apart by `kind`.")
    ) { call in
        let user = try call.userID
        try await call.sessions.ping()
        let export = Export(sessions: call.sessions)
        return .lines { try await export.write(user, to: &$0) }
    }

    private static let eraseUser = Endpoint(
        method: .delete, path: "/v1/users/{id}", operationID: "eraseUser",
        summary:
            "Erases a user: every session with all that it holds, and every journal entry in the user's name. Orders stay, without the user.",
        access: .service, capability: .sessions, parameters: [.userID],
        answer: .ok("What was erased, and how many orders were detached.", .ref("ErasureReceipt"))
    ) { call in
        let user = try call.userID
        let receipt = try await call.sessions.erase(user)
        return .json { json in
            json.object { json in
                json.member("user_id", user.text)
                json.member("sessions", receipt.sessions)
                json.member("items", receipt.items)
                json.member("orders", receipt.orders)
                for kind in JournalKind.allCases {
                    json.member(named: kind.rawValue, .integer(Int64(receipt.entries[kind] ?? 0)))
                }
            }
        }
    }
}

extension Schema {
    /// The named schemas of users.
    static let userComponents: [String: Schema] = [
        "ErasureReceipt": .object([
            "user_id": .userID, "sessions": .count, "items": .count, "conversations": .count, "interactions": .count,
            "recommendations": .count, "feedback": .count, "orders": .count,
        ])
    ]
}
