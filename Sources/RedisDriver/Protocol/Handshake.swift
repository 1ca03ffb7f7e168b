// SPDX-License-Identifier: Apache-2.0

/// What a connection learned of its server.
struct ServerFacts: Sendable, Hashable {
    /// The `run_id`, which changes with every start; nil where the server does not tell.
    var runID: String?
    /// The `master_replid2`, which changes whenever the server is promoted, without a start; nil where it does not tell.
    var promotion: String?
    /// Whether it is a primary; nil where the server does not tell.
    var isPrimary: Bool?
    /// 3, or 2 where the server does not know RESP3.
    var protocolVersion = 3

    /// The run id as an argument on the wire: of both enough to tell servers apart, empty where either is not known.
    var runIDArgument: [UInt8] {
        let text = runID.flatMap { runID in promotion.map { runID.prefix(24) + $0.prefix(16) } } ?? ""
        return Array("$\(text.utf8.count)\r\n\(text)\r\n".utf8)
    }
}

/// The first words on a connection, in one round trip: protocol and identity, database, whose server it is, and whether it
/// is ready to serve. Where the server does not know RESP3, a second round trip says the same in RESP2. Decisions only.
struct Handshake {
    /// What is to be done after an answer.
    enum Step {
        /// Wait for the next one.
        case wait
        /// Begin again with these commands.
        case send([RedisCommand])
        /// The connection is ready.
        case done(ServerFacts)
        /// The connection is of no use.
        case failed(RedisError)
    }

    private enum Word {
        case hello, auth, name, select, info, role, ping
    }

    private let user: String?
    private let password: String?
    private let clientName: String
    private let database: Int
    private var facts = ServerFacts()
    private var expected: [Word] = []
    /// Whether what is still to come was said in a protocol that the server does not know.
    private var isFallingBack = false

    /// The handshake that a connection of `configuration` begins with; `password` is what it says now.
    init(_ configuration: RedisConfiguration, password: String?) {
        user = configuration.user
        self.password = password
        clientName = configuration.clientName
        database = configuration.database
    }

    /// What is to be sent first.
    mutating func begin() -> [RedisCommand] {
        var hello: [RedisArgument] = ["3"]
        if let password { hello += ["AUTH", .init(user ?? "default"), .init(password)] }
        if !clientName.isEmpty { hello += ["SETNAME", .init(clientName)] }
        expected = [.hello]
        return [RedisCommand("HELLO", hello)] + rest()
    }

    /// The same in the words of RESP2.
    private mutating func fallBack() -> [RedisCommand] {
        isFallingBack = false
        facts.protocolVersion = 2
        expected = []
        var commands: [RedisCommand] = []
        if let password {
            expected.append(.auth)
            commands.append(RedisCommand("AUTH", (user.map { [.init($0)] } ?? []) + [.init(password)]))
        }
        if !clientName.isEmpty {
            expected.append(.name)
            commands.append(RedisCommand("CLIENT", ["SETNAME", .init(clientName)]))
        }
        expected.append(.role)
        return commands + [RedisCommand("ROLE")] + rest()
    }

    private mutating func rest() -> [RedisCommand] {
        var commands: [RedisCommand] = []
        if database != 0 {
            expected.append(.select)
            commands.append(RedisCommand("SELECT", [.init(database)]))
        }
        expected += [.info, .info, .ping]
        // Servers before 7 know one section at a time.
        return commands
            + [RedisCommand("INFO", ["server"]), RedisCommand("INFO", ["replication"]), RedisCommand("PING")]
    }
}

// MARK: - Answers

extension Handshake {
    /// Takes in the next answer.
    mutating func receive(_ value: RedisValue) -> Step {
        guard !expected.isEmpty else { return .failed(.violation("an answer belongs to no command")) }
        let word = expected.removeFirst()
        if isFallingBack { return expected.isEmpty ? .send(fallBack()) : .wait }
        if case .error(let reply) = value {
            if let failure = failure(word, reply) { return .failed(failure) }
        } else {
            learn(word, value)
        }
        return expected.isEmpty ? .done(facts) : .wait
    }

    private mutating func learn(_ word: Word, _ value: RedisValue) {
        switch word {
        case .hello:
            let role = (try? value.pairs())?.first { (try? $0.key.string()) == "role" }?.value
            facts.isPrimary = (try? role?.string()).map { $0 == "master" }
        case .role: facts.isPrimary = (try? value.array().first?.string()).map { $0 == "master" }
        case .info:
            let lines = (try? value.string())?.split(whereSeparator: \.isNewline) ?? []
            func fact(_ name: String) -> String? {
                lines.first { $0.hasPrefix(name) }.map { String($0.dropFirst(name.count)) }
            }
            facts.runID = facts.runID ?? fact("run_id:")
            facts.promotion = facts.promotion ?? fact("master_replid2:")
        default: break
        }
    }

    /// Why the connection is of no use after this error; nil where it is of use all the same.
    private mutating func failure(_ word: Word, _ reply: RedisErrorReply) -> RedisError? {
        switch word {
        case .hello:
            let message = reply.message.lowercased()
            if reply.code == "NOPROTO" || message.hasPrefix("err unknown command") {
                isFallingBack = true
                return nil
            }
            // Anything else is about who we are, but for a server that is full.
            return refusal(reply, isLasting: reply.code != "ERR" || message.contains("auth"))
        case .auth, .select: return refusal(reply, isLasting: true)
        case .name, .info, .role: return nil
        case .ping:
            switch reply.code {
            case "LOADING", "MASTERDOWN", "BUSY": return refusal(reply, isLasting: false)
            case "NOAUTH": return refusal(reply, isLasting: true)
            // Not allowed by an ACL, or not healthy enough for writes: what we are here for may work all the same.
            default: return nil
            }
        }
    }

    private func refusal(_ reply: RedisErrorReply, isLasting: Bool) -> RedisError {
        // Some servers quote the arguments of what they do not understand.
        var message = reply.message
        if let password, !password.isEmpty { message = message.replacing(password, with: "<redacted>") }
        var error = RedisError(.unreachable, message)
        error.serverCode = reply.code
        error.isLasting = isLasting
        return error
    }
}
