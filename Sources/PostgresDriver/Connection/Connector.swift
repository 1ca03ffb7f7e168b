// SPDX-License-Identifier: Apache-2.0

internal import CPostgres
internal import DriverSupport
internal import Glibc
internal import Logging
internal import Synchronization

/// Makes connections, on a thread of its own that may block: the resolver does, and so may a password command.
///
/// Hosts are tried in their order, each for `connectTimeout`. libpq could walk the list itself, but its asynchronous
/// connect has no limit per host, so that a host which swallows packets would hide those behind it.
struct Connector: Sendable {
    let configuration: PostgresConfiguration
    let pooling: PoolingKnowledge
    let logger: Logger

    /// A connection in pipeline mode, or why there is none.
    func connect() -> Result<Wire, PostgresError> {
        var failures: [PostgresError] = []
        for host in configuration.hosts {
            do throws(PostgresError) {
                return .success(try connect(to: host))
            } catch {
                failures.append(error)
            }
        }
        return .failure(Self.summary(failures))
    }

    /// One failure for all hosts: lasting only where no host may come back.
    static func summary(_ failures: [PostgresError]) -> PostgresError {
        guard let first = failures.first(where: { !$0.isLasting }) ?? failures.first else {
            return PostgresError(.configuration, "There is no host to connect to.")
        }
        guard failures.count > 1 else { return first }
        var all = PostgresError(
            first.code, failures.map(\.message).joined(separator: "; "), file: first.file, line: first.line)
        all.sqlState = first.sqlState
        return all
    }

    private func connect(to host: PostgresConfiguration.Host) throws(PostgresError) -> Wire {
        let password = try configuration.password.read(timeout: configuration.connectTimeout)
        let deadline = ContinuousClock.now + configuration.connectTimeout
        let wire = try start(parameters(for: host, password: password))
        wire.useVerboseErrors()
        var status = PGRES_POLLING_WRITING
        while status != PGRES_POLLING_OK {
            guard status != PGRES_POLLING_FAILED else {
                throw PostgresError(connecting: wire.complaint, to: host)
            }
            let events = status == PGRES_POLLING_READING ? POLLIN : POLLOUT
            guard wire.wait(for: events, until: deadline) else {
                throw PostgresError(
                    .unreachable, "\(host.name):\(host.port): no connection within \(configuration.connectTimeout)")
            }
            status = wire.pollConnect()
        }
        guard wire.useNonblocking() else { throw PostgresError(connecting: wire.complaint, to: host) }
        try prepareSession(wire, host, until: deadline)
        guard wire.enterPipeline() else { throw PostgresError(connecting: wire.complaint, to: host) }
        return wire
    }

    private func start(_ parameters: [(String, String)]) throws(PostgresError) -> Wire {
        var names = parameters.map { strdup($0.0) } + [nil]
        var values = parameters.map { strdup($0.1) } + [nil]
        defer { for text in names + values { free(text) } }
        let connection = names.withUnsafeMutableBufferPointer { names in
            values.withUnsafeMutableBufferPointer { values in
                names.withMemoryRebound(to: UnsafePointer<CChar>?.self) { names in
                    values.withMemoryRebound(to: UnsafePointer<CChar>?.self) { values in
                        PQconnectStartParams(names.baseAddress, values.baseAddress, 0)
                    }
                }
            }
        }
        guard let connection else { throw PostgresError(.unreachable, "There is no memory for a connection.") }
        return Wire(connection, logger: logger)
    }

    /// What libpq is told. Nothing goes into `options`: poolers refuse a connection that brings some.
    private func parameters(
        for host: PostgresConfiguration.Host, password: String?
    ) -> [(String, String)] {
        var parameters = [
            ("host", host.name), ("port", String(host.port)), ("dbname", configuration.database),
            ("user", configuration.user), ("application_name", configuration.applicationName),
            ("client_encoding", "UTF8"), ("gssencmode", "disable"), ("sslmode", configuration.tls.mode.rawValue),
            ("keepalives", "1"), ("keepalives_idle", "30"), ("keepalives_interval", "5"), ("keepalives_count", "3"),
            ("tcp_user_timeout", String(configuration.answerTimeout.milliseconds)),
        ]
        if let password { parameters.append(("password", password)) }
        if let file = configuration.tls.trustedFile { parameters.append(("sslrootcert", file)) }
        if configuration.targetsPrimary { parameters.append(("target_session_attrs", "read-write")) }
        // libpq lets the last of two win.
        parameters += configuration.passedOn.map { ($0.key, $0.value) }
        return parameters
    }
}

