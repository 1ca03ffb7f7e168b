// SPDX-License-Identifier: Apache-2.0

internal import DequeModule

/// What was written on one connection and not answered yet, in order; decides what an answer, a silence and the end of
/// the connection mean.
///
/// A server answers commands in their order, so that the first answer belongs to the first entry. Pushes belong to none.
/// An answer that nobody asked for means that the two sides are out of step: nothing on the connection can be believed.
struct Flight {
    /// What is to be done after something was received.
    enum Action {
        /// Nothing.
        case nothing
        /// Tell the caller.
        case answer(Call, Call.Outcome)
        /// Write it once more on this connection: the server refused it before it began.
        case again(Call)
        /// Queue it for the next connection, and give this one up once all else on it is answered: the server refused it
        /// before it began, and will refuse others.
        case elsewhere(Call, RedisError)
        /// The server sent this on its own account.
        case push([RedisValue])
        /// Give the connection up at once.
        case giveUp(RedisError)
    }

    private struct Entry {
        enum Content {
            case call(Call)
            case loading(RedisScript)
            case asking
        }

        let content: Content
        let sent: ContinuousClock.Instant
        /// What the server had been told of scripts by then.
        let loads: Int
        /// Whether its caller was told that it takes too long.
        var isExpired = false
    }

    /// A connection that was made because the server could not be written to is not given up for the same again within
    /// this time.
    static let readOnlyPause = Duration.seconds(1)

    private var entries: Deque<Entry> = []
    /// Scripts that this connection has made known, and by which of its loads.
    private var known: [String: Int] = [:]
    /// Scripts that the server would not take.
    private var unloadable: [String: RedisErrorReply] = [:]
    private var loads = 0
    private let began: ContinuousClock.Instant
    private let conditions: Conditions

    /// What is special about a connection.
    struct Conditions {
        /// Whether it subscribes over RESP2, in which messages look like answers.
        var subscribesOverRESP2 = false
        /// Whether it was made since the server could not be written to on the last one.
        var followsReadOnly = false
    }

    /// Nothing is under way on a connection that was made at `now`.
    init(at now: ContinuousClock.Instant, _ conditions: Conditions = Conditions()) {
        began = now
        self.conditions = conditions
    }

    /// How many commands are under way.
    var count: Int { entries.count }
    /// Whether nothing is under way.
    var isEmpty: Bool { entries.isEmpty }
    /// Since when the server has owed its next answer.
    var owedSince: ContinuousClock.Instant? { entries.first?.sent }

    /// The script that is to be loaded before `call` is written; nil where it needs none that is not known.
    mutating func missingScript(for call: Call, at now: ContinuousClock.Instant) -> RedisScript? {
        guard let script = call.command.script, known[script.sha] == nil else { return nil }
        loads += 1
        known[script.sha] = loads
        unloadable[script.sha] = nil
        entries.append(Entry(content: .loading(script), sent: now, loads: loads))
        return script
    }

    /// Notes that `call` is being written, and `ASKING` before it where it wants that.
    mutating func add(_ call: Call, at now: ContinuousClock.Instant) {
        if call.command.isAsking { entries.append(Entry(content: .asking, sent: now, loads: loads)) }
        entries.append(Entry(content: .call(call), sent: now, loads: loads))
    }

    /// The calls whose callers have waited long enough by `now`, each once. They stay under way.
    mutating func expire(_ now: ContinuousClock.Instant) -> [Call] {
        var expired: [Call] = []
        for index in entries.indices where !entries[index].isExpired {
            guard case .call(let call) = entries[index].content, call.deadline <= now else { continue }
            entries[index].isExpired = true
            expired.append(call)
        }
        return expired
    }

    /// When the next caller will have waited long enough.
    var nextDeadline: ContinuousClock.Instant? {
        entries.lazy.filter { !$0.isExpired }.compactMap {
            if case .call(let call) = $0.content { call.deadline } else { nil }
        }.min()
    }
}

// MARK: - What comes in

extension Flight {
    /// Takes in the next frame.
    mutating func receive(
        _ frame: FrameDecoder.Frame, at now: @autoclosure () -> ContinuousClock.Instant
    ) -> Action {
        switch frame {
        case .push(let elements): return .push(elements)
        case .reply(let value):
            if conditions.subscribesOverRESP2, let elements = value.subscriptionMessage { return .push(elements) }
            guard let entry = entries.popFirst() else {
                return .giveUp(.violation("an answer belongs to no command"))
            }
            switch entry.content {
            case .call(let call):
                guard case .error(let reply) = value else { return .answer(call, .success(value)) }
                return refused(call, reply, entry, now())
            case .loading(let script):
                if case .error(let reply) = value { unloadable[script.sha] = reply }
                return .nothing
            case .asking: return .nothing
            }
        }
    }

    /// What an error means for the command and for the connection.
    private mutating func refused(
        _ call: Call, _ reply: RedisErrorReply, _ entry: Entry, _ now: ContinuousClock.Instant
    ) -> Action {
        var error = RedisError(reply)
        let isRefusal = error.serverCode.map(Self.refusals.contains) ?? false
        if call.command.script != nil && !isRefusal { error.outcome = .unknown }
        switch error.serverCode {
        case "NOSCRIPT":
            guard let script = call.command.script else { break }
            if let reason = unloadable[script.sha] { return .answer(call, .failure(RedisError(reason))) }
            // Sent after the last load and unknown all the same: only then has the server forgotten it since.
            if let load = known[script.sha], load <= entry.loads { known[script.sha] = nil }
            return call.markRefused() <= 3 ? .again(call) : .answer(call, .failure(error))
        case "LOADING":
            _ = call.markRefused()
            error = RedisError(.unreachable, "Redis is still loading its data.")
            return .elsewhere(call, error)
        case "READONLY":
            guard call.markRefused() == 1, !conditions.followsReadOnly || began + Self.readOnlyPause <= now else {
                break
            }
            error = RedisError(.unreachable, "Redis is a replica now, which cannot be written to.")
            error.serverCode = "READONLY"
            return .elsewhere(call, error)
        default: break
        }
        return .answer(call, .failure(error))
    }

    /// Codes that tell that a command, or a script, was not begun or could not write.
    private static let refusals: Set<String> = [
        "NOSCRIPT", "LOADING", "BUSY", "MASTERDOWN", "TRYAGAIN", "READONLY", "MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT",
        "NOAUTH", "OOM", "MISCONF", "NOREPLICAS",
    ]

    /// The connection is gone: empties the flight.
    ///
    /// - Returns: The calls to be sent again, in their order, and those whose callers are to be told.
    mutating func lose() -> (repeated: [Call], failed: [Call]) {
        var repeated: [Call] = []
        var failed: [Call] = []
        for entry in entries {
            guard case .call(let call) = entry.content else { continue }
            if call.markInterrupted() { repeated.append(call) } else { failed.append(call) }
        }
        entries.removeAll()
        return (repeated, failed)
    }
}

extension RedisValue {
    /// What RESP2 sends to a subscriber, which looks like an answer; nil for anything else.
    fileprivate var subscriptionMessage: [RedisValue]? {
        guard case .array(let elements) = self, case .bytes(let kind) = elements.first else { return nil }
        let kinds = ["message", "pmessage", "subscribe", "psubscribe", "unsubscribe", "punsubscribe"]
        return kinds.contains { kind.elementsEqual($0.utf8) } ? elements : nil
    }
}
