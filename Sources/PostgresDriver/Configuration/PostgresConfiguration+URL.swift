// SPDX-License-Identifier: Apache-2.0

internal import CPostgres

extension PostgresConfiguration {
    /// Reads a connection string in any form that libpq knows: `postgresql://user:password@host:port/database`, with
    /// several hosts, with parameters, or as `host=… user=…` words.
    ///
    /// - Throws: `.configuration`, naming the parameter at fault. The password is in no message: libpq's own texts
    ///   quote the URL, so ours are made from what is known to be harmless in them.
    public init(url: String) throws(PostgresError) {
        let options = try Self.parse(url)
        let known = ["host", "port", "dbname", "user", "password", "sslmode", "sslrootcert", "application_name"]
        let alsoKnown = ["connect_timeout", "target_session_attrs"]
        for name in options.keys.sorted()
        where !known.contains(name) && !alsoKnown.contains(name) && !Self.passable.contains(name) {
            throw PostgresError(.configuration, "The database URL's parameter \(name) is not supported.")
        }
        let user = options["user"] ?? "postgres"
        self.init(
            hosts: try Self.hosts(names: options["host"], ports: options["port"]),
            database: options["dbname"] ?? user, user: user)
        if let password = options["password"] { self.password = .fixed(password) }
        if let name = options["application_name"] { applicationName = name }
        try readTLS(options)
        try readPatience(options)
        passedOn = options.filter { Self.passable.contains($0.key) }
    }

    /// Parameters of libpq that are handed on as they are.
    private static let passable: Set<String> = [
        "sslcert", "sslkey", "sslpassword", "sslcrl", "sslcrldir", "sslsni", "ssl_min_protocol_version",
        "ssl_max_protocol_version", "channel_binding", "hostaddr", "requirepeer", "passfile", "options", "keepalives",
        "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
    ]

    /// The parameters that are set in `url`.
    private static func parse(_ url: String) throws(PostgresError) -> [String: String] {
        guard !url.utf8.contains(0) else {
            throw PostgresError(.configuration, "The database URL contains a NUL character.")
        }
        var message: UnsafeMutablePointer<CChar>?
        guard let first = PQconninfoParse(url, &message) else {
            defer { PQfreemem(message) }
            throw malformed(message.map { String(cString: $0) } ?? "")
        }
        defer { PQconninfoFree(first) }
        var found: [String: String] = [:]
        var option = first
        while let keyword = option.pointee.keyword {
            if let value = option.pointee.val { found[String(cString: keyword)] = String(cString: value) }
            option += 1
        }
        return found
    }

    /// What can be told of libpq's complaint without quoting the URL.
    private static func malformed(_ complaint: String) -> PostgresError {
        for opening in ["invalid URI query parameter: \"", "invalid connection option \""] {
            guard let range = complaint.firstRange(of: opening) else { continue }
            let name = complaint[range.upperBound...].prefix { $0.isLetter || $0.isNumber || $0 == "_" }
            return PostgresError(.configuration, "The database URL has an unknown parameter \(name).")
        }
        let reasons = [
            ("percent-encoded", "a percent sign in it is not followed by two hexadecimal digits"),
            ("IPv6", "an IPv6 address in it is not closed by a bracket, or is empty"),
            ("unexpected character", "something unexpected follows an address in it"),
            ("key/value separator", "a parameter in it has no equals sign, or more than one"),
            ("missing \"=\"", "it is neither a URL nor a list of words like host=localhost"),
        ]
        let reason = reasons.first { complaint.contains($0.0) }?.1 ?? "libpq cannot read it"
        return PostgresError(
            .configuration,
            "The database URL is malformed: \(reason). Special characters in a password must be percent-encoded.")
    }

    /// Pairs the names with the ports; one port serves all names.
    private static func hosts(names: String?, ports: String?) throws(PostgresError) -> [Host] {
        let names = (names ?? "").split(separator: ",", omittingEmptySubsequences: false)
        let ports = (ports ?? "").split(separator: ",", omittingEmptySubsequences: false)
        guard ports.count == 1 || ports.count == names.count else {
            throw PostgresError(
                .configuration, "The database URL names \(names.count) hosts, but \(ports.count) ports.")
        }
        var hosts: [Host] = []
        for (index, name) in names.enumerated() {
            let text = ports.count == 1 ? ports[0] : ports[index]
            guard let port = text.isEmpty ? 5432 : Int(text), (1...65_535).contains(port) else {
                throw PostgresError(.configuration, "The database URL's port is not a number from 1 to 65535.")
            }
            hosts.append(Host(name.isEmpty ? "localhost" : String(name), port: port))
        }
        return hosts
    }

    private mutating func readTLS(_ options: [String: String]) throws(PostgresError) {
        if let mode = options["sslmode"] {
            // What libpq calls "allow" tries without encryption first; we ask for it first.
            guard let mode = mode == "allow" ? .prefer : PostgresTLS.Mode(rawValue: mode) else {
                throw PostgresError(
                    .configuration,
                    "The database URL's sslmode must be disable, prefer, require, verify-ca or verify-full.")
            }
            tls.mode = mode
        }
        if let file = options["sslrootcert"], file != "system" { tls.caFile = file }
    }

    private mutating func readPatience(_ options: [String: String]) throws(PostgresError) {
        if let text = options["connect_timeout"] {
            guard let seconds = Int(text), seconds >= 0 else {
                throw PostgresError(.configuration, "The database URL's connect_timeout is not a number of seconds.")
            }
            // libpq reads zero as for ever; our default stays then.
            if seconds > 0 { connectTimeout = .seconds(seconds) }
        }
        switch options["target_session_attrs"] {
        case nil: break
        case "any": targetsPrimary = false
        case "read-write", "primary": targetsPrimary = true
        default:
            throw PostgresError(.configuration, "The database URL's target_session_attrs must be any or read-write.")
        }
    }
}
