// SPDX-License-Identifier: Apache-2.0
internal import Foundation
internal import Sojourn
internal import SojournHTTP

extension Grammar where Value == DatabaseAddress {
    /// The address of a database.
    static let database = Grammar(
        expected: "sqlite:PATH with the path of a file, or a URL as in \(PostgresURL.form)",
        parse: { text in
            if let postgres = Grammar<WrittenURL>.postgresURL.parse(text) { return .postgres(postgres) }
            guard text.lowercased().hasPrefix("sqlite:") else { return nil }
            let path = String(text.dropFirst(7))
            return path.isEmpty || path.hasPrefix("//") || path.hasPrefix(":") ? nil : .sqlite(path: path)
        },
        show: { address in
            switch address {
            case .sqlite(let path): "sqlite:\(path)"
            case .postgres(let url): Grammar<WrittenURL>.postgresURL.show(url)
            }
        },
        redact: Grammar<WrittenURL>.postgresURL.redact)
}

extension Grammar where Value == WrittenURL {
    /// The address of a PostgreSQL database. Its flaws are told by whoever reads it, as there are many. What is refused
    /// may hold a password anywhere: only its scheme is shown.
    static let postgresURL = Grammar(
        expected: "a URL as in \(PostgresURL.form)",
        parse: { text in
            guard let scheme = PostgresURL.scheme(of: text) else { return nil }
            let content = Result { () throws(PostgresURL.Flaw) in try PostgresURL(text) }
            return WrittenURL(scheme: String(scheme), content: content)
        },
        show: { url in (try? url.content.get())?.description ?? "\(url.scheme):…" },
        redact: { text in
            let scheme = text.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "+.-".contains($0)) }
            return text.dropFirst(scheme.count).first == ":" ? "\(scheme):…" : "…"
        })
}

extension Grammar where Value == Secret? {
    /// A password: any text, `none` too.
    static let secret = Grammar(
        expected: "a password", parse: { .some(Secret($0)) }, show: { $0 == nil ? "none" : "<redacted>" },
        redact: { _ in "<redacted>" })
}

extension Grammar where Value == Bool {
    /// On or off.
    static let onOrOff = Grammar(
        expected: "on or off",
        parse: { ["on": true, "true": true, "yes": true, "off": false, "false": false, "no": false][$0.lowercased()] },
        show: { $0 ? "on" : "off" })
}

extension Grammar where Value == StoreKind {
    /// The kind of store; the others that the contract knows are not built yet.
    static let storeKind = Grammar(
        expected: "sqlite, postgres, redis or tiered", parse: { StoreKind(rawValue: $0.lowercased()) },
        show: \.rawValue)
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
    /// The path of a file that can be read now.
    static let readableFile = Grammar(
        expected: "the path of a file that can be read",
        parse: { FileManager.default.isReadableFile(atPath: $0) ? $0 : nil })

    /// A server's name or address, or the folder of its socket.
    static let databaseHost = Grammar(
        expected: "a host's name or address without a port, or the folder of its socket",
        parse: { text in
            let isBracketed = text.hasPrefix("[") && text.hasSuffix("]")
            let name = isBracketed ? String(text.dropFirst().dropLast()) : text
            return PostgresURL.isHost(name) ? name : nil
        })
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
