// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import Sojourn

/// One route: what the router needs to serve it and what the OpenAPI document says about it, in one value, so that the
/// two cannot drift.
struct Endpoint: Sendable {
    /// The method. A `GET` answers `HEAD` as well.
    let method: HTTPRequest.Method
    /// The path as OpenAPI and the router both spell it: `/v1/sessions/{id}`.
    let path: String
    /// Its name in generated clients.
    let operationID: String
    /// What it does, in a sentence.
    let summary: String
    /// Who may call it.
    let access: Access
    /// What the store must be able to do; without it the route answers 501.
    var capability: StoreCapabilities = []
    /// What it takes in path, query and header. Other query parameters are refused.
    var parameters: [Parameter] = []
    /// What it takes as a body; nil for none.
    var body: Body?
    /// What it answers when all is well.
    let answer: Answer
    /// What else it answers when all is well, where that has another status.
    var otherAnswers: [Answer] = []
    /// The further statuses that it answers with a problem, beyond those that follow from the rest of the table.
    var problems: [Int] = []
    /// Whether it answers below its path too, where some proxies append what they were asked for.
    var answersBelow = false
    /// Answers a request.
    let handler: @Sendable (Call) async throws -> Response

    /// Whether a name stands in the path.
    var takesName: Bool { parameters.contains { $0.place == .path } }
}

/// A body that an endpoint takes.
struct Body: Sendable {
    /// What it looks like.
    let schema: Schema
    /// Whether it may be left out.
    var isOptional = false
    /// Whether it is a JSON Merge Patch, which has a media type of its own beside `application/json`.
    var isMergePatch = false

    /// The media types that are taken, the usual one first.
    var contentTypes: [String] {
        isMergePatch ? ["application/merge-patch+json", "application/json"] : ["application/json"]
    }
}

/// What an endpoint answers when all is well.
struct Answer: Sendable {
    /// The status.
    let status: HTTPResponse.Status
    /// What it says in words.
    let about: String
    /// The body; nil for none.
    var schema: Schema?
    /// The media type of the body.
    var contentType = "application/json"
    /// The header fields that it may carry.
    var headers: [String: Schema] = [:]

    /// 200 with JSON.
    static func ok(_ about: String, _ schema: Schema, headers: [String: Schema] = [:]) -> Answer {
        Answer(status: .ok, about: about, schema: schema, headers: headers)
    }

    /// 201 with JSON.
    static func created(_ about: String, _ schema: Schema, headers: [String: Schema] = [:]) -> Answer {
        Answer(status: .created, about: about, schema: schema, headers: headers)
    }

    /// 204.
    static func noContent(_ about: String, headers: [String: Schema] = [:]) -> Answer {
        Answer(status: .noContent, about: about, headers: headers)
    }

    /// 200 with one JSON value a line.
    static func lines(_ about: String) -> Answer {
        Answer(status: .ok, about: about, schema: .string(), contentType: "application/x-ndjson")
    }
}
