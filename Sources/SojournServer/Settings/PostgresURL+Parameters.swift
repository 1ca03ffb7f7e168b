// SPDX-License-Identifier: Apache-2.0
internal import Foundation

extension PostgresURL {
    /// What a parameter's value may be.
    private enum Form {
        /// Anything.
        case text
        /// A whole number.
        case number(ClosedRange<Int>)
        /// One of these words.
        case word([String])
        /// The path of a file that can be read now.
        case file
    }

    /// The parameters that are handed to libpq as they are: of those of libpq 15 the ones that leave our own protocol
    /// alone. `client_encoding`, `replication`, `service` and `hostaddr` are not among them, nor is `sslpassword`,
    /// which is a secret.
    private static let forms: [String: Form] = {
        let seconds = Form.number(0...86_400)
        let flag = Form.word(["0", "1"])
        let versions = Form.word(["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"])
        let attributes = Form.word(["any", "read-write", "read-only", "primary", "standby", "prefer-standby"])
        let strictness = Form.word(["disable", "prefer", "require"])
        return [
            "application_name": .text, "fallback_application_name": .text, "options": .text, "passfile": .text,
            "connect_timeout": seconds, "tcp_user_timeout": .number(0...86_400_000), "keepalives": flag,
            "keepalives_idle": seconds, "keepalives_interval": seconds, "keepalives_count": .number(0...1_000),
            "target_session_attrs": attributes, "channel_binding": strictness, "gssencmode": strictness,
            "krbsrvname": .text, "requirepeer": .text, "sslcert": .file, "sslkey": .file, "sslcrl": .file,
            "sslsni": flag, "ssl_min_protocol_version": versions, "ssl_max_protocol_version": versions,
        ]
    }()

    /// Takes a parameter that says how to connect.
    ///
    /// - Throws: where it is unknown, or its value is none that it can have.
    mutating func set(_ name: String, to value: String) throws(Flaw) {
        switch name {
        case "sslmode", "ssl":
            // `ssl=true` is what JDBC writes, `ssl=require` what asyncpg reads.
            let isTrue = name == "ssl" && value == "true"
            guard let mode = isTrue ? .require : PostgresSettings.TLSMode(rawValue: value) else {
                let words = PostgresSettings.TLSMode.allCases.map(\.rawValue).joined(separator: ", ")
                throw Flaw(expected: "one of \(words) as \(name)")
            }
            tlsMode = mode
        case "sslrootcert":
            // libpq 16 knows the word, libpq 15 does not.
            asksForSystemAuthorities = value == "system"
            let path = asksForSystemAuthorities ? PostgresSettings.systemAuthorities : value
            try Self.check(path, as: .file, of: name)
            caFile = path
        default:
            guard let form = Self.forms[name] else {
                let known = (Self.forms.keys + ["sslmode", "sslrootcert"]).sorted().joined(separator: ", ")
                throw Flaw(expected: "no parameter \(name), only \(known)")
            }
            try Self.check(value, as: form, of: name)
            parameters[name] = value
        }
    }

    /// Holds a value to its form.
    private static func check(_ value: String, as form: Form, of name: String) throws(Flaw) {
        switch form {
        case .text:
            return
        case .number(let range):
            guard Int(value).map(range.contains) == true else {
                throw Flaw(expected: "a whole number from \(range.lowerBound) to \(range.upperBound) as \(name)")
            }
        case .word(let words):
            guard words.contains(value) else {
                throw Flaw(expected: "one of \(words.joined(separator: ", ")) as \(name)")
            }
        case .file:
            guard FileManager.default.isReadableFile(atPath: value) else {
                throw Flaw(expected: "the path of a file that can be read as \(name)")
            }
        }
    }
}

extension PostgresSettings {
    /// The certificates of public authorities, where Debian keeps them.
    static let systemAuthorities = "/etc/ssl/certs/ca-certificates.crt"
}
