// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RedisDriver

/// The values that decide, without a server.
@Suite("Redis: decisions") struct RedisDecisionTests {
    let now = ContinuousClock.now

    @Test(
        "the first attempt comes at once, then pauses grow from 50 ms to 2 s, and chance shortens them by up to a half")
    func pauses() {
        var outage = Outage(grace: .seconds(60))
        let reason = RedisError(.connectionLost, "gone")
        outage.ended(at: now)
        let lost = now + .seconds(10)
        #expect(outage.lost(reason, at: lost, chance: 0) == lost)
        let pauses = (0..<9).map { _ in now.duration(to: outage.failed(reason, at: now, chance: 0)) }
        #expect(pauses.prefix(3) == [.milliseconds(50), .milliseconds(100), .milliseconds(200)])
        #expect(pauses.last == .seconds(2))
        #expect(now.duration(to: outage.failed(reason, at: now, chance: 1)) == .seconds(1))
    }

    @Test("a loop that was held up reads first, but not for ever; one that is punctual does not") func catchingUp() {
        var catchUp = CatchUp()
        func putsOff(_ late: Duration) -> Bool { catchUp.putsOff(now, at: now + late) }
        #expect(!putsOff(.milliseconds(20)))
        for _ in 0..<2 {
            for _ in 0..<CatchUp.turnsMax { #expect(putsOff(.milliseconds(21))) }
            #expect(!putsOff(.seconds(9)))
        }
        #expect(putsOff(.seconds(9)))
        #expect(!putsOff(.zero))
        for _ in 0..<CatchUp.turnsMax { #expect(putsOff(.seconds(9))) }
    }

    @Test("a connection that did not stand for a second does not begin the row anew") func flapping() {
        var outage = Outage(grace: .seconds(60))
        let reason = RedisError(.connectionLost, "gone")
        outage.ended(at: now)
        #expect(outage.lost(reason, at: now, chance: 0) == now)
        outage.ended(at: now)
        #expect(outage.lost(reason, at: now, chance: 0) == now + .milliseconds(50))
        outage.ended(at: now)
        #expect(outage.lost(reason, at: now + .seconds(1), chance: 0) == now + .seconds(1))
    }

    @Test("callers are told once the grace is over, or at once where waiting is no use") func grace() {
        var outage = Outage(grace: .seconds(2))
        #expect(outage.refusal(at: now) == nil)
        _ = outage.lost(RedisError(.connectionLost, "gone"), at: now, chance: 0)
        #expect(outage.refusal(at: now + .seconds(1.9)) == nil)
        #expect(outage.refusal(at: now + .seconds(2))?.code == .unreachable)
        outage.ended(at: now)
        #expect(outage.refusal(at: now + .seconds(9)) == nil)
        var refused = RedisError(.unreachable, "WRONGPASS")
        refused.isLasting = true
        _ = outage.failed(refused, at: now, chance: 0)
        #expect(outage.refusal(at: now) == refused)
    }

    @Test("failures of several hosts are one, lasting only where all are") func summary() {
        var lasting = RedisError(.unreachable, "no user")
        lasting.isLasting = true
        let passing = RedisError(.unreachable, "no route")
        #expect(Connector.summary([lasting, passing]).isLasting == false)
        #expect(Connector.summary([lasting, passing]).message == "no user; no route")
        #expect(Connector.summary([lasting, lasting]).isLasting)
        #expect(Connector.summary([]).code == .unreachable)
    }

    @Test("what an error means for the effect and for another attempt") func errors() {
        var error = RedisError(RedisErrorReply("LOADING Redis is loading the dataset in memory"))
        #expect(error.isRetriable && error.serverCode == "LOADING")
        #expect(error.description == "Redis refused the command (LOADING).")
        error.outcome = .unknown
        #expect(!error.isRetriable)
        #expect(!RedisError(RedisErrorReply("WRONGTYPE secret")).isRetriable)
        #expect(!"\(RedisError(RedisErrorReply("WRONGTYPE secret")))".contains("secret"))
        #expect(RedisError(.queueFull, "full").isRetriable)
        #expect(!RedisError(.timedOut, "late", outcome: .unknown).isRetriable)
    }
}

/// What waits for the reader of a subscription.
@Suite("Redis: queue of events") struct RedisEventQueueTests {
    private let queue: EventQueue<String>

    init() {
        let (_, ringer) = AsyncStream.makeStream(of: Void.self)
        // Nothing is there to connect to: the test says what comes in.
        let configuration = RedisConfiguration(hosts: [])
        queue = EventQueue(
            Watching(began: "began", lost: "lost", opening: { _ in .success([]) }, read: { try? $0.first?.string() }),
            ringer, Surroundings(configuration: configuration, logger: TestServer.logger))
        queue.listen { [Node.Place(name: "a", needsPrimary: false) { () throws(RedisError) in [] }] }
    }

    private var waiting: [String] {
        var events: [String] = []
        while let event = queue.take() { events.append(event) }
        return events
    }

    @Test("events come in their order, and none while the subscription does not stand") func order() {
        defer { queue.close() }
        queue.received([.text("early")])
        queue.lost("a")
        queue.opened("a", nil)
        queue.received([.text("one")])
        queue.received([])
        queue.lost("a")
        queue.received([.text("late")])
        queue.opened("a", RedisError(.server, "no"))
        #expect(waiting == ["began", "one", "lost"])
    }

    @Test("who falls behind is told that the connection was lost, and whether it stands") func overflow() {
        defer { queue.close() }
        queue.opened("a", nil)
        for number in 1...1023 { queue.received([.text("\(number)")]) }
        #expect(waiting.count == 1024)
        for number in 1...1025 { queue.received([.text("\(number)")]) }
        queue.received([.text("after")])
        #expect(waiting == ["lost", "began", "after"])
        for number in 1...1024 { queue.received([.text("\(number)")]) }
        queue.lost("a")
        #expect(waiting == ["lost"])
    }
}

/// The first words on a connection.
@Suite("Redis: handshake") struct RedisHandshakeTests {
    private func handshake(
        user: String? = nil, password: String? = nil, database: Int = 0
    ) -> Handshake {
        var configuration = RedisConfiguration(hosts: [.init("localhost")])
        configuration.user = user
        configuration.database = database
        return Handshake(configuration, password: password)
    }

    private func words(_ commands: [RedisCommand]) -> [String] {
        commands.map { command in
            let lines = String(decoding: command.wire, as: UTF8.self).split(separator: "\r\n")
            return stride(from: 2, to: lines.count, by: 2).map { String(lines[$0]) }.joined(separator: " ")
        }
    }

    private let hello = RedisValue.map([.init(key: .bytes(Array("role".utf8)), value: .bytes(Array("master".utf8)))])
    private let info = RedisValue.bytes(Array("# Server\r\nredis_version:7\r\nrun_id:abc\r\nuptime:1\r\n".utf8))
    private let replication = RedisValue.bytes(
        Array("# Replication\r\nrole:master\r\nmaster_replid:f\r\nmaster_replid2:00\r\n".utf8))

    @Test("all is said in one round trip") func opening() throws {
        var handshake = handshake(user: "ann", password: "secret", database: 3)
        let sent = words(handshake.begin())
        #expect(
            sent == ["HELLO 3 AUTH ann secret SETNAME sojourn", "SELECT 3", "INFO server", "INFO replication", "PING"])
        for value in [hello, .text("OK"), info, replication] {
            guard case .wait = handshake.receive(value) else { return #expect(Bool(false), "it does not wait") }
        }
        guard case .done(let facts) = handshake.receive(.text("PONG")) else {
            return #expect(Bool(false), "it is not done")
        }
        #expect(facts == ServerFacts(runID: "abc", promotion: "00", isPrimary: true, protocolVersion: 3))
        #expect(facts.runIDArgument == Array("$5\r\nabc00\r\n".utf8))
    }

    @Test("a password without a user is the default user's") func defaultUser() {
        var handshake = handshake(password: "secret")
        #expect(words(handshake.begin())[0] == "HELLO 3 AUTH default secret SETNAME sojourn")
    }

    @Test(
        "a server that does not know RESP3 is spoken to in RESP2",
        arguments: ["NOPROTO unsupported protocol version", "ERR unknown command `HELLO`, with args: `3`, `secret`"])
    func fallback(refusal: String) {
        var handshake = handshake(user: "ann", password: "secret", database: 3)
        _ = handshake.begin()
        _ = handshake.receive(.error(RedisErrorReply(refusal)))
        let noAuth = RedisValue.error(RedisErrorReply("NOAUTH Authentication required."))
        for _ in 0..<3 { _ = handshake.receive(noAuth) }
        guard case .send(let commands) = handshake.receive(noAuth) else {
            return #expect(Bool(false), "it does not begin again")
        }
        #expect(
            words(commands) == [
                "AUTH ann secret", "CLIENT SETNAME sojourn", "ROLE", "SELECT 3", "INFO server",
                "INFO replication", "PING",
            ])
        let role = RedisValue.array([.bytes(Array("slave".utf8)), .integer(1)])
        for value in [.text("OK"), .error(RedisErrorReply("ERR unknown")), role, .text("OK"), info, replication] {
            guard case .wait = handshake.receive(value) else { return #expect(Bool(false), "it does not wait") }
        }
        guard case .done(let facts) = handshake.receive(.text("PONG")) else {
            return #expect(Bool(false), "it is not done")
        }
        #expect(facts == ServerFacts(runID: "abc", promotion: "00", isPrimary: false, protocolVersion: 2))
    }

    @Test(
        "who is refused is told at once; a server that is not ready is tried again; no password is quoted",
        arguments: [
            (0, "WRONGPASS invalid username-password pair secret", true), (0, "NOAUTH HELLO must be called", true),
            (0, "ERR max number of clients reached", false), (3, "LOADING Redis is loading", false),
            (3, "MASTERDOWN Link with MASTER is down", false), (3, "NOAUTH Authentication required.", true),
        ])
    func refusals(place: Int, message: String, isLasting: Bool) {
        var handshake = handshake(password: "secret")
        _ = handshake.begin()
        for answer in [hello, info, replication].prefix(place) { _ = handshake.receive(answer) }
        guard case .failed(let error) = handshake.receive(.error(RedisErrorReply(message))) else {
            return #expect(Bool(false), "it has not failed")
        }
        #expect(error.code == .unreachable && error.isLasting == isLasting)
        #expect(error.serverCode == String(message.prefix { $0 != " " }))
        #expect(!error.debugDescription.contains("secret"))
    }

    @Test("an ACL that forbids INFO and PING is no obstacle") func restricted() {
        var handshake = handshake()
        _ = handshake.begin()
        _ = handshake.receive(hello)
        for _ in 0..<2 { _ = handshake.receive(.error(RedisErrorReply("NOPERM this user has no permissions"))) }
        guard case .done(let facts) = handshake.receive(.error(RedisErrorReply("NOPERM no permissions"))) else {
            return #expect(Bool(false), "it is not done")
        }
        #expect(facts.runID == nil && facts.runIDArgument == Array("$0\r\n\r\n".utf8))
    }
}
