// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import Sojourn
internal import SojournHTTP

extension Grammar where Value == Settings.Database {
    /// The address of a database. What is refused may hold a password: only its scheme is shown.
    static let database = Grammar(
        expected: "sqlite:PATH with the path of a file: this build has SQLite only",
        parse: { text in
            guard text.lowercased().hasPrefix("sqlite:") else { return nil }
            let path = String(text.dropFirst(7))
            return path.isEmpty || path.hasPrefix("//") || path.hasPrefix(":") ? nil : .sqlite(path: path)
        },
        show: { database in
            switch database {
            case .sqlite(let path): "sqlite:\(path)"
            }
        },
        redact: { text in text.firstIndex(of: ":").map { "\(text[..<$0]):…" } ?? "…" })
}

extension Grammar where Value == Retention {
    /// A number of days, or never.
    static let retention = Grammar(
        expected: "a number of days from 0 to 36500, or never",
        parse: { text in
            if text.lowercased() == "never" { return .never }
            return Int(text).flatMap { (0...36_500).contains($0) ? .after(.seconds($0 * 86_400)) : nil }
        },
        show: { retention in
            switch retention {
            case .never: "never"
            case .after(let time): "\(time.components.seconds / 86_400)"
            }
        })
}

extension Grammar where Value == String {
    /// The kind of store; the others that the contract knows are not built yet.
    static let onlySQLite = Grammar(
        expected: "sqlite: this build has SQLite only",
        parse: { $0.lowercased() == "sqlite" ? "sqlite" : nil })

    /// The path of a file that can be read now.
    static let readableFile = Grammar(
        expected: "the path of a file that can be read",
        parse: { FileManager.default.isReadableFile(atPath: $0) ? $0 : nil })
}

extension Grammar where Value == ServiceKey {
    /// A service key, never shown.
    static let serviceKey = Grammar(
        expected: "keys of at least \(ServiceKey.lengthMin) visible characters that begin with \(ServiceKey.prefix)",
        parse: { ServiceKey($0) }, redact: { _ in "<redacted>" })
}

extension Grammar where Value == AddressRange {
    /// A range of addresses.
    static let addressRange = Grammar(
        expected: "an address or a CIDR range as in 10.0.0.0/8 or 2001:db8::/32", parse: { AddressRange($0) })
}

extension Grammar where Value == WebOrigin {
    /// An origin.
    static let origin = Grammar(
        expected: "an origin without a path, as in https://a.example or http://localhost:3000",
        parse: { WebOrigin($0) })
}
