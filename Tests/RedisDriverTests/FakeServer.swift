// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix
import Synchronization

@testable import RedisDriver

/// A fake of a server: it answers commands as a test wants it to, also wrongly.
final class FakeServer: Sendable {
    /// What it does after a command.
    enum Reply {
        /// Writes this.
        case write(String)
        /// Nothing.
        case silence
        /// Writes this and closes the connection.
        case close(after: String)
    }

    /// Decides what to do with the words of a command, on the connection with this number, from 0.
    typealias Answer = @Sendable (_ connection: Int, _ words: [String]) -> Reply?

    private let answer: Answer
    private let heard = Mutex<[[String]]>([])
    private let connections = Atomic(0)
    private let listening = Mutex<(any Channel)?>(nil)

    private init(_ answer: @escaping Answer) {
        self.answer = answer
    }

    /// Lends a fake that listens; what `answer` says nothing about is answered as a healthy server does.
    static func run(_ answer: @escaping Answer, _ body: (FakeServer) async throws -> Void) async throws {
        let fake = FakeServer(answer)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let number = fake.connections.wrappingAdd(1, ordering: .relaxed).oldValue
                    try channel.pipeline.syncOperations.addHandler(Peer(fake, number))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        fake.listening.withLock { $0 = channel }
        do {
            try await body(fake)
        } catch {
            try? await channel.close()
            throw error
        }
        try await channel.close()
    }

    /// Where it listens.
    var url: String { "redis://127.0.0.1:\(listening.withLock { $0?.localAddress?.port } ?? 0)" }
    /// All commands that came in.
    var commands: [[String]] { heard.withLock { $0 } }
    /// How many connections there have been.
    var connectionCount: Int { connections.load(ordering: .relaxed) }

    fileprivate func reply(to words: [String], on connection: Int) -> Reply {
        heard.withLock { $0.append(words) }
        return answer(connection, words) ?? .write(Self.healthy(words))
    }

    private static func healthy(_ words: [String]) -> String {
        switch words[0] {
        case "HELLO": "%1\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
        case "INFO": "$32\r\nrun_id:fake\r\nmaster_replid2:0000\r\n"
        case "PING": "+PONG\r\n"
        case "ECHO", "GET": "$\(words[1].utf8.count)\r\n\(words[1])\r\n"
        default: "+OK\r\n"
        }
    }
}

/// One connection to the fake. Commands have the form of answers, so that the decoder reads them.
private final class Peer: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let fake: FakeServer
    private let number: Int
    private var decoder = FrameDecoder(limits: RedisLimits())
    private var arrived = ByteBuffer()

    init(_ fake: FakeServer, _ number: Int) {
        self.fake = fake
        self.number = number
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = Self.unwrapInboundIn(data)
        arrived.writeBuffer(&bytes)
        while case .reply(let command)? = try? decoder.next(in: &arrived) {
            let words = (try? command.array().map { try $0.string() }) ?? []
            switch fake.reply(to: words, on: number) {
            case .silence: break
            case .write(let text): write(text, context)
            case .close(let text):
                if !text.isEmpty { write(text, context) }
                return context.close(promise: nil)
            }
        }
    }

    private func write(_ text: String, _ context: ChannelHandlerContext) {
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
    }
}
