// SPDX-License-Identifier: Apache-2.0

internal import CPostgres
internal import Logging
internal import Synchronization

/// One libpq connection, in non-blocking mode: the thin shell between our lanes and C.
///
/// Unchecked because libpq's pointer is opaque: a wire is made by the thread that connects, handed over whole to the
/// lane's thread, and used by nobody else; it is closed with its last reference.
final class Wire: @unchecked Sendable {
    /// What libpq has to say next.
    enum Reading {
        /// A result, or the end of a unit.
        case result(PostgresResult, ExecStatusType)
        /// The end of one statement's results, or nothing at all.
        case none
    }

    private let connection: OpaquePointer
    private let notices: NoticeSink
    /// Where the parameters of the call being sent begin; kept to spare an allocation per call.
    private var pointers: [UnsafePointer<CChar>?] = []
    /// All ones: every parameter is binary.
    private var formats: [Int32] = []

    /// Takes `connection` over.
    init(_ connection: OpaquePointer, logger: Logger) {
        self.connection = connection
        notices = NoticeSink(logger: logger)
        // libpq prints notices to standard error unless told otherwise; the sink lives as long as the connection.
        PQsetNoticeReceiver(connection, receiveNotice, Unmanaged.passUnretained(notices).toOpaque())
    }

    deinit {
        PQfinish(connection)
    }
}

// MARK: - Connecting

extension Wire {
    /// Goes one step on with the connection's start.
    func pollConnect() -> PostgresPollingStatusType { PQconnectPoll(connection) }

    /// Makes errors name their SQLSTATE, which nothing else tells of a failed connect.
    func useVerboseErrors() { _ = PQsetErrorVerbosity(connection, PQERRORS_VERBOSE) }

    /// Nothing that is sent may block from now on.
    func useNonblocking() -> Bool { PQsetnonblocking(connection, 1) == 0 }

    /// Whether the connection is usable as far as libpq and the server's last words tell.
    var isGood: Bool { PQstatus(connection) == CONNECTION_OK && !notices.hasEnded.load(ordering: .relaxed) }

    /// The process id that the handshake told; a pooler makes one up.
    var announcedProcess: Int { Int(PQbackendPID(connection)) }

    /// The descriptor to poll; below 0 where there is none.
    var socket: Int32 { PQsocket(connection) }

    /// What libpq says went wrong last. It names hosts and roles, never a password.
    var complaint: String { String(cString: PQerrorMessage(connection)) }

    /// Whether the session stands outside of any transaction.
    var isOutsideTransaction: Bool { PQtransactionStatus(connection) == PQTRANS_IDLE }
}

// MARK: - Sending

extension Wire {
    /// From now on several statements may be under way; false where something is still to be read.
    func enterPipeline() -> Bool { PQenterPipelineMode(connection) == 1 }

    /// Back to one statement at a time, for scripts; false where something is still under way.
    func exitPipeline() -> Bool { PQexitPipelineMode(connection) == 1 }

    /// Sends a text of any number of statements, outside the pipeline.
    func sendScript(_ sql: String) -> Bool { PQsendQuery(connection, sql) == 1 }

    /// Asks the server to prepare `statement` as `name`.
    func sendPrepare(_ statement: PostgresStatement, as name: String) -> Bool {
        withTypes(of: statement) { types, count in
            PQsendPrepare(connection, name, statement.sql, count, types) == 1
        }
    }

    /// Runs what was prepared as `name`.
    func send(_ arguments: PostgresArguments, to name: String) -> Bool {
        withPointers(to: arguments) { values, lengths, formats, count in
            PQsendQueryPrepared(connection, name, count, values, lengths, formats, 1) == 1
        }
    }

    /// Parses and runs a statement that is not kept.
    func send(_ call: PostgresCall) -> Bool {
        withTypes(of: call.statement, atMost: call.arguments.count) { types, typeCount in
            withPointers(to: call.arguments) { values, lengths, formats, count in
                // libpq reads as many types as there are parameters: the missing ones are left to the server.
                var all = [Oid](UnsafeBufferPointer(start: types, count: Int(typeCount)))
                all.append(contentsOf: repeatElement(0, count: max(0, Int(count) - Int(typeCount))))
                return PQsendQueryParams(connection, call.statement.sql, count, all, values, lengths, formats, 1) == 1
            }
        }
    }

    /// Ends a unit: the server commits here. libpq 15 also flushes what it can.
    func sendSync() -> Bool { PQpipelineSync(connection) == 1 }

