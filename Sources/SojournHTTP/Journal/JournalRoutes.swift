// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Sojourn

// `/v1/session/conversations`, `/interactions`, `/recommendations` and `/feedback`: what happened in a session, and
// `/v1/conversations`: what was said in any (J4).
extension SojournAPI {
    /// The routes of the journal.
    static let journalEndpoints =
        JournalKind.allCases.flatMap { [listEntries($0), appendEntries($0)] } + [readEntry, finishTurn, searchTurns]

    /// What the four kinds are called in names of operations.
    private static func name(_ kind: JournalKind) -> String {
        kind.rawValue.prefix(1).uppercased() + kind.rawValue.dropFirst()
    }

    private static func listEntries(_ kind: JournalKind) -> Endpoint {
        Endpoint(
            method: .get, path: "/v1/session/\(kind.rawValue)", operationID: "list\(name(kind))",
            summary: "Lists the session's \(kind.rawValue), newest first.", access: .token, capability: .journal,
            parameters: historyParameters(kind),
            answer: .ok("A page of entries.", .page(of: .entry(kind)))
        ) { call in
            try await call.history(kind, of: .session(try call.own))
        }
    }

    /// The parameters of a history of a kind.
    static func historyParameters(_ kind: JournalKind) -> [Parameter] {
        [.limit, .cursor, .from, .to] + (kind == .conversations ? [.search] : [])
    }

    private static func appendEntries(_ kind: JournalKind) -> Endpoint {
        Endpoint(
            method: .post, path: "/v1/session/\(kind.rawValue)", operationID: "append\(name(kind))",
            summary: "Writes one entry, or an array of them, all or none.", access: .token, capability: .journal,
            parameters: [.idempotencyKey],
            body: Body(schema: .either(.newEntry(kind), .array(of: .newEntry(kind), count: 1...1000))),
            answer: .created(
                "The entry, or `{\"items\": […]}` for an array.",
                .either(.entry(kind), .object(["items": .array(of: .entry(kind))])),
                headers: ["Set-Cookie": .string()]),
            otherAnswers: [
                Answer(
                    status: .accepted,
                    about: "Kept, to be written in a moment, where the server writes through Kafka (`JOURNAL_MODE`).",
                    schema: .either(.ref("QueuedEntry"), .object(["items": .array(of: .ref("QueuedEntry"))])),
                    headers: ["Set-Cookie": .string(), "Location": .string()])
            ],
            problems: kind == .conversations ? [403, 409] : [403]
        ) { call in
            let mayAnswer = call.caller.isService || call.configuration.clientJournal == .all
            guard kind != .recommendations || mayAnswer else {
                throw Problem.forbidden("Recommendations are a service key's to write.")
            }
            let access = try call.own
            let bytes = try await call.bytes()
            let key = try call.idempotencyKey(bytes, access: access)
            let (entries, isArray) = try await call.sentEntries(kind, bytes, mayAnswer: mayAnswer)
            let (drafts, expectedTurns) = (entries.map(\.draft), try expectedTurns(entries))
            var response: Response
            // What the database has to decide it decides at once.
            if call.sessions.queuesJournal, key == nil, expectedTurns == nil {
                let queued = try await call.sessions.enqueue(drafts, to: access)
                response = .json(.accepted) { json in
                    json.oneOrItems(queued, isArray) { $0.queued($1, of: access.id) }
                }
                if let only = queued.first, !isArray { response.headers[.location] = "/v1/journal/\(only.id)" }
            } else {
                let written = try await call.sessions.append(
                    drafts, to: access, expectedTurns: expectedTurns, idempotency: key)
                response = .json(.created) { json in json.oneOrItems(written, isArray) { $0.entry($1) } }
            }
            try await call.renewCookie(in: &response)
            return response
        }
    }

    private static let readEntry = Endpoint(
        method: .get, path: "/v1/journal/{id}", operationID: "getEntry",
        summary: "What became of an entry: the session's own, or anybody's for a service key.", access: .tokenOrService,
        capability: .journal,
        parameters: [.entryID], answer: .ok("The entry, and of which kind it is.", .ref("EntryOfKind")), problems: [404]
    ) { call in
        let access = call.caller.token.map(SessionAccess.token)
        guard let entry = try await call.sessions.entry(try call.entryID, of: access) else {
            throw SojournError.noEntry()
        }
        return .json { json in
            json.object { json in
                json.member("kind", entry.body.kind.rawValue)
                json.key("entry")
                json.entry(entry)
            }
        }
    }

