// SPDX-License-Identifier: Apache-2.0

// A URL means here what it means to libpq, so that one which psql takes can be pasted: the first @ before the first
// slash ends user and password, several hosts stand with commas, an IPv6 address stands in brackets, every part is
// percent-encoded, and the query overrides what stands before it. Foundation's parser knows no list of hosts.
//
// Three things differ. A driver may be named in the scheme, as SQLAlchemy writes it. Parameters are a closed list, since
// one that libpq does not know would only be met when connecting. And another @ behind the host is refused: it is the
// sign of a password that was not encoded, of which the parts would turn up in messages as a host or a parameter.

/// The address of a PostgreSQL database, as it is written: what was not said is nil.
struct PostgresURL: Sendable, Hashable {
    /// The servers; where none was named, the folder that Debian's server has its socket in.
    private(set) var hosts: [PostgresSettings.Host] = []
    /// The user.
    private(set) var user: String?
    /// The password.
    private(set) var password: Secret?
    /// The database.
    private(set) var database: String?
    /// How the connection is secured.
    var tlsMode: PostgresSettings.TLSMode?
    /// The path of the authorities' certificates.
    var caFile: String?
    /// Whether `sslrootcert=system` stood there.
    var asksForSystemAuthorities = false
    /// The other parameters, by libpq's keywords.
    var parameters: [String: String] = [:]

    /// Why a text is no such address.
    struct Flaw: Error, Hashable {
        /// What should stand there, to follow "expected"; shows nothing of the text that may be part of a password.
        var expected: String
    }

    /// What a URL looks like, to follow "expected".
    static let form = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
    /// The folder of the socket of Debian's server.
    static let socketFolder = "/var/run/postgresql"

    /// The scheme of a text that names a PostgreSQL database; nil where it names none.
    static func scheme(of text: String) -> Substring? {
        guard let end = text.firstRange(of: "://") else { return nil }
        let parts = text[..<end.lowerBound].split(separator: "+", maxSplits: 1, omittingEmptySubsequences: false)
        let isDriver = parts.dropFirst().allSatisfy { $0.isASCIIWord }
        return ["postgres", "postgresql"].contains(parts[0].lowercased()) && isDriver ? parts[0] : nil
    }

    /// Reads a URL.
    ///
    /// - Throws: the first flaw.
    init(_ text: String) throws(Flaw) {
        guard Self.scheme(of: text) != nil, let end = text.firstRange(of: "://") else {
            throw Flaw(expected: "a URL as in \(Self.form)")
        }
        var rest = Array(text[end.upperBound...].utf8)[...]
        if let at = rest.prefix(while: { $0 != UInt8(ascii: "/") }).firstIndex(of: UInt8(ascii: "@")) {
            let credentials = rest[..<at].split(
                separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
            user = try Self.decoded(credentials[0], of: "user")
            if credentials.count == 2, !credentials[1].isEmpty {
                password = Secret(try Self.decoded(credentials[1], of: "password"))
            }
            rest = rest[(at + 1)...]
        }
        guard !rest.contains(UInt8(ascii: "@")) else {
            throw Flaw(expected: "a password whose @, / and % are written %40, %2F and %25")
        }
        let query = rest.firstIndex(of: UInt8(ascii: "?")) ?? rest.endIndex
        let address = rest[..<query].split(
            separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
        var servers = try Self.servers(address[0])
        if address.count == 2 { database = try Self.decoded(address[1], of: "database") }
        try read(query: rest[query...].dropFirst(), servers: &servers)
        hosts = try Self.hosts(servers)
        // As libpq 16 has it: a certificate that anybody can get proves nothing but its name.
        if asksForSystemAuthorities, tlsMode ?? .verifyFull != .verifyFull {
            throw Flaw(expected: "sslmode=verify-full beside sslrootcert=system")
        }
        if asksForSystemAuthorities { tlsMode = .verifyFull }
        if user?.isEmpty == true { user = nil }
        if database?.isEmpty == true { database = nil }
    }
}

extension PostgresURL {
    /// The names and the ports that were written, before they are brought together; a port that is empty is the default.
    private struct Servers {
        /// The names, without brackets.
        var names: [String]
        /// The ports: none, one for all, or one for each.
        var ports: [String]
    }

    /// The servers between user and path.
    private static func servers(_ text: ArraySlice<UInt8>) throws(Flaw) -> Servers {
        var servers = Servers(names: [], ports: [])
        for server in text.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) {
            var name = server.prefix { $0 != UInt8(ascii: ":") }
            var port = server[name.endIndex...]
            if server.first == UInt8(ascii: "[") {
                guard let end = server.firstIndex(of: UInt8(ascii: "]")), end > server.startIndex + 1 else {
                    throw Flaw(expected: "an IPv6 address between brackets, as in [2001:db8::1]:5432")
                }
                name = server[..<end].dropFirst()
                port = server[end...].dropFirst()
            }
            guard port.isEmpty || port.first == UInt8(ascii: ":") else {
                throw Flaw(expected: "nothing but a port after an IPv6 address, as in [2001:db8::1]:5432")
            }
            servers.names.append(try decoded(name, of: "host"))
            servers.ports.append(try decoded(port.dropFirst(), of: "port"))
        }
        return servers
    }

    /// Each name with its port.
    private static func hosts(_ servers: Servers) throws(Flaw) -> [PostgresSettings.Host] {
        let names = servers.names.allSatisfy(\.isEmpty) && servers.names.count < 2 ? [socketFolder] : servers.names
        guard servers.ports.count == names.count || servers.ports.count < 2 else {
            throw Flaw(expected: "one port, or as many as hosts")
        }
        var hosts: [PostgresSettings.Host] = []
        for (index, name) in names.enumerated() {
            guard isHost(name) else { throw Flaw(expected: "a host's name or address, as in \(form)") }
            let text = servers.ports.count == names.count ? servers.ports[index] : servers.ports.first ?? ""
            guard let port = text.isEmpty ? PostgresSettings.Host.portDefault : Int(text), (1...65_535).contains(port)
            else {
                throw Flaw(
                    expected: "a port from 1 to 65535 behind the host's colon; in a password / is written %2F")
            }
            hosts.append(.init(name, port: port))
        }
        return hosts
    }

    /// Whether a text can be a host: a name, an address without brackets, or the absolute path of a socket's folder.
    static func isHost(_ text: String) -> Bool {
        if text.hasPrefix("/") { return !text.contains(",") }
        // One colon alone is in no address: it would be a port.
        return !text.isEmpty && text.utf8.count { $0 == UInt8(ascii: ":") } != 1
            && text.utf8.allSatisfy { $0.isASCIILetterOrDigit || "._-:%".utf8.contains($0) }
    }
}

extension PostgresURL {
    /// Takes what the query says; what it says of user, password, host, port and database goes before the rest.
    private mutating func read(query: ArraySlice<UInt8>, servers: inout Servers) throws(Flaw) {
        for pair in query.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            let name = try Self.decoded(parts[0], of: "parameter")
            guard parts.count == 2, name.isASCIIWord, name.utf8.count <= 40 else {
                throw Flaw(expected: "parameters as in ?name=value")
            }
            let value = try Self.decoded(parts[1], of: name)
            switch name {
            case "user": user = value
            case "password": password = value.isEmpty ? nil : Secret(value)
            case "dbname": database = value
            case "host": servers.names = value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            case "port": servers.ports = value.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            default: try set(name, to: value)
            }
        }
    }

