// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import NIOCore
internal import Sojourn

/// The OpenAPI 3.1 document of a table of endpoints.
struct OpenAPIDocument {
    /// The routes.
    let endpoints: [Endpoint]
    /// The visitor's cookie, whose name depends on the configuration.
    let cookie: SessionCookie

    /// The document as JSON.
    var buffer: ByteBuffer { ByteBuffer(string: json.text) }

    /// The document as a tree.
    var json: JSONValue {
        .object([
            "openapi": .string("3.1.0"),
            "info": .object([
                "title": .string("Sojourn"), "version": .string("1"),
                "description": .string(
                    "Sessions, the items that they hold, the journal of what happened in them, and retail."),
                "license": .object(["name": .string("Apache-2.0"), "identifier": .string("Apache-2.0")]),
            ]),
            "paths": .object(paths),
            "components": .object([
                "schemas": .object(Self.components.mapValues { .object($0.json) }),
                "securitySchemes": .object(securitySchemes),
            ]),
        ])
    }

    private var paths: [String: JSONValue] {
        Dictionary(grouping: endpoints, by: \.path).mapValues { endpoints in
            var item: [String: JSONValue] = [:]
            for endpoint in endpoints { item[endpoint.method.rawValue.lowercased()] = operation(endpoint) }
            return .object(item)
        }
    }

    private func operation(_ endpoint: Endpoint) -> JSONValue {
        var json: [String: JSONValue] = [
            "operationId": .string(endpoint.operationID), "summary": .string(endpoint.summary),
            "security": security(endpoint.access), "responses": .object(responses(endpoint)),
        ]
        if !endpoint.parameters.isEmpty { json["parameters"] = .array(endpoint.parameters.map(Self.parameter)) }
        if let body = endpoint.body {
            json["requestBody"] = .object([
                "required": .bool(!body.isOptional), "content": Self.content(body.schema, body.contentTypes),
            ])
        }
        return .object(json)
    }

    private static func parameter(_ parameter: Parameter) -> JSONValue {
        .object([
            "name": .string(parameter.name), "in": .string(parameter.place.rawValue),
            "description": .string(parameter.about), "required": .bool(parameter.isRequired),
            "schema": .object(parameter.schema.json),
        ])
    }

    private static func content(_ schema: Schema, _ types: [String]) -> JSONValue {
        .object(Dictionary(uniqueKeysWithValues: types.map { ($0, .object(["schema": .object(schema.json)])) }))
    }
}

// MARK: - Answers

extension OpenAPIDocument {
    private func responses(_ endpoint: Endpoint) -> [String: JSONValue] {
        var responses: [String: JSONValue] = [:]
        for answer in [endpoint.answer] + endpoint.otherAnswers {
            var headers = answer.headers
            headers["X-Request-Id"] = .string()
            var good: [String: JSONValue] = [
                "description": .string(answer.about), "headers": Self.headers(headers),
            ]
            if let schema = answer.schema { good["content"] = Self.content(schema, [answer.contentType]) }
            responses[String(answer.status.code)] = .object(good)
        }
        for status in Self.problems(of: endpoint) {
            var headers: [String: Schema] = ["X-Request-Id": .string()]
            if status == 401 { headers["WWW-Authenticate"] = .string() }
            if status == 429 || status == 503 { headers["Retry-After"] = .integer(1...3600) }
            responses[String(status)] = .object([
                "description": .string(HTTPResponse.Status(code: status).reasonPhrase),
                "headers": Self.headers(headers),
                "content": Self.content(.ref("Problem"), [Problem.contentType]),
            ])
        }
        return responses
    }

    private static func headers(_ headers: [String: Schema]) -> JSONValue {
        .object(headers.mapValues { .object(["schema": .object($0.json)]) })
    }

    /// Every status that an endpoint answers with a problem: those of its own, and those that follow from its access
    /// rule, its body and the store.
    static func problems(of endpoint: Endpoint) -> [Int] {
        var statuses = Set(endpoint.problems).union([400, 422, 500])
        switch endpoint.access {
        case .anyone: break
        case .anyoneOrService, .service: statuses.formUnion([401, 403, 429])
        case .token, .tokenOrService: statuses.formUnion(endpoint.method == .get ? [401, 429] : [401, 403, 429])
        }
        if endpoint.body != nil { statuses.formUnion([413, 415]) }
        if !endpoint.capability.isEmpty { statuses.formUnion([501, 503]) }
        return statuses.sorted()
    }
}

// MARK: - Who may call

extension OpenAPIDocument {
    private var securitySchemes: [String: JSONValue] {
        func key(_ place: String, _ name: String, _ about: String) -> JSONValue {
            .object([
                "type": .string("apiKey"), "in": .string(place), "name": .string(name), "description": .string(about),
            ])
        }
        func bearer(_ about: String) -> JSONValue {
            .object(["type": .string("http"), "scheme": .string("bearer"), "description": .string(about)])
        }
        return [
            "sessionToken": bearer("A session's token."),
            "sessionCookie": key("cookie", cookie.name, "A session's token, in the visitor's browser."),
            "serviceKey": bearer("A service key, which begins with `sjk_`."),
            "visitorToken": key("header", "X-Session-Token", "Beside a service key: the visitor's token."),
        ]
    }

    private func security(_ access: Access) -> JSONValue {
        let none = JSONValue.object([:])
        func require(_ names: String...) -> JSONValue {
            .object(Dictionary(uniqueKeysWithValues: names.map { ($0, .array([])) }))
        }
        return switch access {
        case .anyone: .array([])
        case .anyoneOrService: .array([none, require("serviceKey")])
        case .token:
            .array([require("sessionToken"), require("sessionCookie"), require("serviceKey", "visitorToken")])
        case .tokenOrService:
            .array([require("sessionToken"), require("sessionCookie"), require("serviceKey")])
        case .service: .array([require("serviceKey")])
        }
    }
}

// MARK: - Named schemas

extension OpenAPIDocument {
    /// The schemas that operations refer to by name.
    static let components: [String: Schema] = [
        Schema.problemComponents, Schema.freeComponents, Schema.sessionComponents, Schema.eventComponents,
        Schema.batchComponents, Schema.itemComponents, Schema.journalComponents, Schema.userComponents,
        Schema.adminComponents, Schema.cacheComponents, Schema.partitionsComponents, Schema.retailComponents,
        Schema.pipelineComponents,
    ].reduce(into: [:]) { $0.merge($1) { $1 } }
}

extension Schema {
    /// The named schema of problems (RFC 9457).
    static let problemComponents: [String: Schema] = [
        "Problem": .object(
            [
                "type": .string(), "title": .string(), "status": .integer(400...599), "detail": .string(),
                "code": .string(pattern: "^[a-z_]+$"), "field": .string(), "request_id": .string(),
                "limit": .count, "version": .count, "current_seq": .count, "seconds_ahead": .count,
                "unknown_ids": .array(of: .integer(Int64.min...Int64.max)), "good": .boolean, "findings": findings,
            ],
            optional: [
                "field", "limit", "version", "current_seq", "seconds_ahead", "unknown_ids", "good", "findings",
            ])
    ]
}
