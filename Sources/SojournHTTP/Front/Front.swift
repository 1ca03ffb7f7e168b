// SPDX-License-Identifier: Apache-2.0

internal import HTTPTypes
internal import Hummingbird
internal import Logging
internal import Metrics
internal import Sojourn
internal import Tracing

/// What every request passes on its way in and out, in one step: its name, its span, the answer to an error, the header
/// fields that all answers carry, the count, the line in the log.
struct Front: Sendable {
    private let configuration: HTTPConfiguration
    private let requestIDs = RequestIDs()
    private var logger: Logger { configuration.logger }
    /// False where nobody has set up a tracer: then no request pays for a span.
    private let isTraced: Bool

    /// The front of a configuration; metrics and tracing must have been set up before.
    init(_ configuration: HTTPConfiguration) {
        self.configuration = configuration
        isTraced = !(InstrumentationSystem.tracer is NoOpTracer)
    }

    /// Answers a request by `handler`, whatever happens in it.
    ///
    /// - Parameter access: who the route is for; see `Problem`.
    /// - Throws: only what breaks the connection.
    func answer(
        _ request: Request, context: SojournContext, meter: RouteMeter, access: Access,
        by handler: () async throws -> Response
    ) async throws -> Response {
        let began = configuration.uptime()
        let requestID = requestIDs.id(for: request.headers)
        var response: Response
        do {
            response = isTraced ? try await traced(request, meter, handler) : try await handler()
        } catch let error as BodyUnreadable {
            throw error.cause
        } catch {
            let problem = Problem(error, access: access)
            report(error, answeredBy: problem, requestID: requestID, meter: meter)
            response = problem.response(requestID: requestID)
        }
        finish(&response, of: request, requestID: requestID)
        let elapsed = configuration.uptime() - began
        meter.count(status: response.status.code, elapsed: elapsed)
        log(response.status, elapsed, requestID: requestID, meter: meter)
        return response
    }

    // MARK: Out

    private func finish(_ response: inout Response, of request: Request, requestID: String) {
        if request.method == .head { response = response.createHeadResponse() }
        response.headers.append(HTTPField(name: .xRequestID, value: requestID))
        response.headers.append(HTTPField(name: .xContentTypeOptions, value: "nosniff"))
        if !response.headers.contains(.cacheControl) {
            response.headers.append(HTTPField(name: .cacheControl, value: "no-store"))
        }
        guard !configuration.allowedOrigins.isEmpty else { return }
        response.headers.append(HTTPField(name: .vary, value: "Origin"))
        guard let origin = request.headers[.origin],
            WebOrigin(origin).map(configuration.allowedOrigins.contains) == true
        else { return }
        response.headers.append(HTTPField(name: .accessControlAllowOrigin, value: origin))
        response.headers.append(HTTPField(name: .accessControlAllowCredentials, value: "true"))
        response.headers.append(
            HTTPField(
                name: .accessControlExposeHeaders,
                value: "Age, ETag, Location, Retry-After, Sojourn-Source, X-Request-Id"))
    }

    // MARK: Logs

    /// Failures of our own, and damage, are logged with all that is known of them; the client learns none of it.
    private func report(
        _ error: any Error, answeredBy problem: Problem, requestID: String, meter: RouteMeter
    ) {
        guard problem.status.code >= 500, problem.status.code != 501 else { return }
        logger.error(
            "A request failed",
            metadata: [
                "request_id": .string(requestID), "route": .string("\(meter.method) \(meter.route)"),
                "code": .string(problem.code), "error": .string(String(reflecting: error)),
            ])
    }

    private func log(
        _ status: HTTPResponse.Status, _ elapsed: Duration, requestID: String, meter: RouteMeter
    ) {
        guard configuration.accessLog != .off else { return }
        let level: Logger.Level =
            switch status.code {
            // 501 tells a client what this store cannot do; nothing failed.
            case 400..<500, 501: .info
            case 500...: .error
            default: configuration.accessLog == .all ? .info : .debug
            }
        guard logger.logLevel <= level else { return }
        logger.log(
            level: level, "request",
            metadata: [
                "request_id": .string(requestID), "method": .string(meter.method), "route": .string(meter.route),
                "status": .stringConvertible(status.code), "seconds": .stringConvertible(elapsed.inSeconds),
            ])
    }

    // MARK: Traces

    private func traced(_ request: Request, _ meter: RouteMeter, _ handler: () async throws -> Response) async throws
        -> Response
    {
        var parent = ServiceContext.current ?? .topLevel
        InstrumentationSystem.instrument.extract(request.headers, into: &parent, using: FieldsExtractor())
        return try await InstrumentationSystem.tracer.withSpan(
            "\(meter.method) \(meter.route)", context: parent, ofKind: .server
        ) { span in
            span.attributes["http.request.method"] = meter.method
            span.attributes["http.route"] = meter.route
            let response = try await handler()
            span.attributes["http.response.status_code"] = response.status.code
            return response
        }
    }
}

/// Reads a trace's context from a request's header fields (W3C Trace Context, or whatever the tracer uses).
private struct FieldsExtractor: Extractor {
    func extract(key: String, from fields: HTTPFields) -> String? {
        HTTPField.Name(key).flatMap { fields[$0] }
    }
}
