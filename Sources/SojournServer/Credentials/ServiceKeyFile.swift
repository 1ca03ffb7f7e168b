// SPDX-License-Identifier: Apache-2.0

internal import Foundation
public import Sojourn
public import SojournHTTP

/// The service key of a server on SQLite: `service.key` in the data folder, made at the first start, readable by its
/// owner alone. A store that several servers share takes its keys from `SOJOURN_SERVICE_KEY` instead.
public struct ServiceKeyFile: Sendable {
    /// Where the key is kept.
    public let path: String

    /// The file in a data folder.
    public init(dataFolder: String) {
        path = dataFolder + "/service.key"
    }

    /// The key; nil where none was made yet.
    ///
    /// - Throws: `storeDamaged` where the file holds no key.
    public func read() throws -> ServiceKey? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        let text = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
        guard let key = ServiceKey(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw SojournError(
                .storeDamaged,
                "\(path) cannot be read or holds no service key. Delete it, and the next start makes a new one.")
        }
        return key
    }

    /// The key, made now where there is none. Of two processes that make one at once both get the same.
    public func readOrMake(random: RandomSource = .system) throws -> ServiceKey {
        if let key = try read() { return key }
        let key = Self.new(random: random)
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
        do {
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            let draft = "\(path).\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: draft) }
            try Self.write(key.secret + "\n", toNew: draft)
            // A hard link, unlike a rename, fails where the other process was first.
            try FileManager.default.linkItem(atPath: draft, toPath: path)
        } catch {
            if let key = try read() { return key }
            throw SojournError(.storeFull, "The service key could not be written to \(path).", underlying: error)
        }
        return key
    }

    /// Writes a new file that is its owner's alone from its first byte on: `FileManager` sets the mode afterwards.
    private static func write(_ text: String, toNew path: String) throws {
        let descriptor = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw CocoaError(.fileWriteUnknown) }
        let file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        try file.write(contentsOf: Data(text.utf8))
        try file.synchronize()
    }

    /// The text of the key in force: the first that the settings name, else the file's. A secret.
    ///
    /// - Throws: `storeUnavailable` where none was made yet; `storeDamaged` as `read()`; `SettingsError` as
    ///   `Settings.requireServiceKey()`.
    public static func text(for settings: Settings) throws -> String {
        try settings.requireServiceKey()
        let file = ServiceKeyFile(dataFolder: settings.dataFolder)
        guard let key = try settings.serviceKeys.first ?? file.read() else {
            throw SojournError(
                .storeUnavailable, "There is no service key at \(file.path) yet: the first `sojourn serve` makes it.")
        }
        return key.secret
    }

    /// The text of a new key of 256 random bits, kept nowhere.
    public static func newText() -> String {
        new(random: .system).secret
    }

    /// A new key of 256 random bits.
    private static func new(random: RandomSource) -> ServiceKey {
        let bits = (0..<2).flatMap { _ in UUIDBytes(high: random.next(), low: random.next()).bytes }
        guard let key = ServiceKey(ServiceKey.prefix + Base64URL.encode(bits)) else {
            preconditionFailure("32 bytes in base64url after the prefix make a service key")
        }
        return key
    }
}

extension Settings {
    /// Holds a server to having a key: one on a shared store cannot make its own, which its neighbours would not know.
    /// For `serve`, and for what shows the key; commands on the store need none.
    ///
    /// - Throws: `SettingsError` where the store is shared and `SOJOURN_SERVICE_KEY` is not set.
    public func requireServiceKey() throws(SettingsError) {
        guard database.isShared, serviceKeys.isEmpty else { return }
        let problem = SettingsError.Problem(
            name: "SOJOURN_SERVICE_KEY", found: nil, source: .standard,
            expected: "a key, since servers on PostgreSQL share it: `sojourn key new` prints one")
        throw SettingsError(problems: [problem])
    }
}
