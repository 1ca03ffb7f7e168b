// SPDX-License-Identifier: Apache-2.0

import Foundation
import Sojourn
import SojournSQLite
import Testing
import TierTestSupport

/// Two nodes before one SQLite file under load.
@Suite("Redis failing under load", .timeLimit(.minutes(30)))
struct RedisTieringLoadTests {
    @Test("no live session is refused, no ended one opens, and every validation is counted")
    func holds() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("sojourn-load-\(UUID())").path
        let truth = try SQLiteStore(path: folder + "/sojourn.db")
        let other = try SQLiteStore(path: folder + "/sojourn.db")
        try await TierLoad(truth) { id in
            let isEnded = try await other.end([.trusted(id, as: .cli)])
            #expect(isEnded == [true])
        }.run()
        try await other.close()
        try await truth.close()
        try FileManager.default.removeItem(atPath: folder)
    }
}
