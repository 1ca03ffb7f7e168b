// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTypes
import Sojourn
import Testing

@testable import SojournHTTP

/// The document says what the routes do, no more and no less.
@Suite("The OpenAPI document") struct OpenAPIDocumentTests {
    private let api = APITester { $0.metricsText = { "" } }

    /// The document as a client gets it.
    private func paths() async throws -> [String: [String: [String: Any]]] {
        try await api.send(.get, "/openapi.json").json["paths"] as? [String: [String: [String: Any]]] ?? [:]
    }

    /// A path with something in each place.
    private func filled(_ path: String) -> String {
        path.replacing("{id}", with: path.contains("/users/") ? "anna" : "00000000-0000-7000-8000-000000000000")
    }

    @Test("every operation in it is a route, and every other method is not")
    func operationsAreRoutes() async throws {
        let methods: [HTTPRequest.Method] = [.get, .post, .put, .patch, .delete]
        for (path, operations) in try await paths() {
            for method in methods {
                let answer = try await api.send(method, filled(path))
                let isListed = operations[method.rawValue.lowercased()] != nil
                #expect((answer.status != 405) == isListed, "\(method) \(path)")
                #expect(answer.code != "not_found" || operations.isEmpty, "\(method) \(path)")
            }
        }
    }

    @Test("every route is in it")
    func routesAreOperations() async throws {
        let paths = try await paths()
        for endpoint in SojournAPI.endpoints {
            #expect(paths[endpoint.path]?[endpoint.method.rawValue.lowercased()] != nil, "\(endpoint.path)")
        }
        #expect(paths.values.map(\.count).reduce(0, +) == SojournAPI.endpoints.count)
    }

    @Test("every place in a path has its parameter, every operation its own name, every name its schema")
    func holdsTogether() async throws {
        for endpoint in SojournAPI.endpoints {
            let declared = Set(endpoint.parameters.filter { $0.place == .path }.map(\.name))
            let places = endpoint.path.split(separator: "/").filter { $0.first == "{" }
            #expect(declared == Set(places.map { String($0.dropFirst().dropLast()) }), "\(endpoint.path)")
        }
        #expect(Set(SojournAPI.endpoints.map(\.operationID)).count == SojournAPI.endpoints.count)
        let text = try await api.send(.get, "/openapi.json").text
        for match in text.matches(of: #/"#\/components\/schemas\/(\w+)"/#) {
            #expect(OpenAPIDocument.components[String(match.1)] != nil, "\(match.1)")
        }
    }

    @Test("routes answer no status that it does not name")
    func statuses() async throws {
        for endpoint in SojournAPI.endpoints {
            let named = Set(OpenAPIDocument.problems(of: endpoint) + [endpoint.answer.status.code])
            for token in [nil, "x", APITester.key] {
                for body in [nil, "", "{", "[]", "{}"] {
                    let answer = try await api.send(endpoint.method, filled(endpoint.path), body, token: token)
                    #expect(named.contains(answer.status), "\(endpoint.method) \(endpoint.path) \(answer.status)")
                }
            }
        }
    }
}
