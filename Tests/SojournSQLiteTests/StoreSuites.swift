// SPDX-License-Identifier: Apache-2.0

import Foundation
import SojournSQLite
import SojournTesting
import Testing

/// The SQLite store against the suites that every store is proved with; each example has a database file of its own.
@Suite("The SQLite store")
struct StoreSuites {
    private static let sqlite = StoreUnderTest("SQLiteStore") { clock in
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sojourn-suite-\(UUID())").path
        return try SQLiteStore(path: folder + "/sojourn.db", clock: clock)
    } close: { store in
        guard let store = store as? SQLiteStore else { return }
        try await store.close()
        try FileManager.default.removeItem(at: URL(fileURLWithPath: store.path).deletingLastPathComponent())
    }

    @Test("keeps every example", arguments: ConformanceSuite.cases)
    func keeps(_ example: ConformanceCase) async throws {
        try await example.run(on: Self.sqlite)
    }

    @Test("is linearizable and keeps the laws, as far as the explorer sees")
    func explorerFindsNothing() async throws {
        try await Explorer(Self.sqlite).expectNoFailure()
    }
}
