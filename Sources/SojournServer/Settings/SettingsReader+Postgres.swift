// SPDX-License-Identifier: Apache-2.0

/// What holds for one way to a database beyond what its URL says.
struct EndpointRules {
    /// The setting that names it.
    var name: String
    /// The setting for its password where the URL has none; those for a file and a command begin alike.
    var passwordName: String
    /// What its connections have to be secured by at least, and are where nothing is said.
    var tlsLeast = PostgresSettings.TLSMode.disable
    /// The path of the authorities' certificates where nothing is said; nil for libpq's own.
    var caFile: String?
    /// Whether it is a mistake to have no password.
    var needsPassword = false
}

extension SettingsReader {
    /// What dashboards write where the password goes.
    private static let placeholder = "[YOUR-PASSWORD]"

    /// The password that stands in `PREFIX_PASSWORD`, or where `PREFIX_PASSWORD_FILE` or `PREFIX_PASSWORD_COMMAND` says;
    /// nil where they are wrong.
    mutating func readPassword(_ prefix: String) -> PostgresSettings.PasswordSource? {
        let name = "\(prefix)_PASSWORD"
        let secret = read(name, .secret, default: nil).map(PostgresSettings.PasswordSource.fixed)
        let file = readIfSet("\(name)_FILE", .readableFile).map(PostgresSettings.PasswordSource.file)
        // Shown as it is: a command line, which everybody on the machine can see, is no place for a secret.
        let command = readIfSet("\(name)_COMMAND", .text).map(PostgresSettings.PasswordSource.command)
        let all = [secret, file, command].compactMap(\.self)
        if isWrong("\(name)_FILE") { return nil }
        guard all.count < 2 else {
            complain(name, expected: "one of \(name), \(name)_FILE and \(name)_COMMAND, not several")
            return nil
        }
        return all.first ?? PostgresSettings.PasswordSource.none
    }

    /// The value of a setting that has two names; nil where neither is set.
    mutating func readEither<Value>(_ name: String, _ other: String, _ grammar: Grammar<Value>) -> Value?
    where Value: Equatable {
        let value = readIfSet(name, grammar)
        let otherValue = readIfSet(other, grammar)
        if let value, let otherValue, value != otherValue {
            complain(other, expected: "the same as in \(name), or nothing")
        }
        return value ?? otherValue
    }

    /// Adds the problem that a setting is missing, unless what stands there was refused already.
    mutating func complainIfNotWrong(_ name: String, expected: String) {
        if !isWrong(name) { complain(name, expected: expected) }
    }

    /// Adds the problem that there is no password.
    mutating func complainOfNoPassword(_ rules: EndpointRules) {
        let name = rules.passwordName
        complainIfNotWrong(name, expected: "a password, or \(name)_FILE or \(name)_COMMAND")
    }

    /// What a URL says, by the rules; nil where something is wrong.
    ///
    /// - Parameters:
    ///   - password: what the settings beside the URL say; nil where they are wrong.
    ///   - sharing: whether that password is the one of another URL, which this one need not repeat.
    mutating func endpoint(
        _ written: WrittenURL, _ rules: EndpointRules, _ password: PostgresSettings.PasswordSource?,
        sharing: Bool = false
    ) -> PostgresSettings.Endpoint? {
        let found = Grammar<WrittenURL>.postgresURL.show(written)
        let url: PostgresURL
        switch written.content {
        case .success(let content): url = content
        case .failure(let flaw):
            complain(rules.name, found: found, expected: flaw.expected)
            return nil
        }
        guard let user = url.user else {
            complain(rules.name, found: found, expected: "a user, as in \(PostgresURL.form)")
            return nil
        }
        var endpoint = PostgresSettings.Endpoint(hosts: url.hosts, database: url.database ?? user, user: user)
        endpoint.tlsMode = url.tlsMode ?? max(.prefer, rules.tlsLeast)
        endpoint.caFile = url.caFile ?? rules.caFile
        endpoint.parameters = url.parameters
        if endpoint.tlsMode < rules.tlsLeast {
            complain(rules.name, found: found, expected: "sslmode=\(rules.tlsLeast.rawValue), or none, which means it")
        }
        if let expected = endpoint.expectedUser {
            complain(rules.name, found: found, expected: expected)
        }
        if let source = self.password(in: url, rules, beside: password, sharing: sharing) {
            endpoint.password = source
        }
        return endpoint
    }

    /// The password of a URL: its own, or where it has none or a placeholder, the one beside it; nil where that is
    /// missing or wrong.
    private mutating func password(
        in url: PostgresURL, _ rules: EndpointRules, beside: PostgresSettings.PasswordSource?, sharing: Bool
    ) -> PostgresSettings.PasswordSource? {
        let isPlaceholder = url.password?.text.uppercased() == Self.placeholder
        if let own = url.password, !isPlaceholder {
            if let beside, beside != .none, beside != .fixed(own), !sharing {
                let file = "\(rules.passwordName)_FILE"
                let command = "\(rules.passwordName)_COMMAND"
                let name = [file, command].first(where: isSet) ?? rules.passwordName
                complain(name, expected: "nothing, because \(rules.name) holds a password already")
            }
            return .fixed(own)
        }
        guard beside == PostgresSettings.PasswordSource.none else { return beside }
        if isPlaceholder {
            complainIfNotWrong(
                rules.passwordName,
                expected: "the password that takes the place of \(Self.placeholder) in \(rules.name)")
        } else if rules.needsPassword {
            complainOfNoPassword(rules)
        }
        return PostgresSettings.PasswordSource.none
    }
}
