// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import RedisDriver

/// What answers, silence and the end of a connection mean for the commands on it, without a server.
@Suite("Redis: flight") struct RedisFlightTests {
    let now = ContinuousClock.now
    let script = RedisScript("return 1")

    /// A call that was sent on `flight`.
    private func send(
        _ command: RedisCommand = RedisCommand("GET", key: "a"), after delay: Duration = .seconds(5),
        on flight: inout Flight
    ) -> Call {
        let call = Call(command, deadline: now + delay)
        #expect(call.markSent())
        flight.add(call, at: now)
        return call
    }

    private func error(_ message: String) -> FrameDecoder.Frame { .reply(.error(RedisErrorReply(message))) }

    /// The error that `action` tells the caller of `call`.
    private func failure(_ action: Flight.Action, of call: Call) -> RedisError? {
        guard case .answer(let answered, .failure(let error)) = action, answered === call else { return nil }
        return error
    }

    @Test("answers belong to commands in their order, pushes to none") func order() {
        var flight = Flight(at: now)
        let calls = [send(on: &flight), send(on: &flight)]
        guard case .push([.text("a")]) = flight.receive(.push([.text("a")]), at: now) else {
            return #expect(Bool(false), "a push was taken for an answer")
        }
        for call in calls {
            guard case .answer(let answered, .success(.integer(1))) = flight.receive(.reply(.integer(1)), at: now)
            else {
                return #expect(Bool(false), "it was not answered")
            }
            #expect(answered === call)
        }
        #expect(flight.isEmpty)
        guard case .giveUp(let error) = flight.receive(.reply(.integer(1)), at: now) else {
            return #expect(Bool(false), "an answer without a command was let pass")
        }
        #expect(error.code == .protocolViolation)
    }

    @Test("lists look like messages only to who subscribed over RESP2") func messages() {
        let message = RedisValue.array([.bytes(Array("message".utf8)), .bytes([1]), .bytes([2])])
        var plain = Flight(at: now)
        _ = send(on: &plain)
        guard case .answer = plain.receive(.reply(message), at: now) else {
            return #expect(Bool(false), "a list was taken for a message")
        }
        var conditions = Flight.Conditions()
        conditions.subscribesOverRESP2 = true
        var subscriber = Flight(at: now, conditions)
        guard case .push = subscriber.receive(.reply(message), at: now) else {
            return #expect(Bool(false), "a message was taken for an answer")
        }
    }

    @Test("a script is loaded once on a connection, and once more for all that wait when it was flushed")
    func scripts() {
        var flight = Flight(at: now)
        let command = RedisCommand.script(script, keys: ["a"])
        let first = Call(command, deadline: now)
        #expect(flight.missingScript(for: first, at: now)?.sha == script.sha)
        flight.add(first, at: now)
        #expect(flight.missingScript(for: Call(command, deadline: now), at: now) == nil)
        let others = [send(command, on: &flight), send(command, on: &flight)]
        guard case .nothing = flight.receive(.reply(.text(script.sha)), at: now) else {
            return #expect(Bool(false), "the answer to the loading is nobody's")
        }
        _ = flight.receive(.reply(.integer(1)), at: now)
        guard case .again(let again) = flight.receive(error("NOSCRIPT No matching script"), at: now) else {
            return #expect(Bool(false), "it is not sent again")
        }
        #expect(again === others[0])
        #expect(flight.missingScript(for: again, at: now)?.sha == script.sha)
        flight.add(again, at: now)
        // This one was sent before the second loading: that will do for it as well.
        guard case .again(let last) = flight.receive(error("NOSCRIPT No matching script"), at: now) else {
            return #expect(Bool(false), "it is not sent again")
        }
        #expect(flight.missingScript(for: last, at: now) == nil)
    }

    @Test("who runs a script that the server will not take is told why; who never gets it loaded is told in the end")
    func badScript() {
        var flight = Flight(at: now)
        let call = Call(.script(script, keys: []), deadline: now)
        _ = flight.missingScript(for: call, at: now)
        flight.add(call, at: now)
        _ = flight.receive(error("ERR Error compiling script"), at: now)
        #expect(failure(flight.receive(error("NOSCRIPT"), at: now), of: call)?.serverCode == "ERR")
        var rounds = 0
        var stubborn = Flight(at: now)
        let other = send(.script(script, keys: []), on: &stubborn)
        while case .again = stubborn.receive(error("NOSCRIPT"), at: now) {
            rounds += 1
            stubborn.add(other, at: now)
        }
        #expect(rounds == 3)
    }

