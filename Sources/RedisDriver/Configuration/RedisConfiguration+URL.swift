// SPDX-License-Identifier: Apache-2.0

extension RedisConfiguration {
    /// Reads `redis://user:password@host:port/database?options`.
    ///
    /// - The schemes: `redis` for one server, `redis+cluster`, `redis+sentinel`, whose hosts are Sentinels, at port 26379
    ///   unless they name another; the same with `rediss` for encryption.
    /// - Several hosts are separated by commas. A user, a password or a host with special characters has them
    ///   percent-encoded; a host that begins with `%2F` is the path of a Unix socket.
    /// - The options: `client_name`, `connections`, `connect_timeout`, `answer_timeout` and `outage_grace` in seconds;
    ///   with Sentinels `master` (the primary's name there, needed), `sentinel_user` and `sentinel_password` (who we are
    ///   to them); with encryption `verify` (`verify-full` or `verify-ca`), `ca`, `cert`, `key` (files of PEM) and `server_name`.
    ///
    /// - Throws: `.configuration`, naming what is wrong and what was expected. The password is in no message.
    public init(url: String) throws(RedisError) {
        guard let schemeEnd = url.firstRange(of: "://") else {
            throw Self.malformed(
                "has no scheme: redis://, rediss://, redis+cluster:// or redis+sentinel:// was expected")
        }
        let scheme = url[..<schemeEnd.lowerBound].lowercased().split(separator: "+", maxSplits: 1)
        let rest = url[schemeEnd.upperBound...]
        let beginning = rest.prefix { $0 != "?" && $0 != "#" }
        guard !rest.contains("#") else {
            throw Self.malformed("contains a #, which must be percent-encoded in a password")
        }
        let authority = beginning.prefix { $0 != "/" }
        let at = authority.lastIndex(of: "@")
        self.init(
            hosts: try Self.hosts(
                at.map { authority[authority.index(after: $0)...] } ?? authority,
                port: scheme.last == "sentinel" ? 26_379 : 6379))
        if let at { try readUser(authority[..<at]) }
        try readDatabase(beginning[authority.endIndex...].dropFirst())
        switch scheme.first {
        case "redis": break
        case "rediss": tls = RedisTLS()
        default: throw Self.malformed("has an unknown scheme; redis or rediss was expected")
        }
        var options = try Self.options(rest[beginning.endIndex...].dropFirst())
        switch scheme.dropFirst().first {
        case nil: break
        case "cluster": topology = .cluster
        case "sentinel":
            guard let master = options.removeValue(forKey: "master"), !master.isEmpty else {
                throw Self.malformed("names Sentinels, but no ?master=NAME")
            }
            topology = .sentinel(master: master)
            sentinelUser = options.removeValue(forKey: "sentinel_user")
            if let secret = options.removeValue(forKey: "sentinel_password") { sentinelPassword = .fixed(secret) }
        default: throw Self.malformed("has an unknown kind after the +; cluster or sentinel was expected")
        }
        for (name, value) in options.sorted(by: { $0.key < $1.key }) { try read(option: name, value) }
        if let mistake { throw mistake }
    }

    private static func malformed(_ what: String, line: Int = #line) -> RedisError {
        RedisError(.configuration, "The Redis URL \(what).", line: line)
    }

    private static func decoded(_ text: Substring, _ part: String) throws(RedisError) -> String {
        guard let decoded = text.percentDecoded else {
            throw malformed("has a percent sign in its \(part) that is not followed by two hexadecimal digits")
        }
        return decoded
    }