    /// How many turns the session must have had before the first entry. Each entry of an array may say what it expects
    /// before itself; they must agree.
    private static func expectedTurns(_ entries: [SentEntry]) throws -> Int? {
        let starts = Set(
            entries.enumerated().compactMap { index, entry in entry.expectedTurns.map { $0 - Int64(index) } })
        guard starts.count <= 1, starts.allSatisfy({ 0...1_000_000_000 ~= $0 }) else {
            throw Problem.invalid("expected_seq", "Must be the session's turns so far, counted on by one an element.")
        }
        return starts.first.map { Int($0) }
    }

    private static let finishTurn = Endpoint(
        method: .patch, path: "/v1/session/conversations/{id}", operationID: "finishConversation",
        summary: "Gives a turn its response; `extra` is laid over the turn's own as a merge patch.", access: .token,
        capability: .journal, parameters: [.entryID],
        body: Body(schema: .ref("FinishedTurn"), isMergePatch: true),
        answer: .ok("The turn.", .entry(.conversations)), problems: [403, 404, 409]
    ) { call in
        guard call.caller.isService || call.configuration.clientJournal == .all else {
            throw Problem.forbidden("Responses are a service key's to write.", field: "response_text")
        }
        let turn = try call.entryID
        var fields = try await call.fields()
        let response = try fields.requiredString("response_text")
        let extra = try fields.object("extra") ?? [:]
        let expected = try fields.integer("expected_seq")
        try fields.finish()
        guard (0...1_000_000_000).contains(expected ?? 0) else { throw fields.wrong("expected_seq", "a turn's number") }
        let entry = try await call.sessions.finish(
            turn, of: try call.own, response: response, extra: extra, expectedTurns: expected.map { Int($0) })
        return .json { $0.entry(entry) }
    }

    private static let searchTurns = Endpoint(
        method: .get, path: "/v1/conversations", operationID: "searchConversations",
        summary: "Finds the turns of all sessions in which a text stands, newest first.", access: .service,
        capability: .journal, parameters: [.searchOfAll, .from, .to, .limit, .cursor],
        answer: .ok("A page of entries.", .page(of: .entry(.conversations)))
    ) { call in
        try await call.history(.conversations, of: .everybody)
    }
}

extension Call {
    /// The entry that the path names.
    fileprivate var entryID: EntryID {
        get throws {
            guard let id = context.parameters["id"].flatMap({ EntryID($0) }) else {
                throw Problem.invalid("id", "Must be a UUID.")
            }
            return id
        }
    }

    /// A page of a history, as the query asks for it.
    func history(_ kind: JournalKind, of scope: JournalScope) async throws -> Response {
        let query = HistoryQuery(
            from: query.timestamp("from"), to: query.timestamp("to"), text: query["q"])
        let page = try await sessions.history(kind, of: scope, query, page: try self.query.page())
        return .json(capacity: 4096) { $0.page(page) { $0.entry($1) } }
    }

    /// The entries of the body, and whether they came as an array.
    fileprivate func sentEntries(_ kind: JournalKind, _ bytes: ByteBuffer, mayAnswer: Bool) async throws -> (
        [SentEntry], isArray: Bool
    ) {
        let isService = caller.isService
        let body = try await parse(bytes)
        guard case .array(let elements) = body else {
            var fields = try Fields(body)
            return ([try SentEntry(kind, &fields, isService: isService, mayAnswer: mayAnswer)], false)
        }
        guard !elements.isEmpty else { throw Problem.invalid("body", "Must hold at least one entry.") }
        let entries = try elements.enumerated().map { index, element in
            var fields = try Fields(element, place: "[\(index)].")
            return try SentEntry(kind, &fields, isService: isService, mayAnswer: mayAnswer)
        }
        return (entries, true)
    }

    /// The call's idempotency key, in force for this credential and route; nil where none was sent.
    fileprivate func idempotencyKey(_ body: ByteBuffer, access: SessionAccess) throws -> IdempotencyKey? {
        guard let key = request.headers[.idempotencyKey] else { return nil }
        guard (1...128).contains(key.utf8.count), key.utf8.allSatisfy({ (33...126).contains($0) }) else {
            throw Problem.invalid("Idempotency-Key", "Must be 1 to 128 visible ASCII characters.")
        }
        let credential = caller.isService ? SessionAccess.trusted(access.id, as: .service) : access
        return IdempotencyKey(
            key, access: credential, route: "\(endpoint.method) \(endpoint.path)", body: body.readableBytesView)
    }
}