    /// Writes what waits: 0 where all is written, 1 where the socket is full, -1 where it broke.
    func flush() -> Int32 { PQflush(connection) }

    private func withTypes<Value>(
        of statement: PostgresStatement, atMost limit: Int = .max,
        _ body: (UnsafePointer<Oid>?, Int32) -> Value
    ) -> Value {
        statement.types.withUnsafeBufferPointer { types in
            types.withMemoryRebound(to: Oid.self) { body($0.baseAddress, Int32(min($0.count, limit))) }
        }
    }

    /// Points at the values in the buffer of `arguments`.
    private func withPointers<Value>(
        to arguments: PostgresArguments,
        _ body: (UnsafePointer<UnsafePointer<CChar>?>?, UnsafePointer<Int32>?, UnsafePointer<Int32>?, Int32) -> Value
    ) -> Value {
        pointers.removeAll(keepingCapacity: true)
        while formats.count < arguments.count { formats.append(1) }
        return arguments.buffer.withUnsafeBytes { bytes in
            // An empty buffer has no address, and libpq reads a null pointer as NULL: any address will do for no bytes.
            withUnsafeBytes(of: UInt8(0)) { anywhere in
                var next = bytes.baseAddress ?? anywhere.baseAddress
                for length in arguments.lengths {
                    guard length >= 0, let here = next else {
                        pointers.append(nil)
                        continue
                    }
                    pointers.append(here.assumingMemoryBound(to: CChar.self))
                    next = here + Int(length)
                }
                return body(pointers, arguments.lengths, formats, Int32(arguments.count))
            }
        }
    }
}

// MARK: - Reading

extension Wire {
    /// Takes in what the socket has; false where the connection is gone.
    func consume() -> Bool { PQconsumeInput(connection) == 1 }

    /// Whether the next reading would have to wait for the server.
    var isBusy: Bool { PQisBusy(connection) != 0 }

    /// What comes next. Only while not `isBusy`.
    func next() -> Reading {
        guard let pointer = PQgetResult(connection) else { return .none }
        return .result(PostgresResult(pointer), PQresultStatus(pointer))
    }

    /// The next notification that came along, if any.
    func nextNotification() -> (channel: String, payload: String)? {
        guard let pointer = PQnotifies(connection) else { return nil }
        defer { PQfreemem(pointer) }
        return (String(cString: pointer.pointee.relname), String(cString: pointer.pointee.extra))
    }
}

/// Asks the server, on a connection of its own, to stop what another connection has it do.
///
/// Unchecked because libpq's pointer is opaque: it holds a copy of what is needed, is never changed, and libpq lets any
/// thread use it.
final class Canceller: @unchecked Sendable {
    private let pointer: OpaquePointer

    fileprivate init(_ pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit {
        PQfreeCancel(pointer)
    }

    /// Asks. Blocks until the server took note; whether it was in time nobody tells.
    func cancel() {
        var complaint = [CChar](repeating: 0, count: 256)
        _ = PQcancel(pointer, &complaint, Int32(complaint.count))
    }
}

extension Wire {
    /// What can stop the statement that runs on this connection, whichever it is then.
    var canceller: Canceller? { PQgetCancel(connection).map { Canceller($0) } }
}

/// Hands the server's notices to a logger, and remembers a farewell: what ends a session that is idle comes as a notice.
final class NoticeSink: Sendable {
    let logger: Logger
    /// Whether the server said that it ends the session.
    let hasEnded = Atomic(false)

    /// Notices go to `logger`, at debug.
    init(logger: Logger) {
        self.logger = logger
    }
}

/// Called by libpq, on the lane's thread, for every notice.
private func receiveNotice(_ sink: UnsafeMutableRawPointer?, _ result: OpaquePointer?) {
    guard let sink, let result else { return }
    let notices = Unmanaged<NoticeSink>.fromOpaque(sink).takeUnretainedValue()
    let severity = PQresultErrorField(result, Int32(sojourn_field_severity)).map { String(cString: $0) }
    if severity == "FATAL" || severity == "PANIC" { notices.hasEnded.store(true, ordering: .relaxed) }
    notices.logger.debug(
        "PostgreSQL notice",
        metadata: ["notice": "\(String(cString: PQresultErrorMessage(result)).trimmedLineEnd)"])
}

extension String {
    /// Without the line ends and blanks at its end, which libpq's messages have.
    var trimmedLineEnd: String {
        String(reversed().drop { $0.isWhitespace }.reversed())
    }
}
