// SPDX-License-Identifier: Apache-2.0

internal import CPostgres
internal import DriverSupport

// MARK: - Sending

extension LaneLoop {
    /// Sends what callers still wait for; where the connection breaks at it, the rest goes back into the queue.
    func send(_ units: [Unit]) {
        for (index, unit) in units.enumerated() {
            if let bound = unit.connection, bound != connection || wire == nil {
                answer(unit) { $0.answer(.failure(.transactionLost())) }
                continue
            }
            guard let wire else {
                lane.putBack(Array(units[index...]))
                return
            }
            guard unit.waiter.markSent(on: connection) else {
                lane.load.add(-1)
                continue
            }
            if flight.isEmpty { lastHeard = .now }
            guard send(unit, on: wire) else {
                abandon(wire)
                continue
            }
            // A write that fails takes in what the server said last; the next one would make libpq forget what that
            // answers. So it is looked at between the two, which costs nothing where nothing came.
            readWhatCame(wire)
        }
    }

    /// Writes one unit into the connection's buffer; false where the connection broke.
    private func send(_ unit: Unit, on wire: Wire) -> Bool {
        needsFlush = true
        switch unit.content {
        case .script(let sql):
            flight.add(unit, as: [])
            isInScript = true
            return wire.exitPipeline() && wire.sendScript(sql)
        case .calls(let calls):
            var steps: [Flight.Step] = []
            steps.reserveCapacity(calls.count)
            for call in calls {
                guard send(call, of: unit, on: wire, &steps) else {
                    flight.add(unit, as: steps, isIncomplete: true)
                    return false
                }
            }
            flight.add(unit, as: steps)
            return wire.sendSync()
        }
    }

    private func send(_ call: PostgresCall, of unit: Unit, on wire: Wire, _ steps: inout [Flight.Step]) -> Bool {
        guard call.statement.isPrepared && !isPooled else {
            steps.append(.call(call.statement, name: nil))
            return wire.send(call)
        }
        let preparation = statements.use(call.statement)
        if let evicted = preparation.evicted {
            steps.append(.housekeeping)
            guard wire.send(PostgresCall(once: "DEALLOCATE \(evicted)")) else { return false }
        }
        if preparation.isNew {
            steps.append(.prepare(call.statement, name: preparation.name))
            guard wire.sendPrepare(call.statement, as: preparation.name) else { return false }
        }
        steps.append(.call(call.statement, name: preparation.name))
        return wire.send(call.arguments, to: preparation.name)
    }

    /// Writes what waits in libpq's buffer, as far as the socket takes it.
    func flush() {
        guard needsFlush, let wire else { return }
        switch wire.flush() {
        case 0: needsFlush = false
        case 1: break
        default: abandon(wire)
        }
    }

    /// Writing failed: reads what the server said before, as it may have said why and how far it came.
    private func abandon(_ wire: Wire) {
        readWhatCame(wire)
        if self.wire === wire { lose(lossOf(wire)) }
    }
}

// MARK: - Reading

extension LaneLoop {
    /// Takes in what the server sent, and answers whoever it concerns.
    func read() {
        guard let wire else { return }
        // As above: whatever a failing write takes in is read before the next look at the socket.
        flush()
        guard self.wire === wire else { return }
        readWhatCame(wire)
        guard self.wire === wire else { return }
        let isAlive = wire.consume()
        lastHeard = .now
        readWhatCame(wire)
        // What had arrived before the end of the connection is worth as much as ever: it was read first.
        guard self.wire === wire else { return }
        readNotifications(wire)
        if !isAlive || !wire.isGood { lose(lossOf(wire)) }
    }

    /// Reads what libpq has, without a look at the socket.
    private func readWhatCame(_ wire: Wire) {
        if isInScript { readScript(wire) } else { readPipeline(wire) }
    }

    private func readPipeline(_ wire: Wire) {
        var silent = 0
        while !flight.isEmpty, !wire.isBusy {
            switch wire.next() {
            case .none:
                // One ends a statement's results; several in a row are not in the protocol.
                silent += 1
                if silent > 2 { return lose(lossOf(wire)) }
            case .result(let result, let status):
                silent = 0
                guard let received = received(result, status) else { return lose(lossOf(wire)) }
                take(flight.receive(received))
                if flight.end != nil { return lose(lossOf(wire)) }
                guard self.wire === wire else { return }
            }
        }
    }

    private func readScript(_ wire: Wire) {
        while !flight.isEmpty, !wire.isBusy {
            guard case .result(let result, let status) = wire.next() else {
                isInScript = false
                guard wire.enterPipeline() else { return lose(lossOf(wire)) }
                return take(flight.receive(.sync))
            }
            guard let received = received(result, status) else { return lose(lossOf(wire)) }
            take(flight.receive(received))
            if flight.end != nil { return lose(lossOf(wire)) }
        }
    }

    /// What a result means; nil where libpq made it up because the connection broke.
    private func received(_ result: PostgresResult, _ status: ExecStatusType) -> Flight.Received? {
        switch status {
        case PGRES_PIPELINE_SYNC: return .sync
        case PGRES_PIPELINE_ABORTED: return .skipped
        case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: return .rows(PostgresRows(result))
        case PGRES_FATAL_ERROR, PGRES_NONFATAL_ERROR, PGRES_BAD_RESPONSE:
            guard let error = PostgresError(result) else { return nil }
            return result.endsSession ? .end(error) : .failure(error)
        default:
            // COPY and its like have no place in a pipeline: nothing can follow them.
            return nil
        }
    }

    private func take(_ action: Flight.Action) {
        for (statement, name) in action.forgotten { statements.forget(statement, as: name) }
        guard let settled = action.settled else { return }
        if let outcome = settled.outcome {
            finish(settled.unit, outcome)
        } else {
            putBack([settled.unit])
        }
        if action.isOutOfStep {
            lose(PostgresError(.connectionLost, "The database answered less than was asked: is there a pooler?"))
        }
    }

    private func readNotifications(_ wire: Wire) {
        while let (channel, payload) = wire.nextNotification() {
            lane.settings.watcher?.notified(channel: channel, payload: payload, at: lastHeard)
        }
    }

    private func lossOf(_ wire: Wire) -> PostgresError {
        if let end = flight.end {
            var error = PostgresError(.connectionLost, "The database ended the session: \(end.message)")
            error.sqlState = end.sqlState
            return error
        }
        return PostgresError(.connectionLost, "The connection to the database broke: \(wire.complaint.trimmedLineEnd)")
    }

    /// Tells `unit`'s caller what came of it.
    func finish(_ unit: Unit, _ outcome: Result<[PostgresRows], PostgresError>) {
        answer(unit) { $0.answer(outcome) }
    }
}