    /// The hosts of a list such as `one,two:6380,[::1]:6381`, at port `usual` where they name none.
    private static func hosts(_ list: Substring, port usual: Int) throws(RedisError) -> [Host] {
        var hosts: [Host] = []
        for item in list.split(separator: ",", omittingEmptySubsequences: false) {
            var name = item
            var port: Substring?
            if item.hasPrefix("[") {
                guard let end = item.firstIndex(of: "]") else {
                    throw malformed("has an IPv6 address that is not closed by a bracket")
                }
                name = item[..<end].dropFirst()
                let after = item[end...].dropFirst()
                guard after.isEmpty || after.hasPrefix(":") else {
                    throw malformed("has something other than a port after an IPv6 address")
                }
                port = after.isEmpty ? nil : after.dropFirst()
            } else if let colon = item.firstIndex(of: ":") {
                name = item[..<colon]
                port = item[colon...].dropFirst()
            }
            let number = port.map { Int($0) ?? 0 } ?? usual
            guard (1...65_535).contains(number) else {
                throw malformed("has a port that is not a number from 1 to 65535")
            }
            let decodedName = try decoded(name, "host")
            guard !decodedName.isEmpty || list.isEmpty else { throw malformed("has an empty host") }
            hosts.append(Host(decodedName.isEmpty ? "localhost" : decodedName, port: number))
        }
        return hosts
    }

    private mutating func readUser(_ text: Substring) throws(RedisError) {
        guard let colon = text.firstIndex(of: ":") else {
            throw Self.malformed("has something before the @ that is not user:password or :password")
        }
        let name = try Self.decoded(text[..<colon], "user")
        user = name.isEmpty ? nil : name
        password = .fixed(try Self.decoded(text[colon...].dropFirst(), "password"))
    }

    private mutating func readDatabase(_ text: Substring) throws(RedisError) {
        guard !text.isEmpty else { return }
        guard let number = Int(text), number >= 0 else {
            throw Self.malformed("has a path that is not the number of a database")
        }
        database = number
    }

    private static func options(_ query: Substring) throws(RedisError) -> [String: String] {
        var options: [String: String] = [:]
        for item in query.split(separator: "&") {
            guard let equals = item.firstIndex(of: "=") else {
                throw malformed("has an option without an equals sign")
            }
            let name = String(item[..<equals])
            guard options.updateValue(try decoded(item[equals...].dropFirst(), "options"), forKey: name) == nil else {
                throw malformed("has an option twice")
            }
        }
        return options
    }

    private mutating func read(option name: String, _ value: String) throws(RedisError) {
        switch name {
        case "client_name": clientName = value
        case "connections":
            guard let number = Int(value), number >= 1 else {
                throw Self.malformed("has a connections that is not a whole number from 1")
            }
            connections = number
        case "connect_timeout": connectTimeout = try Self.seconds(name, value)
        case "answer_timeout": answerTimeout = try Self.seconds(name, value)
        case "outage_grace": outageGrace = try Self.seconds(name, value)
        case "verify", "ca", "cert", "key", "server_name": try read(tlsOption: name, value)
        default:
            // The name may be a piece of a password in a URL that was cut at a question mark.
            throw Self.malformed("has an unknown option; Sojourn knows \(Self.knownOptions.joined(separator: ", "))")
        }
    }

    private static let knownOptions = [
        "client_name", "connections", "connect_timeout", "answer_timeout", "outage_grace", "master", "sentinel_user",
        "sentinel_password", "verify", "ca", "cert", "key", "server_name",
    ]

    private mutating func read(tlsOption name: String, _ value: String) throws(RedisError) {
        guard tls != nil else { throw Self.malformed("has the option \(name), which needs rediss://") }
        switch name {
        case "verify":
            guard let verification = RedisTLS.Verification(rawValue: value) else {
                throw Self.malformed("has a verify that is neither verify-full nor verify-ca")
            }
            tls?.verification = verification
        case "ca": tls?.caFile = value
        case "cert": tls?.certificateFile = value
        case "key": tls?.keyFile = value
        default: tls?.serverName = value
        }
    }

    private static func seconds(_ name: String, _ value: String) throws(RedisError) -> Duration {
        guard let seconds = Double(value), seconds >= 0, seconds < 1_000_000 else {
            throw malformed("has a \(name) that is not a number of seconds")
        }
        return .seconds(seconds)
    }
}

extension Substring {
    /// With `%XX` read as the byte that it means; nil where it is not well formed.
    fileprivate var percentDecoded: String? {
        var bytes: [UInt8] = []
        var rest = self.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst()?.hexadecimalDigit, let low = rest.popFirst()?.hexadecimalDigit else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

extension UInt8 {
    fileprivate var hexadecimalDigit: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