// MARK: - What is asked and set once per session

extension Connector {
    /// Finds out whether a pooler is there; where none is, sets what lives as long as the session.
    private func prepareSession(
        _ wire: Wire, _ host: PostgresConfiguration.Host, until deadline: ContinuousClock.Instant
    ) throws(PostgresError) {
        let isPooled: Bool
        if let known = pooling.isTransactionPooled {
            isPooled = known
        } else {
            // A pooler answers the handshake itself, with a process id of its own making.
            let answer = try ask(wire, "SELECT pg_backend_pid()", host, until: deadline)
            isPooled = answer.flatMap { Int($0) } != wire.announcedProcess
        }
        pooling.learn(isPooled, logger)
        guard !isPooled else { return }
        var settings = "SET default_transaction_isolation = 'read committed'"
        if let timeout = configuration.statementTimeout {
            settings += "; SET statement_timeout = \(timeout.milliseconds)"
        }
        for (name, value) in configuration.sessionSettings.sorted(by: { $0.key < $1.key }) {
            settings += "; SET \(name.quoted("\"")) = \(value.quoted("'"))"
        }
        _ = try ask(wire, settings, host, until: deadline)
    }

    /// Runs `sql` before the pipeline begins; the first value that came back.
    private func ask(
        _ wire: Wire, _ sql: String, _ host: PostgresConfiguration.Host, until deadline: ContinuousClock.Instant
    ) throws(PostgresError) -> String? {
        guard wire.sendScript(sql) else { throw PostgresError(connecting: wire.complaint, to: host) }
        var value: String?
        while true {
            let written = wire.flush()
            if written < 0 { throw PostgresError(connecting: wire.complaint, to: host) }
            if written > 0 || wire.isBusy {
                guard wire.wait(for: written > 0 ? POLLIN | POLLOUT : POLLIN, until: deadline) else {
                    throw PostgresError(
                        .unreachable, "\(host.name):\(host.port): the server took the connection and then said nothing."
                    )
                }
                guard wire.consume() else { throw PostgresError(connecting: wire.complaint, to: host) }
                continue
            }
            guard case .result(let result, let status) = wire.next() else { return value }
            switch status {
            case PGRES_TUPLES_OK:
                if PQntuples(result.pointer) > 0 { value = String(cString: PQgetvalue(result.pointer, 0, 0)) }
            case PGRES_COMMAND_OK: break
            default: throw PostgresError(connecting: wire.complaint, to: host)
            }
        }
    }
}

extension Wire {
    /// Waits until the socket is ready for `events`; false where it is not in time.
    func wait(for events: Int32, until deadline: ContinuousClock.Instant) -> Bool {
        while true {
            var descriptor = pollfd(fd: socket, events: Int16(events), revents: 0)
            let ready = poll(&descriptor, 1, deadline.pollTimeout)
            if ready > 0 { return true }
            if ready == 0 || errno != EINTR { return false }
        }
    }
}

extension String {
    /// The text between two of `quote`, those within it doubled: an identifier or a literal of SQL.
    fileprivate func quoted(_ quote: String) -> String {
        quote + replacing(quote, with: quote + quote) + quote
    }
}

extension PostgresTLS {
    /// The system's certificates, where Debian, Alpine and their children keep them.
    private static let systemFile = "/etc/ssl/certs/ca-certificates.crt"

    /// The file to trust; nil leaves it to libpq (`~/.postgresql/root.crt`), which also serves where nothing is
    /// verified.
    var trustedFile: String? {
        if let caFile { return caFile }
        let isVerifying = mode == .verifyCA || mode == .verifyFull
        return isVerifying && access(Self.systemFile, R_OK) == 0 ? Self.systemFile : nil
    }
}

extension Duration {
    /// Whole milliseconds, rounded up, as the server and libpq want them.
    var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    }
}
