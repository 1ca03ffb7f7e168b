// SPDX-License-Identifier: Apache-2.0

import Foundation
import Sojourn
import SojournHTTP
import SojournServer
import Testing

@Suite("The service key's file")
struct ServiceKeyFileTests {
    private let folder = NSTemporaryDirectory() + "service-key-\(UUID().uuidString)"

    @Test("Is made once, for its owner alone, and read from then on")
    func makes() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let file = ServiceKeyFile(dataFolder: folder)
        #expect(try file.read() == nil)
        let key = try file.readOrMake()
        #expect(try file.readOrMake() == key)
        #expect(try ServiceKeyFile(dataFolder: folder).read() == key)
        let mode = try FileManager.default.attributesOfItem(atPath: file.path)[.posixPermissions] as? Int
        #expect(mode == 0o600)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["service.key"])
    }

    @Test("Two that make it at once get the same key")
    func race() async throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let keys = try await withThrowingTaskGroup(of: ServiceKey.self) { [folder] group in
            for _ in 0..<8 { group.addTask { try ServiceKeyFile(dataFolder: folder).readOrMake() } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(keys.count == 1)
    }

    @Test("A file that holds something else is refused, and kept")
    func damaged() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let file = ServiceKeyFile(dataFolder: folder)
        try Data("nonsense".utf8).write(to: URL(fileURLWithPath: file.path))
        #expect(throws: SojournError.self) { try file.readOrMake() }
        #expect(FileManager.default.contents(atPath: file.path) == Data("nonsense".utf8))
    }

    @Test("New keys differ, and say sjk_")
    func new() {
        let keys = Set((0..<100).map { _ in ServiceKeyFile.newText() })
        #expect(keys.count == 100)
        #expect(keys.allSatisfy { $0.hasPrefix("sjk_") && $0.utf8.count == 47 })
    }

    @Test("A server on a shared store has to be given its key; one on a file makes its own")
    func shared() throws {
        let key = "sjk_0123456789abcdef0123456789abcdef"
        let url = "postgresql://me@db/sojourn"
        let settings = try Settings(variables: ["DATABASE_URL": url, "DATA_DIR": folder])
        for call in [{ try settings.requireServiceKey() }, { _ = try ServiceKeyFile.text(for: settings) }] {
            let error = try #require(throws: SettingsError.self) { try call() }
            #expect(
                "\(error)" == "SOJOURN_SERVICE_KEY: expected a key, since servers on PostgreSQL share it: "
                    + "`sojourn key new` prints one")
        }
        try Settings(variables: ["DATABASE_URL": url, "SOJOURN_SERVICE_KEY": key]).requireServiceKey()
        try Settings(variables: ["DATABASE_URL": "sqlite:a.db"]).requireServiceKey()
    }
}
