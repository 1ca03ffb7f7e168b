// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Sojourn

// What machines ask about this process.
extension SojournAPI {
    /// The routes of health, metrics and the OpenAPI document.
    static let healthEndpoints = [health, readiness, openAPI, metrics]

    private static let health = Endpoint(
        method: .get, path: "/healthz", operationID: "getHealth",
        summary: "Says that this process runs; asks no store.", access: .anyone,
        answer: .ok("It runs.", .object(["status": .oneOf(["ok"])]))
    ) { _ in
        .json { $0.object { $0.member("status", "ok") } }
    }

    private static let readiness = Endpoint(
        method: .get, path: "/readyz", operationID: "getReadiness",
        summary: "Says whether the store answers, lets itself be written to, and has room for the days ahead.",
        access: .anyone,
        capability: .sessions,
        answer: .ok("It does.", .object(["status": .oneOf(["ready"])]))
    ) { call in
        try await call.sessions.ping()
        if call.sessions.capabilities.contains(.partitions) {
            let status = try await call.sessions.partitions()
            if status.isShort { throw Problem.partitionsMissing(status) }
        }
        return .json { $0.object { $0.member("status", "ready") } }
    }

    private static let openAPI = Endpoint(
        method: .get, path: "/openapi.json", operationID: "getOpenAPI",
        summary: "This document.", access: .anyone,
        answer: .ok("An OpenAPI 3.1 document.", .anyObject)
    ) { call in
        Response(
            status: .ok, headers: [.contentType: "application/json"],
            body: ResponseBody(byteBuffer: call.api.openAPIDocument))
    }

    private static let metrics = Endpoint(
        method: .get, path: "/metrics", operationID: "getMetrics",
        summary: "Metrics in Prometheus text format.", access: .service,
        answer: Answer(
            status: .ok, about: "The metrics.", schema: .string(), contentType: "text/plain; version=0.0.4"),
        problems: [501]
    ) { call in
        guard let text = call.configuration.metricsText else {
            throw Problem.notAvailable("This process keeps no metrics.")
        }
        return Response(
            status: .ok, headers: [.contentType: call.endpoint.answer.contentType],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text())))
    }
}
