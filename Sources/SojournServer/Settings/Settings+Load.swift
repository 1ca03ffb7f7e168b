// SPDX-License-Identifier: Apache-2.0
internal import Configuration
internal import Foundation
internal import Synchronization

extension Settings {
    /// Reads the settings from everywhere they can stand.
    ///
    /// - Parameters:
    ///   - flags: what the command line set, by the setting's name, as in `["PORT": "8080"]`.
    ///   - environment: variables to read; nil, the default, takes the process's own.
    ///   - folder: where `.env` and `sojourn.yaml` are looked for; neither has to be there.
    /// - Throws: `SettingsError` with everything that is wrong.
    public static func load(
        flags: [String: String] = [:], environment: [String: String]? = nil,
        folder: String = "."
    ) async throws(SettingsError) -> Settings {
        let environment = environment ?? ProcessInfo.processInfo.environment
        var layers: [SettingsReader.Layer] = [
            (.flag, provider(flags: flags)), (.environment, provider(variables: environment)),
        ]
        var warnings = unknownVariables(environment.keys, in: .environment)
        let environmentFile = try text(of: .environmentFile, in: folder).map { EnvironmentFile($0) }
        if let environmentFile {
            layers.append((.environmentFile, provider(variables: environmentFile.values)))
            warnings += unknownVariables(environmentFile.values.keys, in: .environmentFile)
            warnings += environmentFile.unreadableLines.map { ".env, line \($0): neither NAME=value nor a comment" }
        }
        if let yaml = try await yaml(in: folder) {
            layers.append((.file, yaml.provider))
            warnings += yaml.keys.filter { !isKnown($0) }.sorted().map { "sojourn.yaml: nothing reads \"\($0)\"" }
        }
        var settings = try Settings(layers)
        settings.warnings += warnings
        return settings
    }

    /// What the command line set.
    private static func provider(flags: [String: String]) -> any ConfigProvider {
        let values = flags.map {
            (AbsoluteConfigKey([$0.key.lowercased()]), ConfigValue(.string($0.value), isSecret: true))
        }
        return InMemoryProvider(name: "flags", values: Dictionary(values) { _, last in last })
    }

    /// What variables set: `types.voice.life` is read from `SESSION_TYPES_VOICE_LIFE`.
    private static func provider(variables: [String: String]) -> any ConfigProvider {
        EnvironmentVariablesProvider(environmentVariables: variables, secretsSpecifier: .all).mapKeys { key in
            key.components.first == "types" ? key.prepending("session") : key
        }
    }

    /// What `sojourn.yaml` sets, and every key in it; nil where the file is missing or holds nothing but comments.
    private static func yaml(
        in folder: String
    ) async throws(SettingsError) -> (provider: any ConfigProvider, keys: [String])? {
        let lines = try text(of: .file, in: folder)?.split(separator: "\n").map(\.trimmed) ?? []
        guard lines.contains(where: { !$0.isEmpty && $0 != "---" && !$0.hasPrefix("#") }) else { return nil }
        // The provider lists no keys, but asks of each whether it is a secret: that is where they are learnt.
        let keys = KeyCollector()
        let place = ConfigReader(
            provider: InMemoryProvider(values: [
                "filePath": ConfigValue(.string(path(of: .file, in: folder)), isSecret: false)
            ]))
        do {
            let provider = try await FileProvider<YAMLSnapshot>(
                parsingOptions: .init(
                    secretsSpecifier: .dynamic { key, _ in
                        keys.add(key)
                        return true
                    }),
                config: place)
            return (provider, keys.all)
        } catch {
            // The parser's message goes on with the lines themselves, which may hold a secret.
            let message = "\(error)".split(separator: "\n").first.map { String($0) }
            let problem = SettingsError.Problem(
                name: Source.file.rawValue, found: message, source: .file, expected: "a mapping in YAML")
            throw SettingsError(problems: [problem])
        }
    }

    /// The content of a source's file; nil where it is missing.
    private static func text(of source: Source, in folder: String) throws(SettingsError) -> String? {
        let path = path(of: source, in: folder)
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else {
            let problem = SettingsError.Problem(
                name: source.rawValue, found: path, source: source, expected: "a file that can be read")
            throw SettingsError(problems: [problem])
        }
        return String(decoding: data, as: UTF8.self)
    }

    /// The path of a source's file.
    private static func path(of source: Source, in folder: String) -> String { "\(folder)/\(source.rawValue)" }

    /// A warning for each variable that is meant for us and that nothing reads.
    private static func unknownVariables(_ names: some Collection<String>, in source: Source) -> [String] {
        names.filter { name in
            let key = name.lowercased()
            return (key.hasPrefix("sojourn_") && !isKnown(key))
                || (key.hasPrefix("session_types_") && !typeVariables.contains(key))
        }
        .sorted().map { "\($0) (\(source.rawValue)): nothing reads it" }
    }
}

/// Collects the keys of a file while it is parsed.
private final class KeyCollector: Sendable {
    /// The keys so far.
    private let keys = Mutex<[String]>([])

    /// Every key, its parts joined by points.
    var all: [String] { keys.withLock { $0 } }

    /// Takes note of a key.
    func add(_ key: String) { keys.withLock { $0.append(key) } }
}
