// SPDX-License-Identifier: Apache-2.0

import Foundation
import Sojourn
import SojournPostgres
import Testing

/// What the integrity check finds beside damage.
@Suite("Integrity", .onPostgres)
struct IntegrityTests {
    @Test(
        "a database whose LC_CTYPE knows Latin letters alone is told of where searches have an index",
        arguments: [("C", false), ("C.UTF-8", true)])
    func letters(_ locale: String, ofAny: Bool) async throws {
        let name = "letters_" + UUID().uuidString.lowercased().replacing("-", with: "")
        try await TestServer.administer(
            "CREATE DATABASE \(name) TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE '\(locale)'")
        let store = PostgresStore(try TestServer.configuration(name), logger: TestServer.logger)
        defer { store.close() }
        try await store.migrate()
        let finding = try #require(try await store.integrity().findings.first { $0.check == "search index" })
        #expect(finding.isGood)
        #expect((finding.detail == "of any letters") == ofAny && finding.detail.contains("LC_CTYPE C.UTF-8") == !ofAny)
    }
}
