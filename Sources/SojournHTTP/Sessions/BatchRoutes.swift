// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import Sojourn

// `/v1/sessions/batch`: many sessions in one call, one result for each element, in the order asked (S10).
extension SojournAPI {
    /// The routes of batches.
    static let batchEndpoints = [createSessions, getSessions, endSessions]

    private static let createSessions = Endpoint(
        method: .post, path: "/v1/sessions/batch/create", operationID: "createSessions",
        summary: "Begins many sessions, each on its own.", access: .service, capability: .sessions,
        body: Body(
            schema: .input(["sessions": .array(of: .ref("BatchSession"), count: 0...1000)], required: ["sessions"])),
        answer: .ok(
            "For each element its session and token, or why there is none.",
            .results(["session": Schema.ref("IssuedSession").orNull, "error": Schema.ref("BatchError").orNull]))
    ) { call in
        var fields = try await call.fields()
        guard let elements = try fields.array("sessions") else { throw fields.missing("sessions") }
        try fields.finish()
        let drafts = try elements.enumerated().map { index, element in
            var fields = try Fields(element, place: "sessions[\(index)].")
            return try SessionDraft(&fields, isService: true)
        }
        let results = try await call.sessions.create(drafts)
        return .json(capacity: 512 * results.count + 64) { json in
            json.results(results) { json, result in
                switch result {
                case .success(let issued):
                    json.key("session")
                    json.object { $0.members(of: issued.session, token: issued.token) }
                    json.member("error", nil as String?)
                case .failure(let error):
                    json.member("session", nil as String?)
                    json.key("error")
                    json.error(Problem(error, access: .service))
                }
            }
        }
    }

    private static let getSessions = Endpoint(
        method: .post, path: "/v1/sessions/batch/get", operationID: "getSessions",
        summary: "Reads many sessions without touching them.", access: .service, capability: .sessions,
        body: Body(schema: .sessionIDs),
        answer: .ok(
            "For each id its session, or null.",
            .results(["session_id": .uuid, "session": Schema.ref("StoredSession").orNull]))
    ) { call in
        let ids = try await call.sessionIDs()
        let found = try await call.sessions.get(ids.map { .trusted($0, as: .service) })
        return .json(capacity: 512 * ids.count + 64) { json in
            json.results(zip(ids, found)) { json, result in
                json.member("session_id", result.0.description)
                json.key("session")
                if let stored = result.1 { json.stored(stored) } else { json.null() }
            }
        }
    }

    private static let endSessions = Endpoint(
        method: .post, path: "/v1/sessions/batch/end", operationID: "endSessions",
        summary: "Ends many sessions, each on its own.", access: .service, capability: .sessions,
        body: Body(schema: .sessionIDs),
        answer: .ok(
            "For each id whether it was live until now.", .results(["session_id": .uuid, "ended": .boolean]))
    ) { call in
        let ids = try await call.sessionIDs()
        let ended = try await call.sessions.end(ids.map { .trusted($0, as: .service) })
        return .json(capacity: 96 * ids.count + 64) { json in
            json.results(zip(ids, ended)) { json, result in
                json.member("session_id", result.0.description)
                json.member("ended", result.1)
            }
        }
    }
}

extension Call {
    /// The session ids of a body `{"ids": […]}`.
    fileprivate func sessionIDs() async throws -> [SessionID] {
        var fields = try await fields()
        guard let values = try fields.array("ids") else { throw fields.missing("ids") }
        try fields.finish()
        return try values.enumerated().map { index, value in
            guard case .string(let text) = value, let id = SessionID(text) else {
                throw fields.wrong("ids[\(index)]", "a UUID")
            }
            return id
        }
    }
}

extension JSONWriter {
    /// `{"results": […]}` with one object for each element.
    mutating func results<Elements: Sequence>(
        _ elements: Elements, _ write: (inout JSONWriter, Elements.Element) -> Void
    ) {
        object { json in
            json.member("results", elements) { json, element in
                json.object { write(&$0, element) }
            }
        }
    }

    /// Why one element of a batch was refused.
    mutating func error(_ problem: Problem) {
        object { json in
            json.member("status", problem.status.code)
            json.member("code", problem.code)
            json.member("detail", problem.detail)
            json.member("field", problem.field)
        }
    }
}

extension Schema {
    /// A body with session ids.
    fileprivate static let sessionIDs = input(["ids": .array(of: .uuid, count: 0...1000)], required: ["ids"])

    /// `{"results": […]}` with objects of these members.
    static func results(_ members: [String: Schema]) -> Schema {
        object(["results": .array(of: .object(members))])
    }

    /// The named schemas of batches.
    ///
    /// A batch refuses an element whose documents break a rule alone, by its result, not the call: so the schema of the
    /// call lets them pass.
    static let batchComponents: [String: Schema] = [
        "BatchSession": newSession(documents: .anyObject),
        "BatchError": .object([
            "status": .integer(400...599), "code": .string(), "detail": .string(), "field": Schema.string().orNull,
        ]),
    ]
}
