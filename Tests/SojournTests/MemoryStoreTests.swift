// SPDX-License-Identifier: Apache-2.0

internal import SojournTesting
internal import Testing

@Suite("The in-memory store")
struct MemoryStoreTests {
    @Test("keeps every example", arguments: ConformanceSuite.cases)
    func keeps(_ example: ConformanceCase) async throws {
        try await example.run(on: .memory)
    }
}
