// SPDX-License-Identifier: Apache-2.0

internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import NIOSSL

/// Makes connections: finds the host, encrypts, and says the first words.
struct Connector: Sendable {
    let configuration: RedisConfiguration
    let place: Node.Place
    let eventLoop: any EventLoop

    /// A connection that is ready for commands, or why there is none. Hosts are tried in their order, each for
    /// `connectTimeout`.
    func connect() async -> Result<(Wire, ServerFacts), RedisError> {
        var failures: [RedisError] = []
        do throws(RedisError) {
            for host in try await place.hosts() {
                do throws(RedisError) {
                    return .success(try await connect(to: host))
                } catch {
                    failures.append(error)
                }
            }
        } catch {
            failures.append(error)
        }
        return .failure(Self.summary(failures))
    }

    /// One failure for all hosts: lasting only where no host may come back.
    static func summary(_ failures: [RedisError]) -> RedisError {
        guard var first = failures.first(where: { !$0.isLasting }) ?? failures.first else {
            return RedisError(.unreachable, "There is no host to connect to.")
        }
        guard failures.count > 1 else { return first }
        let (code, isLasting) = (first.serverCode, first.isLasting)
        first = RedisError(
            first.code, failures.map(\.message).joined(separator: "; "), file: first.file, line: first.line)
        first.serverCode = code
        first.isLasting = isLasting
        return first
    }

    private func connect(to host: RedisConfiguration.Host) async throws(RedisError) -> (Wire, ServerFacts) {
        let deadline = NIODeadline.now() + TimeAmount(configuration.connectTimeout)
        let (password, tls) = try await preparation()
        let limits = configuration.limits
        let serverName = configuration.tls?.serverName ?? host.name
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(deadline - .now())
            .channelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 16_384, maximum: 1 << 18)
            )
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: serverName.isAddress ? nil : serverName))
                    }
                    // One for each address of the host: several are tried at once.
                    try channel.pipeline.syncOperations.addHandler(Wire(limits: limits))
                }
            }
        do {
            let connected =
                if host.name.hasPrefix("/") {
                    bootstrap.connect(unixDomainSocketPath: host.name)
                } else {
                    bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1)
                        .connect(host: host.name, port: host.port)
                }
            let wire = try await connected.flatMapThrowing {
                try $0.pipeline.syncOperations.handler(type: Wire.self)
            }.get()
            let facts = try await eventLoop.flatSubmit {
                let greeting = Greeting(wire, Handshake(configuration, password: password), eventLoop)
                return greeting.begin(until: deadline)
            }.get()
            if place.needsPrimary, facts.isPrimary == false {
                eventLoop.execute { wire.close() }
                throw RedisError(.unreachable, "The server is a replica.")
            }
            return (wire, facts)
        } catch {
            throw RedisError(connecting: error, to: host)
        }
    }

    /// What may block a thread: the password and the files of certificates.
    private func preparation() async throws(RedisError) -> (String?, NIOSSLContext?) {
        do {
            return try await NIOThreadPool.singleton.runIfActive {
                let password = try configuration.password.read(timeout: configuration.connectTimeout)
                return (password, try configuration.tls?.makeContext())
            }
        } catch {
            var failure = error as? RedisError ?? RedisError(.unreachable, "The system has no thread left: \(error)")
            failure.isLasting = true
            throw failure
        }
    }
}

/// Says the first words on a wire. Used on the wire's event loop only.
private final class Greeting: WireReader {
    private let wire: Wire
    private var handshake: Handshake
    private let promise: EventLoopPromise<ServerFacts>
    private let eventLoop: any EventLoop
    private var isOver = false

    init(_ wire: Wire, _ handshake: Handshake, _ eventLoop: any EventLoop) {
        self.wire = wire
        self.handshake = handshake
        self.eventLoop = eventLoop
        promise = eventLoop.makePromise()
    }

    /// Begins; what comes of it by `deadline`.
    func begin(until deadline: NIODeadline) -> EventLoopFuture<ServerFacts> {
        guard wire.isOpen else {
            finish(.failure(RedisError(.connectionLost, "Redis closed the connection.")))
            return promise.futureResult
        }
        let timeout = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { [self] in
            finish(.failure(RedisError(.unreachable, "The server took the connection and then said nothing.")))
        }
        promise.futureResult.whenComplete { _ in timeout.cancel() }
        wire.reader = self
        say(handshake.begin())
        return promise.futureResult
    }

    private func say(_ commands: [RedisCommand]) {
        var bytes = ByteBuffer()
        for command in commands { bytes.writeBytes(command.wire) }
        wire.write(bytes)
    }

    func received(_ frame: FrameDecoder.Frame) {
        guard case .reply(let value) = frame else { return }
        switch handshake.receive(value) {
        case .wait: break
        case .send(let commands): say(commands)
        case .done(let facts): finish(.success(facts))
        case .failed(let error): finish(.failure(error))
        }
    }

    func ended(_ reason: RedisError) {
        finish(.failure(reason))
    }

    private func finish(_ result: Result<ServerFacts, RedisError>) {
        guard !isOver else { return }
        isOver = true
        wire.reader = nil
        if case .failure = result { wire.close() }
        promise.completeWith(result.mapError { $0 })
    }
}

extension RedisTLS {
    /// What NIO needs. Reads files, and so may block.
    fileprivate func makeContext() throws(RedisError) -> NIOSSLContext {
        do {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.certificateVerification = verification == .full ? .fullVerification : .noHostnameVerification
            if let caFile { configuration.trustRoots = .file(caFile) }
            if let certificateFile, let keyFile {
                configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(certificateFile).map {
                    .certificate($0)
                }
                configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: keyFile, format: .pem))
            }
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw RedisError(.configuration, "The files for the encryption to Redis cannot be used: \(error).")
        }
    }
}

extension RedisError {
    /// A connection that broke, as NIO tells it.
    init(broken error: any Error) {
        if let error = error as? RedisError {
            self = error
            return
        }
        self.init(.connectionLost, "The connection to Redis broke: \(error).")
        switch error {
        case NIOSSLError.handshakeFailed(.sslError): isLasting = true
        case is NIOSSLExtraError: isLasting = true
        default: break
        }
    }

    /// A server that could not be connected to, or not be asked.
    init(connecting error: any Error, to host: RedisConfiguration.Host) {
        let cause = RedisError(broken: error)
        let message = error is RedisError ? cause.message : "\(error)"
        self.init(.unreachable, "\(host.name):\(host.port): \(message)", file: cause.file, line: cause.line)
        serverCode = cause.serverCode
        isLasting = cause.isLasting || cause.code == .configuration
    }
}

extension String {
    /// Whether it is an address rather than a name, which certificates treat differently.
    fileprivate var isAddress: Bool {
        var four = in_addr()
        var six = in6_addr()
        return hasPrefix("/") || inet_pton(AF_INET, self, &four) == 1 || inet_pton(AF_INET6, self, &six) == 1
    }
}