    /// A part without its percent-encoding.
    ///
    /// - Throws: where a percent sign has no two digits behind it, or the text is no UTF-8 or holds a NUL, which libpq's
    ///   strings cannot.
    private static func decoded(_ part: ArraySlice<UInt8>, of name: String) throws(Flaw) -> String {
        var bytes: [UInt8] = []
        var rest = part
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = rest.prefix(2).compactMap { Character(UnicodeScalar($0)).hexDigitValue }
            guard digits.count == 2, digits != [0, 0] else {
                throw Flaw(expected: "two hexadecimal digits behind each % in the \(name); % itself is %25")
            }
            bytes.append(UInt8(digits[0] * 16 + digits[1]))
            rest = rest.dropFirst(2)
        }
        guard let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) else {
            throw Flaw(expected: "UTF-8 in the \(name)")
        }
        return text
    }

    /// A text with everything encoded that could end a part of a URL.
    static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            if byte.isASCIILetterOrDigit || "._-~".utf8.contains(byte) { return String(UnicodeScalar(byte)) }
            let digits = String(byte, radix: 16, uppercase: true)
            return "%" + (digits.count == 1 ? "0" : "") + digits
        }.joined()
    }
}

extension PostgresURL: CustomStringConvertible {
    /// The URL for people and logs, without the password and the parameters.
    var description: String { Self.text(user: user, hosts: hosts, database: database) }

    /// The text of a URL of these parts, which may be nil where they were not said.
    static func text(user: String?, hosts: [PostgresSettings.Host], database: String?) -> String {
        let hosts = hosts.map { host in
            let isAddress = host.name.contains(":")
            // A percent sign in an address begins the zone, as in fe80::1%eth0.
            let name = isAddress ? "[\(host.name.replacing("%", with: "%25"))]" : encoded(host.name)
            return "\(name):\(host.port)"
        }.joined(separator: ",")
        let user = user.map { encoded($0) + "@" } ?? ""
        let path = database.map { "/" + encoded($0) } ?? ""
        return "postgresql://\(user)\(hosts)\(path)"
    }
}

extension StringProtocol {
    /// Whether there is at least one character, and all are letters, digits and underscores of ASCII.
    fileprivate var isASCIIWord: Bool {
        !isEmpty && utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "_") }
    }
}

extension UInt8 {
    /// Whether the byte is a letter or a digit of ASCII.
    fileprivate var isASCIILetterOrDigit: Bool {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "a")...UInt8(ascii: "z"): true
        default: false
        }
    }
}
