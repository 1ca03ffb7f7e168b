// SPDX-License-Identifier: Apache-2.0
import Foundation
import Logging
import Sojourn
import SojournHTTP
import Testing

@testable import SojournServer

/// Settings from real files in a folder of the test's own.
@Suite("Settings from files") final class SettingsLoadTests {
    /// The folder, removed afterwards.
    private let folder = FileManager.default.temporaryDirectory.appending(path: "sojourn-\(UUID().uuidString)").path

    /// Makes the folder.
    init() throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: folder)
    }

    @Test("flags win over the environment, that over .env, that over sojourn.yaml") func precedence() async throws {
        try write("sojourn.yaml", "host: yaml\nport: 1\ndata_dir: yaml\nlog_level: error\n")
        try write(".env", "HOST=file\nPORT=2\nDATA_DIR=file\n")
        let settings = try await Settings.load(
            flags: ["HOST": "flag"], environment: ["HOST": "env", "PORT": "3"], folder: folder)
        #expect(settings.host == "flag")
        #expect(settings.port == 3)
        #expect(settings.dataFolder == "file")
        #expect(settings.logLevel == .error)
        let sources = Dictionary(uniqueKeysWithValues: settings.describe().map { ($0.name, $0.source) })
        #expect(sources["HOST"] == .flag)
        #expect(sources["PORT"] == .environment)
        #expect(sources["DATA_DIR"] == .environmentFile)
        #expect(sources["LOG_LEVEL"] == .file)
        #expect(sources["ACCESS_LOG"] == .standard)
        #expect(settings.warnings.isEmpty)
    }

    @Test("a list may be a list in YAML, or text with commas") func lists() async throws {
        try write("sojourn.yaml", "trusted_proxies: [10.0.0.0/8, '::1']\ncors_origins: https://a.example\n")
        let settings = try await Settings.load(environment: [:], folder: folder)
        #expect(settings.trustedProxies.count == 2)
        #expect(settings.corsOrigins.count == 1)
        #expect(settings.describe().first { $0.name == "TRUSTED_PROXIES" }?.source == .file)
    }

    @Test("a type's policy stands in YAML, and a variable wins over it") func typesOfSession() async throws {
        try write("sojourn.yaml", "types:\n  voice:\n    life: 10m\n    renewal: fixed\n")
        let settings = try await Settings.load(environment: ["SESSION_TYPES_VOICE_LIFE": "5m"], folder: folder)
        #expect(settings.policies[.voice].life == .seconds(300))
        #expect(settings.policies[.voice].renewal == .fixed)
        #expect(settings.policies[.chat] == SessionPolicy())
    }

    @Test("a name that nothing reads is a warning") func unknownNames() async throws {
        try write("sojourn.yaml", "prot: 1\ntypes: {voice: {live: 1h}, chat: {life: 1h}}\n")
        try write(".env", "SOJOURN_SERVICE_KEYS=x\nOTHER=1\nnonsense\n")
        let settings = try await Settings.load(
            environment: ["SOJOURN_X": "1", "SESSION_TYPES_VOICE_LIVE": "1", "PATH": "/bin"], folder: folder)
        #expect(
            settings.warnings == [
                "SESSION_TYPES_VOICE_LIVE (environment): nothing reads it",
                "SOJOURN_X (environment): nothing reads it",
                "SOJOURN_SERVICE_KEYS (.env): nothing reads it",
                ".env, line 3: neither NAME=value nor a comment",
                "sojourn.yaml: nothing reads \"prot\"",
                "sojourn.yaml: nothing reads \"types.voice.live\"",
            ])
    }

    @Test("a file of nothing but comments says nothing", arguments: ["", "# port: 1\n\n  # host: a\n", "---\n"])
    func emptyFile(text: String) async throws {
        try write("sojourn.yaml", text)
        try write(".env", "\n# A=1\n")
        #expect(try await Settings.load(environment: [:], folder: folder).port == 8080)
    }

    @Test("a file that is no mapping stops the start, and does not show its lines") func brokenFile() async throws {
        for text in ["port: [1\nsojourn_service_key: sjk_secret\n", "- sjk_secret\n", "a: b: sjk_secret\n"] {
            try write("sojourn.yaml", text)
            let error = await #expect(throws: SettingsError.self) {
                try await Settings.load(environment: [:], folder: self.folder)
            }
            #expect(error?.problems.first?.name == "sojourn.yaml")
            #expect(error.map { !"\($0)".contains("secret") } == true, "\(error.map { "\($0)" } ?? "")")
        }
    }

    @Test("a setting of the wrong shape is refused") func wrongShape() async throws {
        try write("sojourn.yaml", "port: [1, 2]\n")
        let error = await #expect(throws: SettingsError.self) {
            try await Settings.load(environment: [:], folder: self.folder)
        }
        #expect(
            error?.problems.map(\.description) == [
                "PORT: found \"a list\" (sojourn.yaml), expected a whole number from 0 to 65535"
            ])
    }

    @Test(
        ".env is read as shells and Compose do",
        arguments: [
            ("A=b", "b"), ("export A=b", "b"), ("  A = b  ", "b"), ("A=b # c", "b"), ("A=b#c", "b#c"), ("A=", ""),
            ("A=\"b # c\" # d", "b # c"), ("A='b\\n\"c'", "b\\n\"c"), ("A=\"b\\nc\\\"\\\\\"", "b\nc\"\\"),
            ("A=b=c", "b=c"),
            ("A=1\nA=2", "2"), ("A=1\r\nB=2", "1"),
        ])
    func environmentFile(text: String, value: String) {
        let file = EnvironmentFile(text)
        #expect(file.values["A"] == value)
        #expect(file.unreadableLines.isEmpty)
    }

    /// Writes a file into the folder.
    private func write(_ name: String, _ text: String) throws {
        try text.write(toFile: "\(folder)/\(name)", atomically: true, encoding: .utf8)
    }
}