    @Test(
        "errors tell whether something may have happened",
        arguments: [
            ("ERR value is not an integer", false, RedisError.Outcome.nothingHappened),
            ("ERR user_script:1: Script attempted", true, .unknown), ("WRONGTYPE Operation", true, .unknown),
            ("BUSY Redis is busy running a script", true, .nothingHappened),
            ("OOM command not allowed", true, .nothingHappened),
            ("MASTERDOWN Link", true, .nothingHappened), ("TRYAGAIN Multiple keys", true, .nothingHappened),
        ])
    func outcomes(message: String, isScript: Bool, outcome: RedisError.Outcome) {
        var flight = Flight(at: now)
        let call = send(isScript ? .script(script, keys: []) : RedisCommand("INCR", key: "a"), on: &flight)
        let failure = failure(flight.receive(error(message), at: now), of: call)
        #expect(failure?.code == .server && failure?.outcome == outcome)
        #expect(failure?.serverCode == message.split(separator: " ").first.map(String.init))
    }

    @Test("a server that is loading, or has become a replica, is left, and the command is tried elsewhere")
    func elsewhere() {
        var flight = Flight(at: now)
        _ = [send(on: &flight), send(on: &flight)]
        guard case .elsewhere(let call, let reason) = flight.receive(error("LOADING Redis"), at: now) else {
            return #expect(Bool(false), "it stays")
        }
        #expect(reason.code == .unreachable)
        guard case .elsewhere = flight.receive(error("READONLY You can't write"), at: now) else {
            return #expect(Bool(false), "it stays")
        }
        // Loading may take many attempts; a second READONLY is the answer.
        flight.add(call, at: now)
        guard case .elsewhere = flight.receive(error("LOADING Redis"), at: now) else {
            return #expect(Bool(false), "it stays")
        }
        flight.add(call, at: now)
        #expect(failure(flight.receive(error("READONLY You"), at: now), of: call)?.serverCode == "READONLY")
    }

    @Test("a connection that was made because of READONLY is not left at once for the same") func replica() {
        var conditions = Flight.Conditions()
        conditions.followsReadOnly = true
        var flight = Flight(at: now, conditions)
        let call = send(on: &flight)
        #expect(failure(flight.receive(error("READONLY You"), at: now), of: call)?.serverCode == "READONLY")
        _ = send(on: &flight)
        guard case .elsewhere = flight.receive(error("READONLY You"), at: now + .seconds(1)) else {
            return #expect(Bool(false), "it stays for ever")
        }
    }

    @Test("a lost connection: what may be repeated is, once; the others do not know") func lost() {
        var flight = Flight(at: now)
        let plain = send(on: &flight)
        let repeatable = send(RedisCommand("GET", key: "a", retry: .ifInterrupted), on: &flight)
        let (repeated, failed) = flight.lose()
        #expect(repeated.count == 1 && repeated[0] === repeatable)
        #expect(failed.count == 1 && failed[0] === plain)
        #expect(flight.isEmpty)
        flight.add(repeatable, at: now)
        #expect(flight.lose().failed.count == 1)
    }

    @Test("callers are told when their time is up, and their answers still count") func expiry() {
        var flight = Flight(at: now)
        let calls = [1, 2, 3].map { send(after: .seconds($0), on: &flight) }
        #expect(flight.nextDeadline == now + .seconds(1) && flight.owedSince == now)
        #expect(flight.expire(now + .seconds(2)).count == 2)
        #expect(flight.expire(now + .seconds(2)).isEmpty)
        #expect(flight.nextDeadline == now + .seconds(3) && flight.count == 3)
        guard case .answer(let first, _) = flight.receive(.reply(.null), at: now) else {
            return #expect(Bool(false), "it was not answered")
        }
        #expect(first === calls[0])
    }

    @Test("a caller is told once, and what is known of the effect") func outcomes() async {
        func outcome(_ body: (Call) -> Void) async -> Call.Outcome {
            let call = Call(RedisCommand("PING"), deadline: now)
            body(call)
            call.answer(.success(.text("late")))
            return await withCheckedContinuation { _ = call.attach(.one($0)) }
        }
        let early = await outcome { $0.cancel() }
        #expect(throws: RedisError.self) { try early.get() }
        #expect(await outcome { _ in } == .success(.text("late")))
        func effect(_ body: (Call) -> Void) async -> RedisError.Outcome? {
            guard case .failure(let error) = await outcome(body) else { return nil }
            return error.outcome
        }
        #expect(await effect { $0.expire() } == .nothingHappened)
        #expect(await effect { if $0.markSent() { $0.expire() } } == .unknown)
        #expect(
            await effect { call in
                if call.markSent() { _ = call.markRefused() }
                call.cancel()
            } == .nothingHappened)
        // A refusal of the second attempt tells nothing of the first.
        #expect(
            await effect { call in
                if call.markSent() { _ = call.markInterrupted() }
                if call.markSent() { _ = call.markRefused() }
                call.answer(.failure(RedisError(RedisErrorReply("BUSY"))))
            } == .unknown)
    }
}
