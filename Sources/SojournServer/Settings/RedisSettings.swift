// SPDX-License-Identifier: Apache-2.0

internal import RedisDriver

/// A Redis server, or several, and how it is used (R1): values alone, which whoever composes the store hands to the driver.
public struct RedisSettings: Sendable, Hashable {
    /// Where Redis is (`REDIS_URL`), with any password that it names.
    let url: Secret
    /// The same for people, without the password.
    public let place: String
    /// Where the password comes from (`REDIS_PASSWORD`); nil where the URL says.
    var password: PostgresSettings.PasswordSource?
    /// What every key begins with (`REDIS_PREFIX`).
    public var prefix = "sojourn"

    /// Reads a URL.
    ///
    /// - Throws: `RedisError` saying what is wrong with it, without the password.
    init(url: String) throws(RedisError) {
        let configuration = try RedisConfiguration(url: url)
        self.url = Secret(url)
        let scheme = url.prefix { $0 != ":" }.lowercased()
        let hosts = configuration.hosts.map { "\($0.name.contains(":") ? "[\($0.name)]" : $0.name):\($0.port)" }
        let user = configuration.user.map { "\($0)@" } ?? ""
        let database = configuration.database == 0 ? "" : "/\(configuration.database)"
        var master = ""
        if case .sentinel(let name) = configuration.topology { master = "?master=\(name)" }
        place = "\(scheme)://\(user)\(hosts.joined(separator: ","))\(database)\(master)"
    }

    /// What the driver needs to know.
    func configuration() throws(RedisError) -> RedisConfiguration {
        var configuration = try RedisConfiguration(url: url.text)
        if let password { configuration.password = password.forDriver }
        return configuration
    }

    /// The form of the URL, for messages.
    static let form = "redis://USER:PASSWORD@HOST:PORT/DATABASE"
}

extension Settings {
    /// The Redis that `REDIS_URL` names; nil where something is wrong.
    static func redis(_ reader: inout SettingsReader) -> RedisSettings? {
        let url = reader.readIfSet("REDIS_URL", .redisURL)
        let password = reader.readPassword("REDIS")
        let prefix = reader.read("REDIS_PREFIX", .keyPrefix, default: "sojourn")
        guard let url else {
            reader.complainIfNotWrong(
                "REDIS_URL",
                expected: "a URL as in \(RedisSettings.form), also rediss://, redis+cluster:// and redis+sentinel://")
            return nil
        }
        switch url.content {
        case .failure(let error):
            reader.complain(
                "REDIS_URL", found: "\(url.scheme):…", expected: "a URL as in \(RedisSettings.form). \(error)")
            return nil
        case .success(var redis):
            if password != PostgresSettings.PasswordSource.none { redis.password = password }
            redis.prefix = prefix
            return redis
        }
    }
}

/// A URL of Redis as somebody wrote it.
struct WrittenRedisURL: Sendable {
    /// Its scheme.
    var scheme: String
    /// What it says, or what is wrong with it.
    var content: Result<RedisSettings, RedisError>
}

extension Grammar where Value == WrittenRedisURL {
    /// The address of Redis. What is wrong with it is told by whoever reads it.
    static let redisURL = Grammar(
        expected: "a URL as in \(RedisSettings.form)",
        parse: { text in
            let scheme = text.prefix { $0 != ":" }.lowercased()
            guard scheme.hasPrefix("redis"), text.dropFirst(scheme.count).hasPrefix("://") else { return nil }
            let content = Result { () throws(RedisError) in try RedisSettings(url: text) }
            return WrittenRedisURL(scheme: scheme, content: content)
        },
        show: { url in (try? url.content.get())?.place ?? "\(url.scheme):…" },
        redact: Grammar<WrittenURL>.postgresURL.redact)
}

extension Grammar where Value == String {
    /// What keys may begin with.
    fileprivate static let keyPrefix = Grammar(
        expected: "1 to 50 characters of ASCII without blanks and braces",
        parse: { text in
            let isFine = text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x7B && $0 != 0x7D }
            return isFine && (1...50).contains(text.utf8.count) ? text : nil
        }, show: { $0 })
}
