// SPDX-License-Identifier: Apache-2.0

internal import Hummingbird
internal import NIOCore
internal import Sojourn

// How far the pipeline is, and what it could not write (K3).
extension SojournAPI {
    /// The routes of the pipeline.
    static let pipelineEndpoints = [pipeline, listDeadLetters, getDeadLetter, retryDeadLetter, dropDeadLetter]

    private static let pipeline = Endpoint(
        method: .get, path: "/v1/admin/pipeline", operationID: "getPipeline",
        summary: "How far the consumers are with what stands in Kafka, now.", access: .service,
        answer: .ok("How far they are.", .ref("Pipeline")), problems: [501, 503]
    ) { call in
        guard let look = call.configuration.pipelineStatus else {
            throw Problem.notAvailable(
                "There is no pipeline here: it needs PostgreSQL (DATABASE_URL) and Kafka's brokers (KAFKA_BROKERS).")
        }
        let status = try await look()
        return .json(capacity: 4096) { $0.raw(status.json.text) }
    }

    private static let listDeadLetters = Endpoint(
        method: .get, path: "/v1/admin/dead-letters", operationID: "listDeadLetters",
        summary:
            "Lists messages that could not be written, the latest first: the open ones unless another state is asked for.",
        access: .service, capability: .deadLetters,
        parameters: [
            .query(
                "state", .oneOf(DeadLetter.State.allCases.map(\.rawValue) + ["all"]),
                "What was done about them; `open` by default, `all` for every one."),
            .limit, .cursor,
        ],
        answer: .ok("A page of letters.", .page(of: .ref("DeadLetter")))
    ) { call in
        let state = call.query["state"] ?? DeadLetter.State.open.rawValue
        let page = try await call.sessions.deadLetters.list(
            try call.query.page(), state: DeadLetter.State(rawValue: state))
        return .rows(page, \.json)
    }

    private static let getDeadLetter = Endpoint(
        method: .get, path: "/v1/admin/dead-letters/{id}", operationID: "getDeadLetter",
        summary: "Reads a message that could not be written, and why.", access: .service, capability: .deadLetters,
        parameters: [.letterID], answer: .ok("The letter.", .ref("DeadLetter")), problems: [404]
    ) { call in
        try .letter(await call.sessions.deadLetters.letter(try call.letterID))
    }

    private static let retryDeadLetter = Endpoint(
        method: .post, path: "/v1/admin/dead-letters/{id}/retry", operationID: "retryDeadLetter",
        summary:
            "Tries to write an open letter once more; one that still cannot be written stays open, and 422 says why.",
        access: .service, capability: .deadLetters, parameters: [.letterID],
        answer: .ok("The letter, which is written.", .ref("DeadLetter")), problems: [404, 409]
    ) { call in
        do {
            return try .letter(await call.sessions.deadLetters.retry(try call.letterID))
        } catch let error as SojournError where error.isAboutData || error.code == .noSession {
            // What is wrong is so with the message, not with the request.
            throw Problem(
                status: .unprocessableContent, code: "letter_refused", detail: "The letter stays open. \(error)")
        }
    }

    private static let dropDeadLetter = Endpoint(
        method: .post, path: "/v1/admin/dead-letters/{id}/drop", operationID: "dropDeadLetter",
        summary: "Gives an open letter up; it is kept.", access: .service, capability: .deadLetters,
        parameters: [.letterID], answer: .ok("The letter, which is dropped.", .ref("DeadLetter")),
        problems: [404, 409]
    ) { call in
        try .letter(await call.sessions.deadLetters.drop(try call.letterID))
    }
}

extension Call {
    /// The dead letter that the path names.
    fileprivate var letterID: Int64 {
        get throws {
            guard let text = context.parameters["id"], text.utf8.allSatisfy({ (48...57).contains($0) }),
                let id = Int64(text), id > 0
            else { throw Problem.invalid("id", "Must be a whole number from 1.") }
            return id
        }
    }
}

extension Response {
    /// A dead letter; 404 where there is none.
    fileprivate static func letter(_ letter: DeadLetter?) throws -> Response {
        try .row(letter?.json, "dead letter")
    }
}

extension Schema {
    /// The named schemas of the pipeline.
    static let pipelineComponents: [String: Schema] = [
        "Pipeline": .object([
            "group": .string(), "lag": .count, "open_dead_letters": .count, "dropped": .count,
            "partitions": array(
                of: .object([
                    "topic": .string(), "partition": .count, "position": .count, "end": .count, "lag": .count,
                ])),
            "timestamp": .time,
        ]),
        "DeadLetter": .object([
            "letter_id": .letterID, "group": .string(), "topic": .string(), "partition": .count,
            "content": .oneOf(StreamContent.allCases.map(\.rawValue)), "offset": .count,
            "key": string().orNull, "value": string().orNull, "reason": .string(),
            "state": .oneOf(DeadLetter.State.allCases.map(\.rawValue)), "created_at": .time,
            "settled_at": time.orNull,
        ]),
    ]
}
